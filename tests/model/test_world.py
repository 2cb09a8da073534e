"""The model by itself: a few histories whose outcome the specification tells."""

from __future__ import annotations

import pytest

from tests.model.rules import Range, access_refused, lock_refused, share_conflict
from tests.model.steps import AckLease, AckOplock, Close, Create, Lock, Unlock
from tests.model.world import World
from vfs.constants import FILE_OPEN_IF
from vfs.ntstatus import STATUS_LOCK_NOT_GRANTED, STATUS_SHARING_VIOLATION, STATUS_SUCCESS

READ_DATA, WRITE_DATA = 1, 2


@pytest.fixture
def world():
    return World()


def create(number, client, **asked):
    return Create(number, client, "f", asked.pop("access", 3), asked.pop("share", 7), FILE_OPEN_IF, **asked)


@pytest.mark.parametrize(
    ("access", "share", "other_access", "other_share", "conflict"),
    [
        (READ_DATA, 1, READ_DATA, 1, False),
        (READ_DATA, 1, READ_DATA, 2, True),
        (WRITE_DATA, 7, READ_DATA, 1, True),
        (0x80, 0, WRITE_DATA, 0, False),
    ],
)
def test_sharing(access, share, other_access, other_share, conflict):
    assert share_conflict(access, share, other_access, other_share) == conflict


def test_own_shared_lock_on_top_of_the_exclusive_one():
    mine = Range(1, 0, 10, exclusive=True)
    assert not lock_refused([mine], Range(1, 0, 10, exclusive=False))
    assert lock_refused([mine], Range(2, 9, 1, exclusive=False))
    assert not lock_refused([mine], Range(2, 10, 5, exclusive=True))


def test_nobody_writes_under_a_shared_lock():
    mine = Range(1, 0, 10, exclusive=False)
    assert access_refused([mine], 1, 5, 1, write=True)
    assert not access_refused([mine], 2, 5, 1, write=False)


def test_a_batch_oplock_breaks_to_level_ii(world):
    assert world.do(create(1, 0, oplock=9)) == [("done", 1, STATUS_SUCCESS, 2, 9)]
    assert world.do(create(2, 1, oplock=9)) == [("oplock", 1, 1), ("wait", 2)]
    assert world.do(AckOplock(3, 0, 1, 1)) == [("done", 3, STATUS_SUCCESS, 1), ("done", 2, STATUS_SUCCESS, 1, 1)]


def test_handle_caching_is_asked_for_before_a_sharing_violation(world):
    world.do(create(1, 0, share=0, oplock=0xFF, lease=1, state=7))
    assert world.do(create(2, 1)) == [("lease", 0, 1, 7, 5, True, 2), ("wait", 2)]
    assert world.do(AckLease(3, 0, 1, 5)) == [
        ("done", 3, STATUS_SUCCESS, 5),
        ("done", 2, STATUS_SHARING_VIOLATION),
    ]
    assert world.do(Close(4, 0, 1)) == [("done", 4, STATUS_SUCCESS)]
    assert not world.leases


def test_a_lock_waits_for_an_unlock(world):
    world.do(create(1, 0))
    world.do(create(2, 1))
    world.do(Lock(3, 0, 1, ((0, 10, True),)))
    assert world.do(Lock(4, 1, 2, ((5, 1, False),))) == [("done", 4, STATUS_LOCK_NOT_GRANTED)]
    assert world.do(Lock(5, 1, 2, ((5, 1, False),), wait=True)) == [("wait", 5)]
    assert world.do(Unlock(6, 0, 1, ((0, 10),))) == [("done", 6, STATUS_SUCCESS), ("done", 5, STATUS_SUCCESS)]
