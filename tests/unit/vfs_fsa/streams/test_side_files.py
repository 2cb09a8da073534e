"""Large streams: kept in files beside, which come and go with them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.unit.vfs_fsa.streams.support import XATTR, get, put, refused
from tests.unit.vfs_fsa.support import Share
from vfs import ntstatus as nt
from vfs.access import DELETE, FILE_GENERIC_READ
from vfs.constants import (
    FILE_ATTRIBUTE_NORMAL,
    FILE_DELETE_ON_CLOSE,
    FILE_OPEN_IF,
    FILE_OVERWRITE_IF,
    FILE_SHARE_ALL,
)
from vfs.fsa import (
    close,
    directory,
    flush,
    link,
    query_info,
    rename,
    set_info,
    write,
)
from vfs.fsa.file_object import FileObject
from vfs.modules.side_files import DIRECTORY_NAME


def side_files(root: Path) -> list[Path]:
    place = root / DIRECTORY_NAME
    return sorted(place.iterdir()) if place.exists() else []


@pytest.fixture
def big(share: Share) -> FileObject:
    fo = share.create("file:s")
    put(fo, b"small")
    put(fo, b"x" * 100_000, 5)
    return fo


def test_large_streams_go_to_side_files(share: Share, big: FileObject) -> None:
    (side,) = side_files(share.root)
    assert side.read_bytes() == b"small" + b"x" * 100_000
    assert (share.root / DIRECTORY_NAME).stat().st_mode & 0o777 == 0o700
    assert len(get(big, 200_000)) == 100_005
    stat = query_info.stat(big)
    assert stat.end_of_file == 100_005
    assert [(one.name, one.size) for one in query_info.streams(big)] == [("::$DATA", 0), (":s:$DATA", 100_005)]
    other = share.open("file:S")
    put(other, b"THE END", 100_005)
    assert get(big, 100, 100_005) == b"THE END"


def test_a_gap_needs_no_memory(share: Share) -> None:
    fo = share.create("file:s")
    set_info.set_end_of_file(fo, 1 << 40)
    assert query_info.stat(fo).end_of_file == 1 << 40
    assert get(fo, 4, 1 << 30) == bytes(4)


def test_an_emptied_stream_returns_to_the_attribute(share: Share, big: FileObject) -> None:
    set_info.set_end_of_file(big, 3)
    assert get(big) == b"sma"
    assert len(side_files(share.root)) == 1
    set_info.set_end_of_file(big, 0)
    assert side_files(share.root) == []
    assert os.getxattr(share.root / "file", XATTR) == b"\0"
    put(big, b"again")
    assert os.getxattr(share.root / "file", XATTR) == b"again\0"


@pytest.mark.parametrize("how", ["stream", "file", "overwrite", "replace", "link"])
def test_side_files_go_with_what_they_belong_to(share: Share, big: FileObject, how: str) -> None:
    close.close_file(big)
    if how == "stream":
        close.close_file(share.open("file:s", DELETE, options=FILE_DELETE_ON_CLOSE))
    elif how == "file":
        close.close_file(share.open("file", DELETE, options=FILE_DELETE_ON_CLOSE))
    elif how == "overwrite":
        share.open("file", disposition=FILE_OVERWRITE_IF, file_attributes=FILE_ATTRIBUTE_NORMAL)
    elif how == "replace":
        rename.rename(share.create("new"), "file", replace=True)
    else:
        link.link(share.create("new"), "file", replace=True)
    assert side_files(share.root) == []


def test_another_link_keeps_the_side_file(share: Share, big: FileObject) -> None:
    os.link(share.root / "file", share.root / "second")
    close.close_file(big)
    close.close_file(share.open("file", DELETE, options=FILE_DELETE_ON_CLOSE))
    assert len(get(share.open("second:s"), 200_000)) == 100_005


def test_a_copy_made_beside_the_server_has_contents_of_its_own(share: Share, big: FileObject) -> None:
    copy = share.root / "copy"
    copy.touch()
    os.setxattr(copy, XATTR, os.getxattr(share.root / "file", XATTR))
    fo = share.open("copy:s")
    assert len(get(fo, 200_000)) == 100_005
    put(fo, b"SMALL")
    assert get(fo, 5) == b"SMALL"
    assert get(big, 5) == b"small"
    close.close_file(fo)
    close.close_file(share.open("copy", DELETE, options=FILE_DELETE_ON_CLOSE))
    assert get(big, 5) == b"small"


def test_a_lost_side_file_is_an_empty_stream(share: Share, big: FileObject) -> None:
    close.close_file(big)
    side_files(share.root)[0].unlink()
    fo = share.open("file:s")
    assert query_info.stat(fo).end_of_file == 0
    assert [one.size for one in query_info.streams(fo)] == [0, 0]
    put(fo, b"anew")
    assert get(fo) == b"anew"


def test_rename_of_a_large_stream(share: Share, big: FileObject) -> None:
    rename.rename(big, ":new", replace=False)
    assert len(get(big, 200_000)) == 100_005
    rename.rename(big, "::$DATA", replace=True)
    assert side_files(share.root) == []
    assert (share.root / "file").stat().st_size == 100_005


def test_clients_do_not_see_the_directory(share: Share, big: FileObject) -> None:
    del big
    for path in (DIRECTORY_NAME, DIRECTORY_NAME.upper(), DIRECTORY_NAME + "\\x"):
        with refused(nt.STATUS_OBJECT_NAME_NOT_FOUND):
            share.open(path, FILE_GENERIC_READ, FILE_OPEN_IF, share=FILE_SHARE_ALL)
    root = share.open("", FILE_GENERIC_READ)
    for pattern in ("*", DIRECTORY_NAME, ".p*"):
        assert DIRECTORY_NAME not in [entry.name for entry in directory.open_scan(root, pattern)]


def test_contents_that_look_like_a_reference(share: Share, big: FileObject) -> None:
    reference = os.getxattr(share.root / "file", XATTR)
    fo = share.create("other:s")
    put(fo, reference)
    assert get(fo) == reference
    close.close_file(big)


def test_flush(share: Share, big: FileObject) -> None:
    for fo in (big, share.create("other:s")):
        assert write.write(fo, 0, memoryview(b"1")) == 1
        flush.flush(fo)
