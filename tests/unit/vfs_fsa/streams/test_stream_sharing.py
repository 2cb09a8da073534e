"""Share modes of named streams, and deleting them and their files."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from messaging.bus import Bus
from messaging.dbwrap.memory import MemoryDb
from messaging.dbwrap.watch import WatchedDb, WatchService
from messaging.poll_reactor import PollReactor
from messaging.server_id import new_server_id
from tests.unit.vfs_fsa.streams.support import XATTR, get, names_of, put, refused
from tests.unit.vfs_fsa.support import ORDINARY, Share
from vfs import ntstatus as nt
from vfs.access import DELETE, FILE_ALL_ACCESS, FILE_READ_DATA
from vfs.constants import (
    FILE_ATTRIBUTE_NORMAL,
    FILE_DELETE_ON_CLOSE,
    FILE_OPEN_IF,
    FILE_OVERWRITE,
    FILE_SHARE_READ,
)
from vfs.fsa import (
    close,
    lock,
    query_info,
    set_info,
    stream_rename,
    streams,
)
from vfs.locking.brlock_db import ByteRangeLocks
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


def overwrite(share: Share) -> None:
    access = ORDINARY & ~DELETE
    close.close_file(share.open("file", access, FILE_OVERWRITE, file_attributes=FILE_ATTRIBUTE_NORMAL))


def test_an_open_whose_stream_went_has_nothing_any_more(share: Share) -> None:
    old = share.create("file:s", FILE_ALL_ACCESS)
    put(old, b"old")
    overwrite(share)
    for act in (
        lambda: get(old),
        lambda: put(old, b"more"),
        lambda: set_info.set_end_of_file(old, 7),
        lambda: set_info.set_disposition(old, True),
        lambda: stream_rename.rename(old, ":t", False),
    ):
        with refused(nt.STATUS_FILE_DELETED):
            act()
    status = query_info.stat(old)
    assert (status.end_of_file, status.delete_pending) == (0, True)
    assert XATTR not in os.listxattr(share.root / "file")


def test_a_stream_created_anew_shares_nothing_with_the_one_that_went(share: Share) -> None:
    old = share.create("file:s", share=0, options=FILE_DELETE_ON_CLOSE)
    put(old, b"old")
    overwrite(share)
    new = share.create("file:s", share=0, pid=2)
    put(new, b"new")
    with refused(nt.STATUS_FILE_DELETED):
        put(old, b"late")
    close.close_file(old)
    assert get(new) == b"new"
    with refused(nt.STATUS_SHARING_VIOLATION):
        share.open("file:s")
    close.close_file(new)
    assert share.modes.statistics() == {"files": 0, "opens": 0}
    assert names_of(share.open("file")) == ["::$DATA", ":s:$DATA"]


def test_a_pending_deletion_goes_with_its_stream(share: Share) -> None:
    old = share.create("file:s", FILE_ALL_ACCESS)
    set_info.set_disposition(old, True)
    overwrite(share)
    close.close_file(share.create("file:s"))
    close.close_file(old)
    assert XATTR in os.listxattr(share.root / "file")


def test_locks_go_with_their_stream(share: Share, tmp_path: Path) -> None:
    bus = Bus(str(tmp_path), new_server_id(), PollReactor())
    bus.close()  # nobody waits
    locks = ByteRangeLocks(WatchedDb(MemoryDb("brlock", 2), WatchService(bus)), lambda _: True)
    share.volume.byte_locks = share.volume.checked_locks = locks
    whole = [lock.LockRange(0, 10, exclusive=True)]
    old = share.create("file:s")
    lock.lock(old, whole)
    overwrite(share)
    new = share.create("file:s", pid=2)
    put(new, b"not locked")
    with refused(nt.STATUS_FILE_DELETED):
        lock.lock(old, whole)
    lock.lock(new, whole)
    close.close_file(old)
    assert len(locks.read(new.file_id)) == 1


def test_an_open_keeps_its_file_although_its_stream_went(share: Share) -> None:
    old = share.create("file:s", share=FILE_SHARE_READ)
    overwrite(share)
    with refused(nt.STATUS_SHARING_VIOLATION):
        share.open("file", DELETE)
    close.close_file(old)
    close.close_file(share.open("file", DELETE))


@pytest.mark.parametrize("removed", ["before it is entered", "before it is filled"])
def test_a_stream_that_goes_while_it_is_opened_is_looked_for_anew(
    share: Share, monkeypatch: pytest.MonkeyPatch, removed: str
) -> None:
    close.close_file(share.create("file:s"))
    module, name = (streams, "_enter_file") if removed == "before it is entered" else (streams, "_fill")
    there = getattr(module, name)

    def first_overwrite(*args: object, **more: object) -> object:
        monkeypatch.undo()
        overwrite(share)
        return there(*args, **more)

    monkeypatch.setattr(module, name, first_overwrite)
    with refused(nt.STATUS_OBJECT_NAME_NOT_FOUND):
        share.open("file:s")
    assert share.modes.statistics() == {"files": 0, "opens": 0}


def test_a_file_that_was_made_for_a_refused_stream_goes(share: Share, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> str:
        raise OSError(errno.ENOSPC, "full")

    with refused(nt.STATUS_OBJECT_NAME_INVALID):
        share.create("file:" + "x" * 235)
    monkeypatch.setattr(StreamsXattr, "create", full)
    with refused(nt.STATUS_DISK_FULL):
        share.create("file:s")
    assert not (share.root / "file").exists()
