"""LOCK requests that wait for a range: who wakes them, in which order, and how they end otherwise."""

from __future__ import annotations

import os
import signal

import pytest

from smbd.wire.constants import (
    SMB2_LOCKFLAG_EXCLUSIVE_LOCK,
    SMB2_LOCKFLAG_FAIL_IMMEDIATELY,
    SMB2_LOCKFLAG_SHARED_LOCK,
    SMB2_LOCKFLAG_UNLOCK,
)
from smbd.wire.lock import LockElement
from tests.servers import unlike_samba
from vfs.ntstatus import STATUS_CANCELLED, STATUS_PENDING, STATUS_RANGE_NOT_LOCKED, STATUS_SUCCESS

pytestmark = pytest.mark.slow


def lock(file, offset=0, length=10):
    """Take an exclusive lock at once."""
    flags = SMB2_LOCKFLAG_EXCLUSIVE_LOCK | SMB2_LOCKFLAG_FAIL_IMMEDIATELY
    file.send_lock(LockElement(offset, length, flags)).recv().check()


def unlock(file, offset=0, length=10):
    file.send_lock(LockElement(offset, length, SMB2_LOCKFLAG_UNLOCK)).recv().check()


def wait(file, offset=0, length=10, flags=SMB2_LOCKFLAG_EXCLUSIVE_LOCK):
    """Ask for a lock that is not to be had now."""
    pending = file.send_lock(LockElement(offset, length, flags))
    interim = pending.recv_interim()
    assert interim is not None
    assert interim.status == STATUS_PENDING
    return pending


def still_waits(pending, file):
    """The response would have come before that of a request sent after it."""
    file.tree.session.connection.echo()
    return pending.response is None


@pytest.fixture
def open_elsewhere(tree, name, login):
    """Opens the same file from processes of their own."""
    tree.put(name, bytes(100))
    return lambda: login().tree_connect("tmp").create(name)


@pytest.fixture
def holder(open_elsewhere):
    file = open_elsewhere()
    lock(file)
    return file


@pytest.fixture
def waiter(open_elsewhere, holder):
    return open_elsewhere()


def test_a_free_range_is_had_at_once(waiter):
    pending = waiter.send_lock(LockElement(50, 10, SMB2_LOCKFLAG_EXCLUSIVE_LOCK))
    assert pending.recv().status == STATUS_SUCCESS
    assert not pending.interim


def test_an_unlock_ends_the_wait(holder, waiter):
    pending = wait(waiter, 5, 10)
    assert still_waits(pending, waiter)
    unlock(holder)
    final = pending.recv()
    assert final.status == STATUS_SUCCESS
    assert final.header.async_id == pending.async_id
    assert final.verified
    lock(holder, 0, 5)
    unlock(waiter, 5, 10)


@unlike_samba
def test_a_close_of_the_holder_ends_the_wait(holder, waiter):
    pending = wait(waiter)
    holder.close()
    assert pending.recv().status == STATUS_SUCCESS


@unlike_samba
def test_death_of_the_holder_ends_the_wait(server, open_elsewhere):
    before = set(server.worker_pids())
    holder = open_elsewhere()
    (pid,) = set(server.worker_pids()) - before
    lock(holder)
    waiter = open_elsewhere()
    pending = wait(waiter)
    os.kill(pid, signal.SIGKILL)
    assert pending.recv(timeout=2).status == STATUS_SUCCESS
    unlock(waiter)
    lock(open_elsewhere())


def test_a_waiter_may_wait_for_its_own_client(tree, name):
    tree.put(name, bytes(100))
    first, second = tree.create(name), tree.create(name)
    lock(first)
    pending = wait(second)
    unlock(first)
    assert pending.recv().status == STATUS_SUCCESS


def test_first_come_first_served(holder, open_elsewhere):
    files = [open_elsewhere() for _ in range(3)]
    waits = [wait(file) for file in files]
    before = holder
    for file, pending in zip(files, waits, strict=True):
        unlock(before)
        assert pending.recv().status == STATUS_SUCCESS
        before = file


def test_shared_locks_are_had_together(holder, open_elsewhere):
    files = [open_elsewhere() for _ in range(3)]
    waits = [wait(file, flags=SMB2_LOCKFLAG_SHARED_LOCK) for file in files]
    unlock(holder)
    assert [pending.recv().status for pending in waits] == [STATUS_SUCCESS] * 3


def test_other_ranges_are_not_held_up(holder, waiter, open_elsewhere):
    wait(waiter, 5, 20)
    lock(open_elsewhere(), 12, 5)


def test_cancel(holder, waiter, open_elsewhere):
    pending = wait(waiter)
    behind_it = open_elsewhere()
    next_pending = wait(behind_it)
    pending.cancel()
    assert pending.recv().status == STATUS_CANCELLED
    assert still_waits(next_pending, behind_it)
    unlock(holder)
    assert next_pending.recv().status == STATUS_SUCCESS
    unlock(behind_it)
    lock(holder)


def test_closing_the_file_that_waits(holder, waiter):
    pending = wait(waiter)
    waiter.close()
    assert pending.recv().status == STATUS_RANGE_NOT_LOCKED
    unlock(holder)
    lock(holder)


def test_disconnecting_the_tree_that_waits(holder, waiter):
    pending = wait(waiter)
    waiter.tree.disconnect()
    assert pending.recv().status == STATUS_RANGE_NOT_LOCKED


def test_logging_off_while_a_lock_waits(holder, waiter):
    pending = wait(waiter)
    waiter.tree.session.logoff()
    assert pending.recv().status == STATUS_RANGE_NOT_LOCKED


def test_a_waiter_that_leaves_or_dies_passes_its_turn_on(server, holder, waiter, open_elsewhere):
    wait(waiter)
    before = set(server.worker_pids())
    dying = open_elsewhere()
    (pid,) = set(server.worker_pids()) - before
    wait(dying)
    last = open_elsewhere()
    pending = wait(last)
    waiter.tree.session.connection.close()
    os.kill(pid, signal.SIGKILL)
    unlock(holder)
    assert pending.recv(timeout=2).status == STATUS_SUCCESS
