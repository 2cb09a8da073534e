"""docs/PARAMETERS.md is what the registry says, and the example configuration is a good one."""

from __future__ import annotations

from pathlib import Path

import pytest

from smbd.config import docs, paths
from smbd.config.loadparm import load_config
from smbd.config.parameters import REGISTRY

ROOT = Path(__file__).parents[3]


def test_the_document_is_up_to_date() -> None:
    assert (ROOT / "docs" / "PARAMETERS.md").read_text() == docs.text(), "run python -m smbd.config.docs"


def test_the_document_has_every_parameter() -> None:
    text = docs.text()
    assert all(f"**{param.name}**" in text for param in REGISTRY.params)


@pytest.mark.parametrize("uncomment", [False, True])
def test_the_example_is_without_warnings(tmp_path: Path, uncomment: bool) -> None:
    lines = (ROOT / "etc" / "smb.conf.example").read_text().splitlines()
    path = tmp_path / "smb.conf"
    path.write_text("\n".join(line.removeprefix(";") if uncomment else line for line in lines))
    config = load_config(path)
    assert config.warnings == ()
    assert config.homes is not None
    assert [share.name for share in config.shares()] == (["projects", "software", "finance"] if uncomment else [])


def test_the_default_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("SMB_CONF_PATH", raising=False)
    own, other = tmp_path / "own", tmp_path / "other"
    monkeypatch.setattr(paths, "CONFIG_FILE", str(own))
    monkeypatch.setattr(paths, "FALLBACK_CONFIG_FILE", str(other))
    assert paths.default_config_file() == str(own)
    other.touch()
    assert paths.default_config_file() == str(other)
    own.touch()
    assert paths.default_config_file() == str(own)
    monkeypatch.setenv("SMB_CONF_PATH", "/named")
    assert paths.default_config_file() == "/named"
