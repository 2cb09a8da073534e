"""What an open notices of what others do to its file: new names, attributes taken away, deletion."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from messaging.bus import Bus
from messaging.dbwrap.memory import MemoryDb
from messaging.dbwrap.watch import WatchedDb, WatchService
from messaging.poll_reactor import PollReactor
from messaging.server_id import ServerId, new_server_id
from tests.unit.vfs_fsa.support import Share, found
from tests.unit.vfs_fsa.test_fsa_open import status_of
from vfs import ntstatus as nt
from vfs.access import FILE_READ_DATA
from vfs.constants import FILE_ATTRIBUTE_ARCHIVE, FILE_ATTRIBUTE_NORMAL, FILE_OPEN_IF, FILE_SHARE_ALL
from vfs.fsa import close, directory, lock, query_info, rename, set_info, write
from vfs.fsa.open import open_now
from vfs.fsa.params import OpenOwner, OpenParams
from vfs.locking.brlock_db import ByteRangeLocks
from vfs.locking.oplock import OPLOCK_LEVEL_II


def put(fo, data=b"data"):
    write.write(fo, 0, memoryview(data))


def attributes(fo):
    return query_info.stat(fo).file_attributes


def clear_archive(fo):
    set_info.set_basic(fo, 0, 0, 0, 0, FILE_ATTRIBUTE_NORMAL)
    assert not attributes(fo) & FILE_ATTRIBUTE_ARCHIVE


def test_an_open_knows_the_name_that_others_gave_its_file(share: Share) -> None:
    one = share.create("file")
    two = share.open("file", pid=2)
    for new in ("new", "DIR\\deep", "file"):
        if "\\" in new:
            close.close_file(share.mkdir("DIR"))
        rename.rename(one, new, False)
        assert query_info.normalized_name(two) == new
        rename.rename(two, new.upper(), False)
        query_info.stat(one)
        assert one.name == new.upper()
        rename.rename(one, new, False)


def test_a_name_that_comes_back_is_noticed_too(share: Share) -> None:
    one, two = share.create("file"), share.open("file", pid=2)
    for name in ("new", "file", "new"):
        rename.rename(one, name, False)
        assert query_info.normalized_name(two) == name
        query_info.stat(two)


def test_a_directory_is_listed_under_the_name_that_others_gave_it(share: Share) -> None:
    one = share.mkdir("dir")
    close.close_file(share.create("dir\\file"))
    two = share.open("dir", pid=2)
    rename.rename(two, "moved", False)
    share.mkdir("dir")
    assert [entry.name for entry in directory.open_scan(one, "f*")] == ["file"]
    assert [entry.name for entry in directory.open_scan(one, "FILE")] == ["file"]


def test_deletion_by_the_new_name_is_seen(share: Share) -> None:
    one, two = share.create("file"), share.open("file", pid=2)
    rename.rename(two, "new", False)
    set_info.set_disposition(two, True)
    assert query_info.stat(one).delete_pending
    assert status_of(lambda: share.open("new")) == nt.STATUS_DELETE_PENDING
    close.close_file(two)
    close.close_file(one)
    assert not (share.root / "new").exists()


def test_who_writes_sets_archive_again_that_another_took(share: Share) -> None:
    writer, backup = share.create("file"), share.open("file", pid=2)
    put(writer)
    for _ in range(3):
        clear_archive(backup)
        put(writer)
        assert attributes(backup) & FILE_ATTRIBUTE_ARCHIVE
    clear_archive(backup)
    close.close_file(backup)
    put(writer)
    assert attributes(writer) & FILE_ATTRIBUTE_ARCHIVE
    clear_archive(writer)
    put(writer)
    assert attributes(writer) & FILE_ATTRIBUTE_ARCHIVE


@pytest.mark.parametrize(("written", "cleared"), list(itertools.product(["file", "file:s", "file:t"], repeat=2)))
def test_archive_belongs_to_the_file_whatever_stream_is_open(make_share, written: str, cleared: str) -> None:
    share = make_share(streams_xattr=True)
    close.close_file(share.create("file"))
    writer = share.open(written, disposition=FILE_OPEN_IF)
    backup = share.open(cleared, disposition=FILE_OPEN_IF, pid=2)
    put(writer)
    clear_archive(backup)
    put(writer)
    assert attributes(backup) & FILE_ATTRIBUTE_ARCHIVE
    clear_archive(backup)
    set_info.set_end_of_file(writer, 4)  # what it has
    assert attributes(backup) & FILE_ATTRIBUTE_ARCHIVE


def test_a_write_looks_at_attributes_only_when_somebody_set_them(share: Share, monkeypatch) -> None:
    writer = share.create("file")
    share.open("file", pid=2)
    put(writer)
    looks = []
    there = write.attributes.load_stored
    monkeypatch.setattr(write.attributes, "load_stored", lambda *args: looks.append(args) or there(*args))
    for _ in range(5):
        put(writer)
    assert not looks


@pytest.mark.parametrize("dead", [False, True])
def test_locks_of_the_dead_forbid_no_oplock(share: Share, tmp_path: Path, dead: bool) -> None:
    bus = Bus(str(tmp_path), new_server_id(), PollReactor())
    bus.close()  # nobody waits
    locks = ByteRangeLocks(WatchedDb(MemoryDb("brlock", 2), WatchService(bus)), share.modes.is_alive)
    share.volume.byte_locks = share.volume.checked_locks = locks
    locked = share.create("file", pid=2)
    lock.lock(locked, [lock.LockRange(0, 10, exclusive=True)])
    if dead:
        share.dead.add(2)
    owner = OpenOwner(ServerId(1), 9, oplock_level=OPLOCK_LEVEL_II)
    fo = found(open_now(share.volume, share.token, OpenParams("file", FILE_READ_DATA, 0, FILE_SHARE_ALL), owner))
    share.opens.append(fo)
    assert (fo.oplock is not None) == dead
    assert locks.read(fo.file_id)  # though they are still there
