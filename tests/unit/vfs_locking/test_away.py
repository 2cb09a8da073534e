"""Opens whose clients are away: which give way, which stay, and for how long."""

from __future__ import annotations

import pytest

from messaging.dbwrap.memory import MemoryDb
from messaging.server_id import DISCONNECTED, ServerId
from vfs.access import FILE_READ_DATA
from vfs.file_id import FileId
from vfs.locking import away
from vfs.locking.away import Patience, give_way
from vfs.locking.entry import ENTRY_RESILIENT, ShareModeEntry
from vfs.locking.lease import LeaseFile, LeaseRecord
from vfs.locking.lease_db import LeaseDb
from vfs.locking.oplock import (
    LEASE_ALL,
    LEASE_HANDLE,
    LEASE_NONE,
    LEASE_READ,
    OPLOCK_BATCH,
    OPLOCK_LEASE,
    OPLOCK_LEVEL_II,
    Break,
)
from vfs.locking.share_mode import ShareModes
from vfs.ntstatus import STATUS_FILE_NOT_AVAILABLE, NTStatusError

FILE = FileId(1, 2)
DEAD = ServerId(7)
GUID, KEY = bytes(16), b"k" * 16


@pytest.fixture
def modes() -> ShareModes:
    return ShareModes(MemoryDb("locking", 1), lambda owner: owner != DEAD, LeaseDb(MemoryDb("leases", 4)))


def enter(modes: ShareModes, owner: ServerId = DISCONNECTED, level: int = OPLOCK_BATCH, **kind: int) -> ShareModeEntry:
    entry = ShareModeEntry(owner, 1, FILE_READ_DATA, 0, 0, 0, 0, oplock_level=level, **kind)
    if level == OPLOCK_LEASE:
        entry.client_guid, entry.lease_key = GUID, KEY
        with modes.leases.lock(GUID, KEY) as locked:
            locked.lease = LeaseRecord(owner, LEASE_ALL, 2, 5, directory=False, files=[LeaseFile(FILE.key(), b"/f")])
    with modes.lock(FILE) as lock:
        lock.add("/", b"/f", entry)
    return entry


def ended(monkeypatch: pytest.MonkeyPatch) -> Patience:
    monkeypatch.setattr(away, "AWAY_LIMIT_S", 0.0)
    patience = Patience()
    patience.left()
    return patience


def yield_to(modes: ShareModes, state: int, patience: Patience | None) -> int:
    with modes.lock(FILE) as lock:
        return give_way(lock, [Break(entry, state) for entry in lock.record.entries], patience)


def test_a_durable_handle_ends_at_once(modes):
    ended_handles = []
    modes.on_purged = lambda key, number: ended_handles.append((key, number))
    enter(modes)
    assert yield_to(modes, LEASE_READ, None) == 1
    assert modes.read(FILE) is None
    assert ended_handles == [(FILE.key(), 1)]


def test_a_resilient_handle_keeps_its_oplock_for_a_time(modes, monkeypatch):
    enter(modes, flags=ENTRY_RESILIENT)
    waiting = Patience()
    assert 0 < waiting.left() <= away.AWAY_LIMIT_S
    assert yield_to(modes, LEASE_READ, waiting) == 0
    assert yield_to(modes, LEASE_READ, ended(monkeypatch)) == 1
    (entry,) = modes.read(FILE).entries
    assert entry.oplock_level == OPLOCK_LEVEL_II


def test_a_lease_is_lowered_and_its_epoch_tells(modes, monkeypatch):
    enter(modes, level=OPLOCK_LEASE, flags=ENTRY_RESILIENT)
    yield_to(modes, LEASE_READ | LEASE_HANDLE, ended(monkeypatch))
    lease = modes.leases.get(GUID, KEY)
    assert (lease.state, lease.epoch, lease.breaking) == (LEASE_READ | LEASE_HANDLE, 6, False)


@pytest.mark.parametrize("owner", [DISCONNECTED, DEAD])
def test_a_persistent_handle_makes_others_come_again(modes, monkeypatch, owner):
    enter(modes, owner, handle_id=9)
    with pytest.raises(NTStatusError) as refused:
        yield_to(modes, LEASE_NONE, ended(monkeypatch))
    assert refused.value.status == STATUS_FILE_NOT_AVAILABLE
    assert modes.read(FILE).entries


@pytest.mark.parametrize(("level", "available"), [(OPLOCK_BATCH, True), (OPLOCK_LEVEL_II, False), (0, False)])
def test_beside_one_that_caches_no_handle_nothing_is_opened(modes, level, available):
    enter(modes, level=level, handle_id=9)
    with modes.lock(FILE) as lock:
        if available:
            lock.check_available()
            return
        with pytest.raises(NTStatusError) as refused:
            lock.check_available()
    assert refused.value.status == STATUS_FILE_NOT_AVAILABLE


def test_in_use_it_is_an_open_like_any_other(modes):
    enter(modes, ServerId(1), level=0, handle_id=9)
    with modes.lock(FILE) as lock:
        lock.check_available()
        assert lock.violates(b"/f", FILE_READ_DATA, 0)


def test_a_violated_share_mode_says_that_the_client_is_awaited(modes):
    enter(modes, DEAD, level=OPLOCK_BATCH, handle_id=9)
    with modes.lock(FILE) as lock, pytest.raises(NTStatusError) as refused:
        lock.violates(b"/f", FILE_READ_DATA, 0)
    assert refused.value.status == STATUS_FILE_NOT_AVAILABLE
    assert modes.read(FILE).entries  # though its process is dead
