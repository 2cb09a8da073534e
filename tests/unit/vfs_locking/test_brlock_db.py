"""Byte-range locks in their database: all or none, who waits is woken, what the dead leave does not count."""

from __future__ import annotations

import os

import msgspec
import pytest

from messaging.bus import Bus
from messaging.dbwrap import base
from messaging.dbwrap.memory import MemoryDb
from messaging.dbwrap.watch import WatchedDb, WatchService
from messaging.dbwrap.watch_head import Watcher, join
from messaging.poll_reactor import PollReactor
from messaging.server_id import DISCONNECTED, ServerId, new_server_id
from vfs.file_id import FileId
from vfs.locking import brlock_posix
from vfs.locking.brlock_db import ByteRangeLock, ByteRangeLocks, LockOwner, NotGranted
from vfs.ntstatus import STATUS_RANGE_NOT_LOCKED, NTStatusError

FILE = FileId(1, 2)
ELSEWHERE = ServerId(4242, unique_id=1)


class World:
    def __init__(self, directory):
        self.reactor = PollReactor()
        self.bus = Bus(str(directory), new_server_id(), self.reactor)
        self.db = WatchedDb(MemoryDb("brlock", 2), WatchService(self.bus))
        self.dead: set[ServerId] = set()
        self.locks = ByteRangeLocks(self.db, lambda server_id: server_id not in self.dead)
        self.ends: list[object] = []

    def owner(self, open_id):
        return LockOwner(self.bus.server_id, open_id)

    def take(self, owner, *ranges, exclusive=True, fd=-1):
        wanted = [ByteRangeLock(owner.server_id, owner.open_id, *one, exclusive) for one in ranges]
        return self.locks.lock(FILE, owner, wanted, fd)

    def wait(self, owner, start, length, *, exclusive=True, fd=-1, check=lambda: None):
        """Begin to wait; returns the waiter, None if the lock was to be had. The end is appended to `ends`."""
        wanted = ByteRangeLock(owner.server_id, owner.open_id, start, length, exclusive)
        coroutine = self.locks.wait_for(FILE, owner, wanted, fd, check)

        def step(_waiter=None):
            try:
                waiter = coroutine.send(None)
            except StopIteration:
                self.ends.append(owner)
            except NTStatusError as error:
                self.ends.append(error.status)
            else:
                waiter.add_done_callback(step)
                return waiter
            return None

        return step()

    def held(self):
        return [(lock.open_id, lock.start, lock.length) for lock in self.locks.read(FILE)]

    def turn(self):
        for _ in range(20):
            self.reactor.run_once(0)


@pytest.fixture
def world(tmp_path):
    world = World(tmp_path)
    yield world
    world.db.service.close()
    world.bus.close()
    assert not base.held


def test_a_file_without_locks_has_no_record(world):
    owner = world.owner(1)
    assert world.take(owner, (0, 10), (20, 10)) is None
    assert world.locks.parse(FILE.key()) is not None
    assert world.locks.unlock(FILE, owner, [(0, 10), (20, 10)]) == 2
    assert world.locks.parse(FILE.key()) is None
    assert list(world.locks.traverse()) == []


def test_all_or_none(world):
    world.take(world.owner(1), (100, 1))
    assert world.take(world.owner(2), (0, 1), (100, 1)) == NotGranted(world.bus.server_id)
    assert world.held() == [(1, 100, 1)]


def test_locks_of_one_request_exclude_each_other(world):
    assert world.take(world.owner(1), (0, 10), (5, 1)) is not None
    assert world.held() == []
    assert world.take(world.owner(1), (0, 10), (5, 1), exclusive=False) is None


def test_unlocking_ends_at_what_is_not_locked(world):
    owner = world.owner(1)
    world.take(owner, (0, 1), (1, 1), (2, 1))
    assert world.locks.unlock(FILE, owner, [(0, 1), (7, 1), (1, 1)]) == 1
    assert world.held() == [(1, 1, 1), (1, 2, 1)]


def test_a_closed_open_leaves_nothing(world):
    world.take(world.owner(1), (0, 1), (5, 1))
    world.take(world.owner(2), (9, 1))
    assert world.locks.remove_open(FILE, world.owner(1)) == 2
    assert world.held() == [(2, 9, 1)]


def test_who_waits_gets_it_when_it_is_given_back(world):
    world.take(world.owner(1), (0, 10))
    assert world.wait(world.owner(2), 5, 10) is not None
    world.turn()
    assert world.ends == []
    world.locks.unlock(FILE, world.owner(1), [(0, 10)])
    world.turn()
    assert world.ends == [world.owner(2)]
    assert world.held() == [(2, 5, 10)]
    assert world.db.watchers(FILE.key()) == ()


def test_first_come_first_served(world):
    world.take(world.owner(1), (0, 10))
    for open_id in (2, 3, 4):
        world.wait(world.owner(open_id), 0, 10)
    for open_id in (1, 2, 3):
        world.locks.unlock(FILE, world.owner(open_id), [(0, 10)])
        world.turn()
    assert world.ends == [world.owner(2), world.owner(3), world.owner(4)]


def wake_early(world, number):
    """An alert of an earlier change arrives at one of the waiters before anybody else hears of the next."""
    world.db.service.alert(world.db, FILE.key(), world.db.watchers(FILE.key())[number:])


def test_who_wakes_too_early_leaves_the_lock_to_those_before_him(world):
    world.take(world.owner(1), (0, 10))
    for open_id in (2, 3, 4):
        world.wait(world.owner(open_id), 0, 10)
    wake_early(world, 2)
    wake_early(world, 1)
    world.locks.unlock(FILE, world.owner(1), [(0, 10)])
    world.turn()
    assert world.ends == [world.owner(2)]
    assert [watcher.wish != b"" for watcher in world.db.watchers(FILE.key())] == [True, True]


def test_who_wakes_early_takes_what_those_before_him_do_not_want(world):
    world.take(world.owner(1), (0, 10))
    world.take(world.owner(2), (20, 10))
    world.wait(world.owner(3), 0, 30)  # has to wait for both
    world.wait(world.owner(4), 0, 5)
    world.wait(world.owner(5), 5, 5)
    wake_early(world, 2)
    world.locks.unlock(FILE, world.owner(1), [(0, 10)])
    world.turn()
    assert sorted(world.ends) == [world.owner(4), world.owner(5)]


def test_a_newcomer_does_not_overtake_who_is_being_woken(world):
    world.take(world.owner(1), (0, 10))
    world.wait(world.owner(2), 0, 10)
    world.locks.unlock(FILE, world.owner(1), [(0, 10)])
    assert world.take(world.owner(3), (0, 10)) == NotGranted(world.bus.server_id)
    assert world.take(world.owner(3), (10, 10)) is None
    world.turn()
    assert world.ends == [world.owner(2)]


def test_a_dead_waiter_holds_nobody_up(world):
    gone = ByteRangeLock(ELSEWHERE, 1, 0, 10, exclusive=True)
    watcher = Watcher(ELSEWHERE, 1, msgspec.msgpack.encode(gone))
    world.db.db.store(FILE.key(), join([watcher], None) or b"")
    assert world.take(world.owner(1), (5, 1)) == NotGranted(ELSEWHERE)
    world.dead.add(ELSEWHERE)
    assert world.take(world.owner(1), (5, 1)) is None


def test_one_change_serves_all_it_can(world):
    world.take(world.owner(1), (0, 10))
    world.wait(world.owner(2), 0, 10, exclusive=False)
    world.wait(world.owner(3), 0, 5)
    world.wait(world.owner(4), 0, 10, exclusive=False)
    world.locks.remove_open(FILE, world.owner(1))
    world.turn()
    assert world.ends == [world.owner(2), world.owner(4)]
    world.locks.remove_open(FILE, world.owner(2))
    world.locks.remove_open(FILE, world.owner(4))
    world.turn()
    assert world.ends[2:] == [world.owner(3)]


def test_a_wait_that_is_given_up_leaves_nothing(world):
    world.take(world.owner(1), (0, 10))
    waiter = world.wait(world.owner(2), 0, 10)
    waiter.set_exception(NTStatusError(STATUS_RANGE_NOT_LOCKED, "given up"))
    assert world.ends == [STATUS_RANGE_NOT_LOCKED]
    assert world.db.watchers(FILE.key()) == ()
    assert world.held() == [(1, 0, 10)]


def test_a_file_closed_while_its_lock_is_due_gets_none(world):
    closed = []

    def check():
        if closed:
            raise NTStatusError(STATUS_RANGE_NOT_LOCKED, "closed")

    world.take(world.owner(1), (0, 10))
    world.wait(world.owner(2), 0, 10, check=check)
    world.wait(world.owner(3), 0, 10)
    world.locks.remove_open(FILE, world.owner(1))
    closed.append(True)
    world.turn()
    assert world.ends == [STATUS_RANGE_NOT_LOCKED, world.owner(3)]


def test_locks_of_the_dead_are_dropped_when_they_are_in_the_way(world):
    gone = LockOwner(ELSEWHERE, 1)
    world.take(gone, (0, 10), (50, 10))
    assert world.take(world.owner(1), (5, 1)) == NotGranted(ELSEWHERE)
    raw = world.locks.parse(FILE.key())
    assert world.locks.access_conflict(raw, world.owner(1), 0, 1, write=False) is not None
    world.dead.add(ELSEWHERE)
    assert world.locks.access_conflict(raw, world.owner(1), 0, 1, write=False) is None
    assert world.locks.check() == [f"{FILE}: {ELSEWHERE} is dead"] * 2
    assert world.take(world.owner(1), (5, 1)) is None
    assert world.held() == [(1, 5, 1)]
    assert world.locks.check() == []


def test_locks_of_a_client_that_is_away_stay(world):
    world.dead.add(DISCONNECTED)
    world.take(LockOwner(DISCONNECTED, 7), (0, 10))
    assert world.take(world.owner(1), (5, 1)) == NotGranted(DISCONNECTED)
    assert world.locks.check() == []


def test_cleaning_up_after_a_process(world):
    world.take(LockOwner(ELSEWHERE, 1), (0, 10))
    world.take(LockOwner(ELSEWHERE, 2), (20, 10))
    world.take(world.owner(1), (50, 1))
    assert world.locks.remove_server(ELSEWHERE) == 2
    assert world.held() == [(1, 50, 1)]
    assert world.locks.remove_server(ELSEWHERE) == 0


@pytest.fixture
def files(tmp_path):
    path = tmp_path / "file"
    fds = [os.open(path, os.O_RDWR | os.O_CREAT) for _ in range(2)]
    yield fds
    for fd in fds:
        os.close(fd)


def is_free(fd, start, length):
    """Whether a local program with `fd` could have a range to itself."""
    probe = [ByteRangeLock(ELSEWHERE, 1, start, length, exclusive=True)]
    free = brlock_posix.mirror(fd, start, length, probe)
    brlock_posix.mirror(fd, start, length, [])
    return free


def test_local_programs_see_the_locks(world, files):
    ours, theirs = files
    owner = world.owner(1)
    assert world.take(owner, (0, 10), (20, 10), fd=ours) is None
    assert not is_free(theirs, 5, 1)
    assert is_free(theirs, 10, 10)
    assert world.take(owner, (0, 5), exclusive=False, fd=ours) is None
    world.locks.unlock(FILE, owner, [(0, 10)], ours)
    assert not is_free(theirs, 4, 1)  # the shared lock beneath
    assert is_free(theirs, 5, 5)
    brlock_posix.release_all(ours)
    assert is_free(theirs, 0, 100)


def test_local_programs_are_respected(world, files):
    ours, theirs = files
    brlock_posix.mirror(theirs, 5, 1, [ByteRangeLock(ELSEWHERE, 1, 5, 1, exclusive=True)])
    assert world.take(world.owner(1), (0, 3), (4, 4), fd=ours) == NotGranted(None)
    assert world.held() == []
    assert is_free(theirs, 0, 3)
    world.wait(world.owner(1), 4, 4, fd=ours)
    brlock_posix.release_all(theirs)
    while not world.ends:
        world.reactor.run_once(1)
    assert world.ends == [world.owner(1)]
    assert not is_free(theirs, 4, 4)


def test_a_read_only_descriptor_shows_what_it_can(world, files, tmp_path):
    _, theirs = files
    fd = os.open(tmp_path / "file", os.O_RDONLY)
    assert world.take(world.owner(1), (0, 10), fd=fd) is None
    assert not is_free(theirs, 0, 1)
    os.close(fd)
    fd = os.open(tmp_path / "file", os.O_WRONLY)
    world.locks.remove_open(FILE, world.owner(1))
    assert world.take(world.owner(1), (0, 10), exclusive=False, fd=fd) is None
    assert is_free(theirs, 0, 1)
    os.close(fd)
