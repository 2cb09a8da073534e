"""The sweep over disconnected handles: who is due, who is not, and what belongs to nobody."""

from __future__ import annotations

import pytest

from messaging.bus import Bus
from messaging.dbwrap import tdb
from messaging.dbwrap.watch import WatchService
from messaging.poll_reactor import PollReactor
from messaging.server_id import DISCONNECTED, ServerId, new_server_id
from smbd.xsrv import scavenging
from smbd.xsrv.databases import open_databases
from smbd.xsrv.records import OpenGlobal
from vfs.file_id import FileId
from vfs.fsa.durable import COOKIE_CODEC, DurableCookie
from vfs.locking.brlock import ByteRangeLock, LockOwner
from vfs.locking.entry import ShareModeEntry

FILE = FileId(1, 5)
NOW = 1_000_000_000_000
ALIVE = ServerId(pid=4_100_003, unique_id=13)


@pytest.fixture
def databases(tmp_path):
    opened = open_databases(str(tmp_path))
    bus = Bus(str(tmp_path), new_server_id(), PollReactor())
    opened.watch(WatchService(bus))
    yield opened
    bus.close()
    for db in tdb.open_databases():
        db.close()


def enter(databases, handle_id, server_id=DISCONNECTED, *, since=NOW, timeout_ms=1000, known=True):
    """One handle with an entry and a byte-range lock."""
    if known:
        cookie = DurableCookie(FILE.key(), "/s", b"f", 0, 0, 0, 0, 0, 0, 0, 0, 9, b"", 0)
        databases.opens.store(
            handle_id,
            OpenGlobal(
                handle_id, handle_id, server_id, 1, 1, 0, "S-1", bytes(16),
                disconnect_time=since, durable_timeout_msec=timeout_ms, durable=True,
                backend_cookie=COOKIE_CODEC.encode(cookie),
            ),
        )  # fmt: skip
    with databases.share_modes.lock(FILE) as lock:
        lock.add("/s", b"/s/f", ShareModeEntry(server_id, handle_id, 1, 7, 0, 0, 0))
    lock_of = ByteRangeLock(server_id, handle_id, handle_id * 10, 1, exclusive=True)
    assert databases.byte_locks.lock(FILE, LockOwner(server_id, handle_id), [lock_of]) is None


def left(databases):
    """The handles that are still mentioned: in the table, the share modes, the byte-range locks."""
    record = databases.share_modes.read(FILE)
    return (
        sorted(number for number, _ in databases.opens.items()),
        sorted(entry.open_id for entry in record.entries) if record else [],
        sorted(lock.open_id for lock in databases.byte_locks.read(FILE)),
    )


def test_what_is_due_goes_and_the_next_is_named(databases):
    enter(databases, 1, timeout_ms=1000)
    enter(databases, 2, timeout_ms=3000)
    enter(databases, 3, ALIVE, since=0, timeout_ms=0)
    assert scavenging.sweep(databases, NOW + 999_000_000) == (0, pytest.approx(0.001))
    assert scavenging.sweep(databases, NOW + 1_000_000_000) == (1, pytest.approx(2))
    assert left(databases) == ([2, 3], [2, 3], [2, 3])
    assert scavenging.sweep(databases, NOW + 3_000_000_000) == (1, None)
    assert left(databases) == ([3], [3], [3])


def test_entries_without_a_handle_go(databases):
    enter(databases, 1, known=False)
    enter(databases, 2)
    scavenging.sweep(databases, NOW)
    assert left(databases) == ([2], [2], [2])


def test_whoever_gives_way_leaves_nothing(databases):
    enter(databases, 1)
    enter(databases, 2)
    with databases.share_modes.lock(FILE) as lock:
        assert lock.purge([entry for entry in lock.record.entries if entry.open_id == 1]) == 1
    assert left(databases) == ([2], [2], [2])
