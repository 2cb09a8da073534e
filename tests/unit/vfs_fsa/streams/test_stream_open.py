"""Opening named streams: names, dispositions, what read-only files and shares allow ([MS-FSA] 2.1.5.1)."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from tests.unit.vfs_fsa.streams.support import XATTR, get, names_of, put, refused
from tests.unit.vfs_fsa.support import ORDINARY, Share
from vfs import ntstatus as nt
from vfs.access import DELETE, FILE_ALL_ACCESS, FILE_GENERIC_READ, FILE_READ_DATA, MAXIMUM_ALLOWED
from vfs.constants import (
    FILE_ATTRIBUTE_ARCHIVE,
    FILE_ATTRIBUTE_HIDDEN,
    FILE_ATTRIBUTE_NORMAL,
    FILE_ATTRIBUTE_READONLY,
    FILE_CREATE,
    FILE_CREATED,
    FILE_DELETE_ON_CLOSE,
    FILE_DIRECTORY_FILE,
    FILE_NAMED_STREAMS,
    FILE_OPEN,
    FILE_OPEN_IF,
    FILE_OPENED,
    FILE_OVERWRITE,
    FILE_OVERWRITE_IF,
    FILE_OVERWRITTEN,
    FILE_SUPERSEDE,
    FILE_SUPERSEDED,
)
from vfs.fsa import (
    query_fs,
    query_info,
    set_info,
)


def test_creates_the_file_with_its_stream(share: Share) -> None:
    fo = share.create("file:s")
    assert fo.create_action == FILE_CREATED
    assert fo.name == "file:s"
    assert fo.path == b"file"
    assert not fo.is_directory
    assert (share.root / "file").read_bytes() == b""
    put(fo, b"contents")
    assert os.getxattr(share.root / "file", XATTR) == b"contents\0"
    assert get(fo) == b"contents"
    assert query_info.stat(fo).end_of_file == 8
    assert query_info.stat(fo).file_attributes == FILE_ATTRIBUTE_ARCHIVE


@pytest.mark.parametrize(
    ("disposition", "exists", "action", "left"),
    [
        (FILE_OPEN, True, FILE_OPENED, b"old"),
        (FILE_OPEN_IF, True, FILE_OPENED, b"old"),
        (FILE_OPEN_IF, False, FILE_CREATED, b""),
        (FILE_CREATE, False, FILE_CREATED, b""),
        (FILE_OVERWRITE, True, FILE_OVERWRITTEN, b""),
        (FILE_OVERWRITE_IF, True, FILE_OVERWRITTEN, b""),
        (FILE_OVERWRITE_IF, False, FILE_CREATED, b""),
        (FILE_SUPERSEDE, True, FILE_SUPERSEDED, b""),
        (FILE_SUPERSEDE, False, FILE_CREATED, b""),
    ],
)
def test_dispositions(share: Share, disposition: int, exists: bool, action: int, left: bytes) -> None:
    file = share.root / "file"
    file.write_bytes(b"base")
    if exists:
        os.setxattr(file, XATTR, b"old\0")
    fo = share.open("file:s", FILE_ALL_ACCESS, disposition, file_attributes=FILE_ATTRIBUTE_NORMAL)
    assert fo.create_action == action
    assert os.getxattr(file, XATTR) == left + b"\0"
    assert file.read_bytes() == b"base"


@pytest.mark.parametrize(
    ("path", "disposition", "status"),
    [
        ("file:s", FILE_CREATE, nt.STATUS_OBJECT_NAME_COLLISION),
        ("file:other", FILE_OPEN, nt.STATUS_OBJECT_NAME_NOT_FOUND),
        ("file:other", FILE_OVERWRITE, nt.STATUS_OBJECT_NAME_NOT_FOUND),
        ("none:s", FILE_OPEN, nt.STATUS_OBJECT_NAME_NOT_FOUND),
        ("none:s", FILE_OVERWRITE, nt.STATUS_OBJECT_NAME_NOT_FOUND),
        ("none\\file:s", FILE_OPEN_IF, nt.STATUS_OBJECT_PATH_NOT_FOUND),
        ("file:", FILE_OPEN_IF, nt.STATUS_OBJECT_NAME_INVALID),
        ("file:s:", FILE_OPEN_IF, nt.STATUS_OBJECT_NAME_INVALID),
        ("file:s:$FOO", FILE_OPEN_IF, nt.STATUS_OBJECT_NAME_INVALID),
        ("file:a:b:$DATA", FILE_OPEN_IF, nt.STATUS_OBJECT_NAME_INVALID),
        ("f*:s", FILE_OPEN_IF, nt.STATUS_OBJECT_NAME_INVALID),
        ("file:" + "x" * 250, FILE_OPEN_IF, nt.STATUS_OBJECT_NAME_INVALID),
    ],
)
def test_refused_names(share: Share, path: str, disposition: int, status: int) -> None:
    file = share.root / "file"
    file.touch()
    os.setxattr(file, XATTR, b"\0")
    with refused(status):
        share.open(path, disposition=disposition)
    assert sorted(os.listdir(share.root)) == ["file"]  # noqa: PTH208 - names only


def test_a_stream_is_no_directory(share: Share) -> None:
    share.mkdir("dir")
    for path in ("dir:s", "dir::$DATA"):
        with refused(nt.STATUS_NOT_A_DIRECTORY):
            share.open(path, FILE_GENERIC_READ, FILE_OPEN_IF, FILE_DIRECTORY_FILE)


def test_directories_have_streams(share: Share) -> None:
    base = share.mkdir("dir")
    fo = share.create("dir:s")
    put(fo, b"1")
    stat = query_info.stat(fo)
    assert not stat.directory
    assert stat.number_of_links == 1
    assert stat.file_attributes == FILE_ATTRIBUTE_ARCHIVE
    assert names_of(base) == [":s:$DATA"]


def test_names_ignore_case_and_keep_it(share: Share) -> None:
    put(share.create("file:Zone.Identifier"), b"z")
    again = share.open("FILE:zone.IDENTIFIER:$data")
    assert get(again) == b"z"
    assert names_of(again) == ["::$DATA", ":Zone.Identifier:$DATA"]


def test_any_character_but_three(share: Share) -> None:
    for name in ("\x05Stream\n One", "?Stream*", '"<>|', "Gr\u00f6\u00dfe", "\U0001f600"):
        put(share.create(f"file:{name}"), name.encode())
        assert get(share.open(f"file:{name}")) == name.encode()


def test_without_the_type_in_the_attribute(make_share: Callable[..., Share]) -> None:
    share = make_share(streams_xattr=True, streams_xattr_prefix="user.", streams_xattr_store_type=False)
    base = share.create("file")
    put(share.create("file:s"), b"1")
    assert os.getxattr(share.root / "file", "user.s") == b"1\0"
    assert names_of(base) == ["::$DATA", ":s:$DATA"]


def test_store_is_announced(share: Share, make_share: Callable[..., Share]) -> None:
    assert query_fs.attributes(share.create("file")).attributes & FILE_NAMED_STREAMS
    plain = make_share()
    assert not query_fs.attributes(plain.open("file")).attributes & FILE_NAMED_STREAMS


def test_a_read_only_file_lets_streams_be_read(share: Share) -> None:
    put(share.create("file:s"), b"1")
    base = share.open("file", FILE_ALL_ACCESS)
    set_info.set_basic(base, 0, 0, 0, 0, FILE_ATTRIBUTE_READONLY)
    assert get(share.open("file:s", FILE_READ_DATA)) == b"1"
    for path, disposition in (("file:s", FILE_OPEN), ("file:new", FILE_CREATE)):
        with refused(nt.STATUS_ACCESS_DENIED):
            share.open(path, ORDINARY, disposition)
    with refused(nt.STATUS_CANNOT_DELETE):
        share.open("file:s", DELETE, FILE_OPEN, FILE_DELETE_ON_CLOSE)
    most = share.open("file:s", MAXIMUM_ALLOWED)
    with refused(nt.STATUS_ACCESS_DENIED):
        put(most, b"2")


def test_a_read_only_share_makes_no_streams(make_share: Callable[..., Share]) -> None:
    share = make_share(streams_xattr=True)
    share.volume.read_only = True
    (share.root / "file").touch()
    with refused(nt.STATUS_ACCESS_DENIED):
        share.open("file:s", FILE_READ_DATA, FILE_OPEN_IF)


def test_hidden_files_are_not_overwritten_in_passing(share: Share) -> None:
    put(share.create("file:s"), b"1")
    set_info.set_basic(share.open("file", FILE_ALL_ACCESS), 0, 0, 0, 0, FILE_ATTRIBUTE_HIDDEN)
    with refused(nt.STATUS_ACCESS_DENIED):
        share.open("file:s", disposition=FILE_OVERWRITE)
    assert get(share.open("file:s")) == b"1"
