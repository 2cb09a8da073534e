"""Share modes: the conflict table, names, delete tokens, dead owners."""

from __future__ import annotations

from itertools import product

import pytest

from messaging.dbwrap.base import held
from messaging.dbwrap.memory import MemoryDb
from messaging.server_id import ServerId
from vfs import ntstatus as nt
from vfs.access import (
    DELETE,
    FILE_APPEND_DATA,
    FILE_EXECUTE,
    FILE_READ_ATTRIBUTES,
    FILE_READ_DATA,
    FILE_WRITE_ATTRIBUTES,
    FILE_WRITE_DATA,
    READ_CONTROL,
    SYNCHRONIZE,
)
from vfs.constants import FILE_SHARE_DELETE, FILE_SHARE_READ, FILE_SHARE_WRITE
from vfs.file_id import FileId
from vfs.locking.entry import DeleteToken, ShareModeEntry
from vfs.locking.share_mode import ShareModes
from vfs.locking.sharing import conflicts
from vfs.ntstatus import NTStatusError

FILE = FileId(1, 2)
NEEDED_SHARE = {
    FILE_READ_DATA: FILE_SHARE_READ,
    FILE_EXECUTE: FILE_SHARE_READ,
    FILE_WRITE_DATA: FILE_SHARE_WRITE,
    FILE_APPEND_DATA: FILE_SHARE_WRITE,
    DELETE: FILE_SHARE_DELETE,
}


@pytest.mark.parametrize(("access", "other"), list(product(NEEDED_SHARE, repeat=2)))
def test_conflict_table(access: int, other: int) -> None:
    for share, other_share in product(range(8), repeat=2):
        expected = not (other_share & NEEDED_SHARE[access] and share & NEEDED_SHARE[other])
        assert conflicts(access, share, other, other_share) == expected
        assert conflicts(other, other_share, access, share) == expected


@pytest.mark.parametrize("access", [FILE_READ_ATTRIBUTES, FILE_WRITE_ATTRIBUTES, READ_CONTROL, SYNCHRONIZE])
def test_status_opens_never_conflict(access: int) -> None:
    assert not conflicts(access, 0, FILE_READ_DATA | FILE_WRITE_DATA | DELETE, 0)
    assert not conflicts(FILE_READ_DATA, 0, access, 0)


class Modes(ShareModes):
    __slots__ = ("dead",)

    def __init__(self) -> None:
        self.dead: set[int] = set()
        super().__init__(MemoryDb("locking", 1), lambda server_id: server_id.pid not in self.dead)

    def add(
        self, number: int, path: bytes = b"/s/a", access: int = FILE_READ_DATA, share: int = 7, pid: int = 1
    ) -> None:
        with self.lock(FILE) as lock:
            lock.check(path, access, share)
            lock.add("/s", path, ShareModeEntry(ServerId(pid), number, access, share, 0, 0, 0))


def test_add_remove() -> None:
    modes = Modes()
    modes.add(1)
    modes.add(2)
    assert [entry.open_id for _, record in modes.traverse() for entry in record.entries] == [1, 2]
    with modes.lock(FILE) as lock:
        assert lock.remove(ServerId(1), 1) == b"/s/a"
        assert lock.remove(ServerId(1), 1) is None
        assert lock.remove(ServerId(9), 2) is None
    with modes.lock(FILE) as lock:
        lock.remove(ServerId(1), 2)
    assert modes.read(FILE) is None
    assert modes.statistics() == {"files": 0, "opens": 0}


def test_nothing_is_stored_after_an_error() -> None:
    modes = Modes()
    modes.add(1, share=0)
    with pytest.raises(NTStatusError) as caught:
        modes.add(2)
    assert caught.value.status == nt.STATUS_SHARING_VIOLATION
    assert modes.statistics() == {"files": 1, "opens": 1}
    assert not held


def test_dead_owners_do_not_block() -> None:
    modes = Modes()
    modes.add(1, share=0, pid=5)
    modes.dead.add(5)
    assert modes.check() != []
    assert modes.live_record(FILE) is None
    modes.add(2)
    assert modes.check() == []
    assert [entry.open_id for _, record in modes.traverse() for entry in record.entries] == [2]


def test_delete_pending_of_a_dead_owner_is_over() -> None:
    modes = Modes()
    modes.add(1, pid=5)
    with modes.lock(FILE) as lock:
        lock.set_delete(DeleteToken(b"/s/a", 0, 0, ()))
    with pytest.raises(NTStatusError) as caught:
        modes.add(2, access=FILE_READ_ATTRIBUTES)
    assert caught.value.status == nt.STATUS_DELETE_PENDING
    modes.dead.add(5)
    modes.add(2, access=FILE_READ_ATTRIBUTES)


def test_delete_pending_is_by_name() -> None:
    modes = Modes()
    modes.add(1)
    with modes.lock(FILE) as lock:
        lock.set_delete(DeleteToken(b"/s/a", 0, 0, ()))
    modes.add(2, b"/s/link")
    assert modes.is_delete_pending(FILE, b"/s/a")
    assert not modes.is_delete_pending(FILE, b"/s/link")
    with modes.lock(FILE) as lock:
        assert [entry.open_id for entry in lock.opens_of(b"/s/a")] == [1]
        assert [entry.open_id for entry in lock.opens_of(b"/s/link")] == [2]
        assert lock.remove(ServerId(1), 1) == b"/s/a"
        assert not lock.opens_of(b"/s/a")
        assert [entry.open_id for entry in lock.opens_of(b"/s/link")] == [2]
        lock.clear_delete(b"/s/a")
    assert not modes.is_delete_pending(FILE, b"/s/a")


def test_names_follow_a_rename() -> None:
    modes = Modes()
    modes.add(1)
    modes.add(2, b"/s/link")
    modes.add(3)
    with modes.lock(FILE) as lock:
        lock.set_delete(DeleteToken(b"/s/a", 0, 0, ()))
        lock.rename(b"/s/a", b"/s/b")
    record = modes.read(FILE)
    assert record is not None
    assert [record.name_of(entry) for entry in record.entries] == [b"/s/b", b"/s/link", b"/s/b"]
    assert modes.is_delete_pending(FILE, b"/s/b")
    with modes.lock(FILE) as lock:
        lock.rename(b"/s/link", b"/s/x")
        assert [lock.remove(ServerId(1), number) for number in (1, 3, 2)] == [b"/s/b", b"/s/b", b"/s/x"]


def test_remove_server() -> None:
    modes = Modes()
    modes.add(1, pid=5)
    modes.add(2, pid=6)
    assert modes.remove_server(ServerId(5)) == 1
    assert modes.remove_server(ServerId(5)) == 0
    assert [entry.server_id.pid for _, record in modes.traverse() for entry in record.entries] == [6]


def test_open_below() -> None:
    modes = Modes()
    modes.add(1, b"/s/dir/sub/file", pid=5)
    assert modes.is_open_below(b"/s/dir")
    assert modes.is_open_below(b"/s/dir/sub")
    assert not modes.is_open_below(b"/s/dir/sub/file")
    assert not modes.is_open_below(b"/s/di")
    modes.dead.add(5)
    assert not modes.is_open_below(b"/s/dir")


def test_relative_path() -> None:
    modes = Modes()
    modes.add(1, b"/s/dir/x")
    record = modes.read(FILE)
    assert record is not None
    assert record.relative_path() == b"dir/x"


def test_unknown_version_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    modes = Modes()
    modes.add(1)
    modes._db.store(FileId(9, 9).key(), b"\x7fnonsense")
    assert len(list(modes.traverse())) == 1
    assert "version 127" in caplog.text
