"""The user name map: Samba's format."""

from __future__ import annotations

import grp
from pathlib import Path

from smbd.auth.username_map import UsernameMap

TEXT = r"""
# comment
; comment
root = administrator admin
!jdoe = "John Doe" OTHER\john, johnny
nobody = guest
"sys" = @daemon
last = admin
stopped = johnny
no equals sign
broken = "open
= nothing
"""


def make(directory: Path, text: str = TEXT) -> UsernameMap:
    path = directory / "map"
    path.write_text(text)
    return UsernameMap(str(path))


def test_lines(tmp_path: Path) -> None:
    names = make(tmp_path)
    assert names.map("Administrator") == "root"
    assert names.map("john doe") == "jdoe"
    assert names.map("john") == "john"
    assert names.map("john", "other") == "jdoe"
    assert names.map("GUEST") == "nobody"
    assert names.map("unknown") == "unknown"


def test_last_match_wins_unless_stopped(tmp_path: Path) -> None:
    names = make(tmp_path)
    assert names.map("admin") == "last"
    assert names.map("johnny") == "jdoe"


def test_group(tmp_path: Path) -> None:
    assert grp.getgrnam("daemon").gr_gid == 1
    names = make(tmp_path)
    assert names.map("daemon") == "sys"
    assert make(tmp_path, "x = @no-such-group").map("daemon") == "daemon"


def test_everybody(tmp_path: Path) -> None:
    names = make(tmp_path, "!root = admin\nnobody = *")
    assert names.map("admin") == "root"
    assert names.map("anyone") == "nobody"


def test_is_read_again_when_changed(tmp_path: Path) -> None:
    names = make(tmp_path, "a = x")
    assert names.map("x") == "a"
    (tmp_path / "map").write_text("bb = x")
    assert names.map("x") == "bb"
    (tmp_path / "map").unlink()
    assert names.map("x") == "x"


def test_no_file(tmp_path: Path) -> None:
    assert UsernameMap("").map("x") == "x"
    assert UsernameMap(str(tmp_path / "none")).map("x") == "x"
