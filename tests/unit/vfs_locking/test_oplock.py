"""Who has to give up what for whom, and what is granted beside others."""

from __future__ import annotations

import pytest

from messaging.server_id import ServerId
from vfs.access import DELETE, FILE_READ_ATTRIBUTES, FILE_READ_DATA, FILE_WRITE_DATA, READ_CONTROL
from vfs.locking.entry import ShareModeEntry
from vfs.locking.lease import LeaseRecord
from vfs.locking.oplock import (
    LEASE_HANDLE,
    LEASE_READ,
    LEASE_WRITE,
    OPLOCK_BATCH,
    OPLOCK_EXCLUSIVE,
    OPLOCK_LEASE,
    OPLOCK_LEVEL_II,
    OPLOCK_NONE,
    Contention,
    LeaseRequest,
    Wanted,
    contend,
    grant,
    state_of,
)

R, H, W = LEASE_READ, LEASE_HANDLE, LEASE_WRITE
ME, OTHER, DEAD = ServerId(1), ServerId(2), ServerId(3)
GUID, OTHER_GUID = b"m" * 16, b"o" * 16
KEY, OTHER_KEY = b"k" * 16, b"l" * 16
DATA = FILE_READ_DATA | FILE_WRITE_DATA


class Leases(dict[bytes, LeaseRecord]):
    def find(self, client_guid: bytes, lease_key: bytes) -> LeaseRecord | None:
        return self.get(client_guid + lease_key)


def entry(level: int, *, owner: ServerId = OTHER, access: int = DATA, key: bytes = b"") -> ShareModeEntry:
    return ShareModeEntry(owner, 7, access, 7, 0, 0, 0, 0, b"", level, OTHER_GUID, key)


def leased(leases: Leases, state: int, *, breaking: bool = False) -> ShareModeEntry:
    leases[OTHER_GUID + OTHER_KEY] = LeaseRecord(OTHER, state, 2, 1, False, [], breaking)
    return entry(OPLOCK_LEASE, key=OTHER_KEY)


def wanted(
    *,
    level: int = OPLOCK_NONE,
    state: int | None = None,
    access: int = DATA,
    overwrites: bool = False,
    violation: bool = False,
    deletes: bool = False,
    first: bool = True,
) -> Wanted:
    lease = None if state is None else LeaseRequest(KEY, state)
    level = level if lease is None else OPLOCK_LEASE
    return Wanted(GUID, access, overwrites, violation, first, deletes, level, lease)


def meet(leases: Leases, others: list[ShareModeEntry], opener: Wanted) -> Contention:
    return contend(others, opener, leases.find, lambda entry: entry.server_id != DEAD)


# What is broken to what, and whether the opener waits: an ordinary open, one that overwrites, one that violates the
# share modes, one that deletes. None: nothing is broken.
OPLOCKS = [
    (OPLOCK_LEVEL_II, None, 0, None, None),
    (OPLOCK_EXCLUSIVE, R, 0, None, R),
    (OPLOCK_BATCH, R, 0, R, R),
]
LEASES = [
    (0, None, None, None, None),
    (R, None, 0, None, None),
    (R | H, None, 0, R, R),
    (R | W, R, 0, None, R),
    (R | W | H, R | H, 0, R | W, R),
]
KINDS = ({}, {"overwrites": True}, {"violation": True}, {"deletes": True})


@pytest.mark.parametrize("row", OPLOCKS)
def test_oplocks_broken_by_opens(row: tuple[int | None, ...]) -> None:
    level, *targets = row
    for kind, target in zip(KINDS, targets, strict=True):
        found = meet(Leases(), [entry(level or 0)], wanted(**kind))
        assert [one.state for one in found.breaks] == ([] if target is None else [target]), kind
        assert (found.blocker == OTHER) == (target is not None and level != OPLOCK_LEVEL_II), kind


@pytest.mark.parametrize("row", LEASES)
def test_leases_broken_by_opens(row: tuple[int | None, ...]) -> None:
    state, *targets = row
    for kind, target in zip(KINDS, targets, strict=True):
        leases = Leases()
        found = meet(leases, [leased(leases, state or 0)], wanted(**kind))
        assert [one.state for one in found.breaks] == ([] if target is None else [target]), kind
        mask = H if "violation" in kind else W | H if "deletes" in kind else W
        assert (found.blocker == OTHER) == (target is not None and bool((state or 0) & mask)), kind


@pytest.mark.parametrize("access", [FILE_READ_ATTRIBUTES, READ_CONTROL, FILE_READ_ATTRIBUTES | READ_CONTROL])
def test_opens_for_attributes(access: int) -> None:
    leases = Leases()
    assert not meet(leases, [leased(leases, R | W | H)], wanted(access=access)).breaks
    breaks = meet(leases, [entry(OPLOCK_BATCH)], wanted(access=access)).breaks
    assert bool(breaks) == bool(access & READ_CONTROL)  # reading the descriptor breaks oplocks, but no leases
    assert meet(leases, [entry(OPLOCK_BATCH)], wanted(access=access, overwrites=True)).breaks


def test_own_lease_is_not_broken() -> None:
    own = ShareModeEntry(ME, 1, DATA, 7, 0, 0, 0, 0, b"", OPLOCK_LEASE, GUID, KEY)
    leases = Leases({GUID + KEY: LeaseRecord(ME, R | W | H, 2, 1, False, [])})
    found = meet(leases, [own], wanted(state=R | W | H))
    assert not found.breaks
    assert not found.no_write
    assert meet(leases, [own], wanted()).breaks  # the same client without the key


def test_a_break_under_way() -> None:
    leases = Leases()
    others = [leased(leases, R | H, breaking=True)]
    assert meet(leases, others, wanted()).blocker == OTHER
    assert meet(leases, others, wanted(overwrites=True)).blocker is None
    assert meet(leases, others, wanted(overwrites=True, first=False)).blocker == OTHER


def test_the_dead_hold_nothing() -> None:
    for level in (OPLOCK_NONE, OPLOCK_BATCH):
        found = meet(Leases(), [entry(level, owner=DEAD)], wanted(level=OPLOCK_BATCH))
        assert not found.breaks
        assert not found.no_write
    assert not meet(Leases(), [entry(OPLOCK_LEASE, key=OTHER_KEY)], wanted()).breaks
    assert state_of(entry(OPLOCK_LEASE, key=OTHER_KEY), Leases().find) == 0


def granted(
    others: list[ShareModeEntry],
    opener: Wanted,
    leases: Leases | None = None,
    *,
    level_ii: bool = True,
    byte_range_locks: bool = False,
) -> tuple[int, int]:
    found = meet(leases or Leases(), others, opener)
    return grant(opener, found, level_ii=level_ii, byte_range_locks=byte_range_locks)


@pytest.mark.parametrize("level", [OPLOCK_LEVEL_II, OPLOCK_EXCLUSIVE, OPLOCK_BATCH])
def test_oplocks_granted(level: int) -> None:
    opener = wanted(level=level)
    nothing = (OPLOCK_NONE, 0)
    shared = (OPLOCK_LEVEL_II, R)
    assert granted([], opener)[0] == level
    assert granted([entry(OPLOCK_NONE)], opener) == shared
    assert granted([entry(OPLOCK_NONE, access=FILE_READ_ATTRIBUTES)], opener)[0] == level
    assert granted([entry(OPLOCK_LEVEL_II)], opener) == shared
    assert granted([entry(OPLOCK_LEVEL_II)], opener, level_ii=False) == nothing
    assert granted([], opener, byte_range_locks=True) == nothing
    leases = Leases()
    assert granted([leased(leases, R | H)], opener, leases) == nothing
    assert granted([leased(leases, R)], opener, leases) == shared


@pytest.mark.parametrize("state", range(8))
def test_leases_granted(state: int) -> None:
    opener = wanted(state=state)
    valid = state if state & R else 0
    assert granted([], opener) == (OPLOCK_LEASE, valid)
    assert granted([entry(OPLOCK_NONE)], opener) == (OPLOCK_LEASE, valid & ~W)
    assert granted([entry(OPLOCK_LEVEL_II)], opener) == (OPLOCK_LEASE, valid & R)
    assert granted([], opener, byte_range_locks=True) == (OPLOCK_LEASE, 0)
    leases = Leases()
    assert granted([leased(leases, R | H)], opener, leases) == (OPLOCK_LEASE, valid & ~W)


@pytest.mark.parametrize("level", [OPLOCK_BATCH, OPLOCK_LEVEL_II])
@pytest.mark.parametrize("held", [OPLOCK_BATCH, OPLOCK_EXCLUSIVE])
def test_nobody_reads_from_a_cache_while_another_writes_to_his(level: int, held: int) -> None:
    opener = wanted(level=level, access=FILE_READ_ATTRIBUTES)
    assert granted([entry(held)], opener) == (OPLOCK_NONE, 0)


def test_delete_access_alone_breaks_write_caching_only() -> None:
    leases = Leases()
    found = meet(leases, [leased(leases, R | W | H)], wanted(access=DELETE))
    assert [one.state for one in found.breaks] == [R | H]
