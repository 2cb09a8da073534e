"""Checks of a configuration as a whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from smbd.config.checks import ROLE_DOMAIN_MEMBER, ROLE_STANDALONE, check_config, server_role
from smbd.config.loadparm import Config, load_config

DIRECTORIES = ("lock directory", "state directory", "cache directory", "pid directory")


@pytest.fixture
def directories(tmp_path: Path) -> list[tuple[str, str]]:
    path = tmp_path / "run"
    path.mkdir(mode=0o755)
    return [(name, str(path)) for name in DIRECTORIES]


def load(tmp_path: Path, directories: list[tuple[str, str]], text: str) -> Config:
    path = tmp_path / "smb.conf"
    path.write_text(text)
    return load_config(path, directories)


@pytest.mark.parametrize(
    ("text", "is_error", "part"),
    [
        ("workgroup = A\nnetbios name = a", False, "must differ"),
        ("netbios name = abcdefghijklmnop", True, "longer than 15"),
        ("security = ads", False, "stand-alone"),
        ("server max protocol = NT1", True, "leaves only SMB1"),
        ("server min protocol = SMB3\nserver max protocol = SMB2", True, "nobody can connect"),
        ("server min protocol = NT1", False, "asks for SMB1"),
        ("smb encrypt = required\nserver max protocol = SMB2", True, "below SMB3"),
        ("[s]\npath = tmp", True, "not absolute"),
        ("[s]\npath = /nonexistent", False, "does not exist"),
        ("[s]\npath = /\nguest only = yes", False, "without 'guest ok'"),
        ("[s]\npath = /\nroot preexec close = no\npreexec close = yes", False, "without 'preexec'"),
        ("[s]\npath = /\nhosts allow = 1.2.3.0/99", True, "not a network"),
        ("[a:b]\npath = /", False, "refuse"),
        (f"[{'s' * 81}]\npath = /", False, "80 characters"),
        ("server signing = required\n[s]\npath = /\nguest ok = yes", False, "no key to sign with"),
        ("map to guest = bad user\n[s]\npath = /\nguest ok = yes", False, "24H2"),
        ("[s]\npath = /\nguest ok = yes", False, "never"),
    ],
)
def test_findings(tmp_path: Path, directories: list[tuple[str, str]], text: str, is_error: bool, part: str) -> None:
    (finding,) = check_config(load(tmp_path, directories, text + "\n"))
    assert part in finding.message
    assert finding.is_error is is_error
    assert str(finding).startswith("ERROR: " if is_error else "WARNING: ")


def test_a_good_configuration_has_none(tmp_path: Path, directories: list[tuple[str, str]]) -> None:
    text = "workgroup = LAB\n[homes]\n[s]\npath = /\nhosts allow = 10.0.0.0/8\n[v]\npath = /srv/%U\n"
    assert check_config(load(tmp_path, directories, text)) == []


def test_directories_are_looked_at(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    config = load_config("", [(name, str(shared)) for name in DIRECTORIES[:2]])
    found = [finding.message for finding in check_config(config)]
    assert f"lock directory {shared} should be writable by its owner only" in found
    missing = load_config("", [(name, "/nonexistent") for name in DIRECTORIES])
    assert len(check_config(missing)) == len(DIRECTORIES)


def test_the_role() -> None:
    assert server_role(load_config("")) == ROLE_STANDALONE
    assert server_role(load_config("", [("security", "ads")])) == ROLE_DOMAIN_MEMBER
    assert server_role(load_config("", [("server role", "member")])) == ROLE_DOMAIN_MEMBER
