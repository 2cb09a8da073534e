"""Listing a directory."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from tests.unit.vfs_fsa.support import Share
from tests.unit.vfs_fsa.test_fsa_open import status_of
from vfs import ntstatus as nt
from vfs.access import FILE_LIST_DIRECTORY, FILE_READ_ATTRIBUTES
from vfs.constants import (
    FILE_ATTRIBUTE_DIRECTORY,
    FILE_ATTRIBUTE_HIDDEN,
    FILE_ATTRIBUTE_REPARSE_POINT,
    FILE_ATTRIBUTE_SYSTEM,
)
from vfs.fsa import close, directory, ea, plain_entry, query_info, set_info
from vfs.fsa.mangle import MANGLED_NO, MANGLED_YES, mangle
from vfs.fsa.params import EaEntry
from vfs.posix import dosattrib


def names(share: Share, pattern: str = "*", path: str = "") -> list[str]:
    fo = share.open(path, FILE_LIST_DIRECTORY)
    found = [entry.name for entry in directory.open_scan(fo, pattern)]
    close.close_file(fo)
    return found


def test_dots_come_first(share: Share) -> None:
    for name in ("b", "a"):
        (share.root / name).touch()
    found = names(share)
    assert found[:2] == [".", ".."]
    assert sorted(found[2:]) == ["a", "b"]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*", {".", "..", "a.txt", "B.TXT", "dir"}),
        ("*.*", {".", "..", "a.txt", "B.TXT", "dir"}),
        ("", {".", "..", "a.txt", "B.TXT", "dir"}),
        ("*.txt", {"a.txt", "B.TXT"}),
        ("A.TXT", {"a.txt"}),
        ("?.txt", {"a.txt", "B.TXT"}),
        ("<", {"dir"}),
        ("none", set()),
        ("none*", set()),
        (".", {"."}),
        ("..", {".."}),
    ],
)
def test_patterns(share: Share, pattern: str, expected: set[str]) -> None:
    (share.root / "a.txt").touch()
    (share.root / "B.TXT").touch()
    (share.root / "dir").mkdir()
    found = set(names(share, pattern))
    assert found - {".", ".."} == expected - {".", ".."}
    if not pattern.startswith("<"):
        assert found == expected


def test_entries_say_what_the_open_file_says(share: Share) -> None:
    share.mkdir("dir")
    fo = share.create("dir\\file", file_attributes=FILE_ATTRIBUTE_SYSTEM, allocation_size=10)
    ea.set_eas(fo, [EaEntry(b"N", b"v")])
    opened = share.open("dir", FILE_LIST_DIRECTORY)
    entries = {entry.name: entry for entry in directory.open_scan(opened, "*", with_ea_size=True)}
    stat = query_info.stat(fo, with_ea_size=True)
    entry = entries["file"]
    times = ("creation_time", "last_write_time", "change_time")
    for field in (*times, "end_of_file", "allocation_size", "file_attributes", "ea_size"):
        assert getattr(entry, field) == getattr(stat, field)
    assert entry.file_id == stat.index_number
    assert entries["."].file_id == query_info.stat(opened).index_number
    assert entries[".."].file_id == query_info.stat(share.open("", FILE_READ_ATTRIBUTES)).index_number
    assert entries["."].file_attributes == FILE_ATTRIBUTE_DIRECTORY


def test_push_back_and_restart(share: Share) -> None:
    for number in range(5):
        (share.root / f"f{number}").touch()
    scan = directory.open_scan(share.open("", FILE_LIST_DIRECTORY), "f*")
    first = next(scan)
    assert scan.returned
    scan.push_back()
    assert next(scan) == first
    (share.root / "f9").touch()
    assert len(list(scan)) == 4
    assert list(scan) == []
    scan.restart()
    assert len(list(scan)) == 6
    scan.restart("f1")
    assert [entry.name for entry in scan] == ["f1"]
    assert status_of(lambda: scan.restart("a\\b")) == nt.STATUS_OBJECT_NAME_INVALID


def test_what_vanishes_is_left_out(share: Share) -> None:
    (share.root / "gone").touch()
    scan = directory.open_scan(share.open("", FILE_LIST_DIRECTORY), "*")
    (share.root / "gone").unlink()
    assert [entry.name for entry in scan] == [".", ".."]


def test_veto_and_hide(make_share: Callable[..., Share]) -> None:
    share = make_share(veto_files=["*.exe"], hide_files=["desktop.ini"])
    for name in ("a.exe", "Desktop.ini", ".dot", "plain"):
        (share.root / name).touch()
    fo = share.open("", FILE_LIST_DIRECTORY)
    found = {entry.name: entry.file_attributes & FILE_ATTRIBUTE_HIDDEN for entry in directory.open_scan(fo, "*")}
    assert found == {".": 0, "..": 0, "Desktop.ini": 2, ".dot": 2, "plain": 0}
    assert names(share, "a.exe") == []


def test_links(share: Share) -> None:
    (share.root / "target").write_bytes(b"12345")
    (share.root / "good").symlink_to("target")
    (share.root / "dangling").symlink_to("nowhere")
    (share.root / "outside").symlink_to("/etc/passwd")
    fo = share.open("", FILE_LIST_DIRECTORY)
    found = {entry.name: entry.end_of_file for entry in directory.open_scan(fo, "*")}
    assert set(found) == {".", "..", "target", "good"}
    assert found["good"] == 5


def test_names_that_windows_cannot_spell(make_share: Callable[..., Share]) -> None:
    share = make_share()
    (share.root / "a:b").touch()
    assert names(share)[2:] == [mangle("a:b")]
    assert names(share, mangle("a:b")) == [mangle("a:b")]
    share = make_share(mangled_names=MANGLED_NO)
    assert names(share)[2:] == ["a:b"]


def test_what_entries_have_may_change_from_query_to_query(make_share: Callable[..., Share]) -> None:
    share = make_share(mangled_names=MANGLED_YES)
    ea.set_eas(share.create("a long name"), [EaEntry(b"N", b"v")])
    scan = directory.open_scan(share.open("", FILE_LIST_DIRECTORY), "a*")
    entry = next(scan)
    assert (entry.short_name, entry.ea_size) == ("", 0)
    scan.push_back()
    scan.with_short_names = scan.with_ea_size = True
    assert next(scan).short_name == mangle("a long name")
    scan.restart()
    assert next(scan).ea_size > 0


def _all_sorts(share: Share) -> None:
    """Make entries of every sort."""
    share.mkdir("dir", file_attributes=FILE_ATTRIBUTE_HIDDEN)
    share.create("plain")
    share.create("with attributes", file_attributes=FILE_ATTRIBUTE_SYSTEM)
    ea.set_eas(share.create("with an EA"), [EaEntry(b"N", b"v")])
    set_info.set_basic(share.create("change time was set"), 0, 0, 0, 132_000_000_000_000_000, 0)
    set_info.set_basic(share.create("long ago"), 1, 2, 3, 0, 0)
    share.create("large", allocation_size=100_000)
    odd = (b".dot", b"made beside", b"con", b"COMputer", b"a:b", b"end.", b"blank ", b"\xc3\xa4", b"\xff", b"hide")
    for name in odd:
        os.close(os.open(os.fsencode(share.root) + b"/" + name, os.O_CREAT | os.O_WRONLY))
    os.setxattr(share.root / "made beside", "user.other", b"value")
    os.utime(share.root / "hide", ns=(-(1 << 60), -(1 << 62)))
    (share.root / "link").symlink_to("plain")
    os.mkfifo(share.root / "fifo")
    os.setxattr(share.root / "con", dosattrib.XATTR_NAME, dosattrib.pack(FILE_ATTRIBUTE_REPARSE_POINT, 5))
    os.setxattr(share.root / "hide", dosattrib.XATTR_NAME, dosattrib.pack(FILE_ATTRIBUTE_SYSTEM, 5))
    os.setxattr(share.root / "COMputer", dosattrib.XATTR_NAME, dosattrib.pack(FILE_ATTRIBUTE_SYSTEM, 0))


@pytest.mark.parametrize("with_ea_size", [False, True])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"ea_support": False},
        {"acl_xattr": True, "allocation_roundup_size": 1 << 20},
        {"mangled_names": MANGLED_NO},
        {"mangled_names": MANGLED_YES},
        {"hide_files": ["hide"]},
        {"store_dos_attributes": False, "map_archive": True},
        {"dos_filetime_resolution": True},
        {"posix": True},
    ],
    ids=str,
)
def test_plain_entries_are_as_any_other(
    make_share: Callable[..., Share], options: dict[str, object], with_ea_size: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    share = make_share(**options)
    _all_sorts(make_share())
    fo = share.open("", FILE_LIST_DIRECTORY)
    scan = directory.open_scan(fo, "*", with_short_names=True, with_ea_size=with_ea_size)
    made_plain = []
    maker = plain_entry.maker

    def counted(*args: object, **more: object) -> Callable[[str], object] | None:
        make = maker(*args, **more)
        if make is None:
            return None

        def call(name: str) -> object:
            entry = make(name)
            if entry is not None:
                made_plain.append(name)
            return entry

        return call

    monkeypatch.setattr(plain_entry, "maker", counted)
    entries = list(scan)
    monkeypatch.setattr(plain_entry, "maker", lambda *_args, **_more: None)
    scan.restart()
    assert list(scan) == entries
    if set(options) & {"hide_files", "store_dos_attributes", "dos_filetime_resolution", "posix"} or (
        options.get("mangled_names") == MANGLED_YES
    ):
        assert not made_plain
        return
    assert {"plain", "with attributes", "long ago", "large", "dir"} <= set(made_plain)
    assert ("with an EA" in made_plain) == (not with_ea_size or "ea_support" in options)
    assert not {".", "..", "link", "fifo", "a:b", ".dot", "con", "change time was set"} & set(made_plain)


def test_the_stored_descriptor_is_no_ea(make_share: Callable[..., Share]) -> None:
    share = make_share(acl_xattr=True, acl_xattr_name="user.descriptor")
    share.create("file")
    os.setxattr(share.root / "file", "user.descriptor", b"x")
    (entry,) = directory.open_scan(share.open("", FILE_LIST_DIRECTORY), "file", with_ea_size=True)
    assert entry.ea_size == 0


def test_bytes_that_are_no_utf8(share: Share) -> None:
    os.close(os.open(os.fsencode(share.root) + b"/x\xff", os.O_CREAT | os.O_WRONLY))
    found = names(share)[2:]
    assert len(found) == 1
    assert share.open(found[0]).path == b"x\xff"


def test_access_and_kind(share: Share) -> None:
    fo = share.create("file")
    assert status_of(lambda: directory.open_scan(fo, "*")) == nt.STATUS_INVALID_PARAMETER
    weak = share.open("", FILE_READ_ATTRIBUTES)
    assert status_of(lambda: directory.open_scan(weak, "*")) == nt.STATUS_ACCESS_DENIED
