"""Share modes of named streams, and deleting them and their files."""

from __future__ import annotations

import errno
import os

import pytest

from tests.unit.vfs_fsa.streams.support import XATTR, get, names_of, put, refused
from tests.unit.vfs_fsa.support import ORDINARY, Share
from vfs import ntstatus as nt
from vfs.access import DELETE, FILE_READ_DATA
from vfs.constants import (
    FILE_ATTRIBUTE_NORMAL,
    FILE_DELETE_ON_CLOSE,
    FILE_OPEN_IF,
    FILE_OVERWRITE,
    FILE_SHARE_READ,
)
from vfs.fsa import (
    close,
    query_info,
    set_info,
)
from vfs.modules.streams_xattr import StreamsXattr


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


def test_a_stream_goes_for_all_names_of_its_file(share: Share) -> None:
    one = share.create("file:s")
    os.link(share.root / "file", share.root / "second")
    other = share.open("second:s")
    set_info.set_disposition(one, delete_file=True)
    assert query_info.stat(other).delete_pending
    close.close_file(one)
    for path in ("file:s", "second:s"):
        with refused(nt.STATUS_DELETE_PENDING):
            share.open(path)
    set_info.set_disposition(other, delete_file=False)
    close.close_file(share.open("file:s", DELETE, options=FILE_DELETE_ON_CLOSE))
    close.close_file(other)
    for path in ("file:s", "second:s"):
        with refused(nt.STATUS_OBJECT_NAME_NOT_FOUND):
            share.open(path)


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
