"""The example of docs/VFS_MODULES.md is loaded as it stands there, through an entry point."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from vfs.constants import FILE_CREATE
from vfs.modules import loader
from vfs.ntstatus import STATUS_ACCESS_DENIED, NTStatusError

DOCS = Path(__file__).parents[3] / "docs" / "VFS_MODULES.md"


@pytest.fixture
def installed(tmp_path, monkeypatch):
    text = DOCS.read_text()
    code = re.search(r"```python\n(.*?)```", text, re.DOTALL).group(1)
    value = re.search(r'^no_executables = "(.*)"$', text, re.MULTILINE).group(1)
    assert len(code.split("\n\n", 1)[1].splitlines()) <= 20
    package = tmp_path / "site"
    (package / "no_executables-1.dist-info").mkdir(parents=True)
    (package / "no_executables.py").write_text(code)
    (package / "no_executables-1.dist-info" / "METADATA").write_text("Name: no_executables\nVersion: 1\n")
    (package / "no_executables-1.dist-info" / "entry_points.txt").write_text(
        f"[{loader.ENTRY_POINT_GROUP}]\nno_executables = {value}\n"
    )
    monkeypatch.syspath_prepend(str(package))
    loader.find_module.cache_clear()
    yield
    loader.find_module.cache_clear()
    sys.modules.pop("no_executables", None)


@pytest.mark.usefixtures("installed")
def test_the_example_works(stacked):
    share = stacked("no_executables", no_executables__endings=".scr .exe")
    with pytest.raises(NTStatusError) as caught:
        share.open("virus.EXE", disposition=FILE_CREATE)
    assert caught.value.status == STATUS_ACCESS_DENIED
    share.open("letter.txt", disposition=FILE_CREATE)
