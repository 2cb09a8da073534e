"""Leases: every transition between states, against the rules written down as tables."""

from __future__ import annotations

from itertools import product

import pytest

from messaging.server_id import ServerId
from vfs.locking.lease import (
    LEASE_CODEC,
    LeaseFile,
    LeaseRecord,
    acknowledge,
    begin_break,
    expire,
    new_lease,
    upgrade,
)
from vfs.locking.oplock import LEASE_HANDLE, LEASE_READ, LEASE_WRITE, LeaseRequest
from vfs.ntstatus import STATUS_REQUEST_NOT_ACCEPTED, STATUS_UNSUCCESSFUL, NTStatusError

R, H, W = LEASE_READ, LEASE_HANDLE, LEASE_WRITE
STATES = (0, R, R | H, R | W, R | W | H)
KEY = b"k" * 16


def lease_in(state: int, *, version: int = 2, directory: bool = False) -> LeaseRecord:
    return new_lease(LeaseRequest(KEY, state, version, 10), state, ServerId(1), directory=directory)


def test_first_epoch() -> None:
    assert lease_in(R).epoch == 11
    assert lease_in(R, version=1).epoch == 0
    last = LeaseRequest(KEY, R, 2, 0xFFFF)
    assert new_lease(last, R, ServerId(1), directory=False).epoch == 0


@pytest.mark.parametrize(("held", "wanted", "granted"), list(product(STATES, STATES, STATES)))
def test_upgrade(held: int, wanted: int, granted: int) -> None:
    lease = lease_in(held)
    expected = wanted == granted and granted != held and held & wanted == held
    assert upgrade(lease, wanted, granted) == expected
    assert lease.state == (granted if expected else held)
    assert lease.epoch == 11 + expected


def test_no_upgrade_during_a_break() -> None:
    lease = lease_in(R | H)
    begin_break(lease, R)
    assert not upgrade(lease, R | W | H, R | W | H)
    assert lease.state == R | H


@pytest.mark.parametrize(("held", "target"), list(product(STATES, STATES)))
def test_break(held: int, target: int) -> None:
    lease = lease_in(held)
    told = begin_break(lease, target)
    if held & target == held:
        assert told is None
        assert (lease.state, lease.epoch, lease.breaking) == (held, 11, False)
        return
    assert told is not None
    assert (told.old, told.new, told.epoch) == (held, held & target, 12)
    # Only who holds more than READ has something to bring home first.
    assert told.wants_answer == (held != R)
    assert lease.breaking == told.wants_answer
    assert lease.state == (held if told.wants_answer else held & target)


@pytest.mark.parametrize(("held", "target", "answer"), list(product(STATES, STATES, range(8))))
def test_acknowledge(held: int, target: int, answer: int) -> None:
    lease = lease_in(held)
    begin_break(lease, target)
    if not lease.breaking:
        status: int | None = STATUS_UNSUCCESSFUL
    elif answer & ~(held & target):
        status = STATUS_REQUEST_NOT_ACCEPTED
    else:
        status = None
    before = LEASE_CODEC.encode(lease)
    if status is not None:
        with pytest.raises(NTStatusError) as caught:
            acknowledge(lease, answer)
        assert caught.value.status == status
        assert LEASE_CODEC.encode(lease) == before
        return
    assert acknowledge(lease, answer) is None
    assert (lease.state, lease.breaking, lease.requested, lease.required) == (answer, False, 0, 0)


def test_a_break_that_is_lowered_meanwhile_goes_on_in_steps() -> None:
    lease = lease_in(R | W | H)
    first = begin_break(lease, R | H)
    assert first is not None
    assert (first.old, first.new) == (R | W | H, R | H)
    assert begin_break(lease, 0) is None
    second = acknowledge(lease, R | H)
    assert second is not None
    assert (second.old, second.new, second.wants_answer) == (R | H, R, True)
    third = acknowledge(lease, R)
    assert third is not None
    assert (third.old, third.new, third.wants_answer) == (R, 0, False)
    assert (lease.state, lease.breaking) == (0, False)
    assert first.epoch == second.epoch == third.epoch == 12


def test_an_answer_low_enough_needs_no_further_step() -> None:
    lease = lease_in(R | W | H)
    begin_break(lease, R | H)
    begin_break(lease, R)
    assert acknowledge(lease, R) is None
    assert lease.state == R


@pytest.mark.parametrize("held", STATES)
def test_expiry_takes_all(held: int) -> None:
    lease = lease_in(held)
    assert not expire(lease)
    begin_break(lease, R)
    if lease.breaking:
        assert expire(lease)
        assert (lease.state, lease.breaking) == (0, False)
    with pytest.raises(NTStatusError):
        acknowledge(lease, 0)


def test_a_directory_goes_from_rh_to_nothing_in_one_step() -> None:
    lease = lease_in(R | H, directory=True)
    told = begin_break(lease, 0)
    assert told is not None
    assert (told.old, told.new, told.wants_answer) == (R | H, 0, True)


def test_record() -> None:
    lease = lease_in(R | H)
    lease.files = [LeaseFile(b"f" * 24, b"/share/name")]
    assert LEASE_CODEC.decode(LEASE_CODEC.encode(lease)) == lease
