"""Named streams: opening, sharing, deleting, renaming and listing them ([MS-FSA] 2.1.5)."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

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
    FILE_SHARE_ALL,
    FILE_SHARE_DELETE,
    FILE_SHARE_READ,
    FILE_SUPERSEDE,
    FILE_SUPERSEDED,
)
from vfs.fsa import (
    close,
    directory,
    ea,
    flush,
    fsctl,
    link,
    query_fs,
    query_info,
    read,
    rename,
    set_info,
    write,
)
from vfs.fsa.file_object import FileObject
from vfs.modules.side_files import DIRECTORY_NAME
from vfs.modules.streams_xattr import StreamsXattr
from vfs.ntstatus import NTStatusError

XATTR = "user.DosStream.s:$DATA"


@pytest.fixture
def share(make_share: Callable[..., Share]) -> Share:
    made = make_share(streams_xattr=True)
    try:
        os.setxattr(made.root, "user.probe", b"x")
        os.removexattr(made.root, "user.probe")
    except OSError:
        pytest.skip("no extended attributes here")
    return made


def put(fo: FileObject, data: bytes, offset: int = 0) -> None:
    assert write.write(fo, offset, memoryview(data)) == len(data)


def get(fo: FileObject, length: int = 100_000, offset: int = 0) -> bytes:
    buffer = memoryview(bytearray(length))
    return bytes(buffer[: read.read_into(fo, offset, buffer)])


def names_of(fo: FileObject) -> list[str]:
    return sorted(one.name for one in query_info.streams(fo))


def refused(status: int) -> pytest.RaisesExc[NTStatusError]:
    return pytest.raises(NTStatusError, check=lambda error: error.status == status)


# Opening


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


# Rights


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
    share = make_share(streams_xattr=True, read_only=True)
    (share.root / "file").touch()
    with refused(nt.STATUS_ACCESS_DENIED):
        share.open("file:s", FILE_READ_DATA, FILE_OPEN_IF)


def test_hidden_files_are_not_overwritten_in_passing(share: Share) -> None:
    put(share.create("file:s"), b"1")
    set_info.set_basic(share.open("file", FILE_ALL_ACCESS), 0, 0, 0, 0, FILE_ATTRIBUTE_HIDDEN)
    with refused(nt.STATUS_ACCESS_DENIED):
        share.open("file:s", disposition=FILE_OVERWRITE)
    assert get(share.open("file:s")) == b"1"


# Sharing and deleting


def test_each_stream_has_its_own_share_modes(share: Share) -> None:
    share.create("file:s", share=0)
    share.open("file", ORDINARY & ~DELETE, share=0)
    share.create("file:t", share=0)
    with refused(nt.STATUS_SHARING_VIOLATION):
        share.open("file:S")
    with refused(nt.STATUS_SHARING_VIOLATION):
        share.open("file", FILE_READ_DATA)


def test_an_open_stream_minds_only_the_deletion_of_its_file(share: Share) -> None:
    share.create("file:s", share=FILE_SHARE_READ)
    share.open("file", ORDINARY & ~DELETE)
    with refused(nt.STATUS_SHARING_VIOLATION):
        share.open("file", DELETE)


def test_a_dead_process_holds_nothing(share: Share) -> None:
    fo = share.create("file:s", share=0, pid=7)
    share.dead.add(7)
    close.close_file(share.open("file:s", share=0))
    close.close_file(share.open("file", DELETE))
    close.close_file(fo)


def test_a_deleted_file_stays_until_its_streams_are_closed(share: Share) -> None:
    stream = share.create("file:s")
    put(stream, b"1")
    close.close_file(share.open("file", DELETE, options=FILE_DELETE_ON_CLOSE))
    assert get(stream) == b"1"
    for path in ("file", "file:s", "file:new"):
        with refused(nt.STATUS_DELETE_PENDING):
            share.open(path, disposition=FILE_OPEN_IF)
    close.close_file(stream)
    assert not (share.root / "file").exists()


def test_a_deleted_directory_stays_until_its_streams_are_closed(share: Share) -> None:
    close.close_file(share.mkdir("dir"))
    stream = share.create("dir:s")
    close.close_file(share.open("dir", DELETE, options=FILE_DELETE_ON_CLOSE))
    assert (share.root / "dir").exists()
    close.close_file(stream)
    assert not (share.root / "dir").exists()


def test_deleting_a_stream_leaves_the_file(share: Share) -> None:
    put(share.create("file"), b"base")
    one = share.create("file:s")
    other = share.open("file:s")
    set_info.set_disposition(one, delete_file=True)
    assert query_info.stat(one).delete_pending
    close.close_file(one)
    with refused(nt.STATUS_DELETE_PENDING):
        share.open("file:s")
    close.close_file(other)
    with refused(nt.STATUS_OBJECT_NAME_NOT_FOUND):
        share.open("file:s")
    assert get(share.open("file")) == b"base"


def test_delete_on_close_of_a_stream(share: Share) -> None:
    close.close_file(share.create("file:s", options=FILE_DELETE_ON_CLOSE))
    assert os.listxattr(share.root / "file").count(XATTR) == 0


def test_the_stream_of_the_root_can_be_deleted(share: Share) -> None:
    close.close_file(share.create(":s", options=FILE_DELETE_ON_CLOSE))
    assert XATTR not in os.listxattr(share.root)


def test_overwriting_the_file_drops_its_streams(share: Share) -> None:
    close.close_file(share.create("file:s"))
    fo = share.open("file", disposition=FILE_OVERWRITE, file_attributes=FILE_ATTRIBUTE_NORMAL)
    assert names_of(fo) == ["::$DATA"]


def test_a_file_that_was_made_for_a_refused_stream_goes(share: Share, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> str:
        raise OSError(errno.ENOSPC, "full")

    with refused(nt.STATUS_OBJECT_NAME_INVALID):
        share.create("file:" + "x" * 235)
    monkeypatch.setattr(StreamsXattr, "create", full)
    with refused(nt.STATUS_DISK_FULL):
        share.create("file:s")
    assert not (share.root / "file").exists()


# Data


def test_sizes(share: Share) -> None:
    fo = share.create("file:s")
    put(fo, b"abc", 5)
    assert get(fo) == bytes(5) + b"abc"
    set_info.set_end_of_file(fo, 6)
    assert get(fo) == bytes(5) + b"a"
    set_info.set_end_of_file(fo, 8)
    set_info.set_allocation(fo, 4096)
    assert get(fo) == bytes(5) + b"a\0\0"
    set_info.set_allocation(fo, 2)
    assert query_info.stat(fo).end_of_file == 2
    put(fo, b"z", write.OFFSET_END_OF_FILE)
    assert get(fo) == b"\0\0z"
    assert (share.root / "file").stat().st_size == 0


def test_reading_at_the_end(share: Share) -> None:
    fo = share.create("file:s")
    with refused(nt.STATUS_END_OF_FILE):
        get(fo)
    with refused(nt.STATUS_END_OF_FILE):
        read.readable(fo, 0, 10)
    put(fo, b"abc")
    assert read.readable(fo, 1, 10) == 2
    assert not read.is_cached(fo, 0, 3)
    buffer = memoryview(bytearray(10))
    assert read.read_cached(fo, 2, buffer) == 1


def test_two_opens_see_the_same(share: Share) -> None:
    one = share.create("file:s")
    other = share.open("file:s")
    put(one, b"abc")
    put(other, b"XY", 1)
    assert get(one) == b"aXY"


def test_file_system_controls(share: Share) -> None:
    fo = share.create("file:s")
    put(fo, b"abcdef")
    fsctl.set_zero_data(fo, 1, 3)
    assert get(fo) == b"a\0\0def"
    assert fsctl.query_allocated_ranges(fo, 0, 100) == [(0, 6)]
    target = share.create("copy:t")
    assert fsctl.copy_chunk(fo, target, 3, 0, 3) == 3
    assert get(target) == b"def"
    base = share.open("copy")
    assert fsctl.copy_chunk(target, base, 0, 0, 3) == 3
    assert get(base) == b"def"
    assert fsctl.copy_chunk(base, target, 0, 3, 3) == 3
    assert get(target) == b"defdef"
    with refused(nt.STATUS_INVALID_VIEW_SIZE):
        fsctl.copy_chunk(fo, target, 4, 0, 3)


def test_writing_moves_the_write_time_of_the_file(share: Share) -> None:
    fo = share.create("file:s")
    os.utime(share.root / "file", ns=(0, 0))
    put(fo, b"1")
    assert (share.root / "file").stat().st_mtime_ns > 0
    set_info.set_basic(fo, 0, 0, 130_000_000_000_000_000, 0, 0)
    put(fo, b"2")
    assert query_info.stat(fo).last_write_time == 130_000_000_000_000_000


def test_streams_are_no_extended_attributes(share: Share) -> None:
    fo = share.create("file:s")
    assert ea.query(fo) == []
    assert query_info.ea_size(fo) == 0


# Renaming


def test_rename(share: Share) -> None:
    fo = share.create("file:s")
    put(fo, b"1")
    rename.rename(fo, ":new:$DATA", replace=False)
    assert fo.name == "file:new"
    assert names_of(fo) == ["::$DATA", ":new:$DATA"]
    assert get(fo) == b"1"
    share.open("file:new")
    with refused(nt.STATUS_OBJECT_NAME_NOT_FOUND):
        share.open("file:s")


def test_rename_changes_case(share: Share) -> None:
    fo = share.create("file:s")
    rename.rename(fo, ":S", replace=False)
    rename.rename(fo, ":S", replace=False)
    assert names_of(fo) == ["::$DATA", ":S:$DATA"]


def test_rename_keeps_the_share_modes(share: Share) -> None:
    fo = share.create("file:s", share=FILE_SHARE_DELETE)
    rename.rename(fo, ":new", replace=False)
    with refused(nt.STATUS_SHARING_VIOLATION):
        share.open("file:new")
    close.close_file(fo)
    share.open("file:new")


def test_rename_replaces_only_what_is_empty_and_closed(share: Share) -> None:
    fo = share.create("file:s")
    target = share.create("file:t")
    for replace, status in ((False, nt.STATUS_OBJECT_NAME_COLLISION), (True, nt.STATUS_INVALID_PARAMETER)):
        with refused(status):
            rename.rename(fo, ":T", replace=replace)
    put(target, b"full")
    close.close_file(target)
    with refused(nt.STATUS_INVALID_PARAMETER):
        rename.rename(fo, ":t", replace=True)
    set_info.set_end_of_file(share.open("file:t"), 0)
    close.close_file(share.opens[-1])
    rename.rename(fo, ":t", replace=True)
    assert names_of(fo) == ["::$DATA", ":t:$DATA"]


def test_rename_to_the_file_itself(share: Share) -> None:
    fo = share.create("file:s")
    put(fo, b"contents")
    rename.rename(fo, "::$DATA", replace=True)
    assert fo.stream is None
    assert get(fo) == b"contents"
    assert (share.root / "file").read_bytes() == b"contents"
    assert names_of(fo) == ["::$DATA"]
    put(fo, b"more", 8)
    other = share.create("file:s")
    with refused(nt.STATUS_INVALID_PARAMETER):
        rename.rename(other, "::$DATA", replace=True)


def test_refused_renames(share: Share) -> None:
    fo = share.create("file:s")
    with refused(nt.STATUS_SHARING_VIOLATION):
        rename.rename(fo, "file:t", replace=True)
    with refused(nt.STATUS_OBJECT_NAME_INVALID):
        rename.rename(fo, ":a:$FOO", replace=True)
    base = share.open("file")
    with refused(nt.STATUS_NOT_SUPPORTED):
        rename.rename(base, ":t", replace=True)
    with refused(nt.STATUS_ACCESS_DENIED):
        rename.rename(base, "moved", replace=False)
    with refused(nt.STATUS_INVALID_PARAMETER):
        link.link(fo, "linked", replace=False)
    share.open("file:s")
    with refused(nt.STATUS_SHARING_VIOLATION):
        rename.rename(fo, ":t", replace=False)
    share.mkdir("dir")
    directory_stream = share.create("dir:s")
    with refused(nt.STATUS_INVALID_PARAMETER):
        rename.rename(directory_stream, "::$DATA", replace=True)


# Side files


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


def test_write_through(share: Share, big: FileObject) -> None:
    for fo in (big, share.create("other:s")):
        assert write.write(fo, 0, memoryview(b"1"), write_through=True) == 1
        flush.flush(fo)
