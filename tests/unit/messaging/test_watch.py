"""Record watch inside of one process: who is woken, in which order, and what is left in the record."""

from __future__ import annotations

from pathlib import Path

import pytest

from messaging.bus import Bus
from messaging.dbwrap import base
from messaging.dbwrap.base import Db, DbError, LockOrderError
from messaging.dbwrap.memory import MemoryDb
from messaging.dbwrap.tdb import open_tdb
from messaging.dbwrap.watch import (
    WATCH_BLOCKER_DIED,
    WATCH_CHANGED,
    WATCH_TIMED_OUT,
    Blocked,
    WatchedDb,
    WatchedRecord,
    WatchService,
    wait_until,
)
from messaging.dbwrap.watch_head import Watcher, join, split
from messaging.poll_reactor import PollReactor
from messaging.records import RecordError
from messaging.server_id import DISCONNECTED, ServerId, new_server_id
from messaging.waiter import Cancelled

KEY = b"record"


class World:
    """A watched database with its bus and its loop."""

    def __init__(self, directory: Path, db: Db) -> None:
        self.reactor = PollReactor()
        self.bus = Bus(str(directory), new_server_id(), self.reactor)
        self.db = WatchedDb(db, WatchService(self.bus))

    def turn(self) -> None:
        """Let everything happen that is due."""
        for _ in range(10):
            self.reactor.run_once(0)

    def stored(self) -> bytes | None:
        return self.db.db.parse(KEY)


@pytest.fixture(params=["memory", "tdb"])
def world(request: pytest.FixtureRequest, tmp_path: Path):
    db = MemoryDb() if request.param == "memory" else open_tdb(str(tmp_path / "w.tdb"), lock_order=1)
    world = World(tmp_path, db)
    yield world
    assert world.db.service is not None
    world.db.service.close()
    world.bus.close()
    world.db.close()
    assert not base.held


def claim(record: WatchedRecord) -> bytes | Blocked:
    """Take the record if it is free."""
    if record.value is not None:
        return Blocked()
    record.store(b"taken")
    return b"mine"


def test_a_record_without_watchers_is_stored_as_it_is(world: World) -> None:
    world.db.store(KEY, b"\x01value")
    assert world.stored() == b"\x01value"
    assert world.db.parse(KEY) == b"\x01value"


@pytest.mark.parametrize("value", [b"", b"\xff", b"\xff\x00\x00", b"\x01x"])
def test_any_value_comes_back(world: World, value: bytes) -> None:
    world.db.store(KEY, value)
    assert world.db.parse(KEY) == value
    with world.db.fetch_locked(KEY) as record:
        assert record.value == value
        watch = record.watch()
    assert world.db.parse(KEY) == value
    assert dict(world.db.traverse_read()) == {KEY: value}
    watch.depart()
    assert world.db.parse(KEY) == value
    assert world.db.watchers(KEY) == ()


def test_watchers_of_a_record_that_does_not_exist_are_not_its_value(world: World) -> None:
    with world.db.fetch_locked(KEY) as record:
        watch = record.watch()
    assert world.stored() is not None
    assert world.db.parse(KEY) is None
    assert list(world.db.traverse_read()) == []
    assert world.db.statistics()["watchers"] == 1
    watch.depart()
    assert world.stored() is None


def test_watchers_survive_store_and_delete(world: World) -> None:
    with world.db.fetch_locked(KEY) as record:
        watch = record.watch()
        record.store(b"one")
    world.db.store(KEY, b"two")
    world.db.delete(KEY)
    assert [one.instance for one in world.db.watchers(KEY)] == [watch.entry.instance]


def test_a_change_wakes_only_the_first_watcher(world: World) -> None:
    watches = []
    for _ in range(3):
        with world.db.fetch_locked(KEY) as record:
            watches.append(record.watch())
    world.db.store(KEY, b"new")
    world.turn()
    assert [watch.waiter.done for watch in watches] == [True, False, False]
    assert watches[0].waiter.result() == WATCH_CHANGED
    with world.db.fetch_locked(KEY) as record:
        record.leave(watches[0])
    world.turn()
    assert [watch.waiter.done for watch in watches[1:]] == [True, False]
    with world.db.fetch_locked(KEY) as record:
        record.resume(watches[1])
    world.turn()
    assert [watch.waiter.done for watch in watches[1:]] == [False, True]


def test_each_change_runs_down_the_list_once(world: World) -> None:
    wakings = []

    def never(record: WatchedRecord) -> Blocked:
        wakings.append(record.key)
        return Blocked()

    for _ in range(5):
        world.reactor.spawn(wait_until(world.db, KEY, never))
    wakings.clear()
    world.db.store(KEY, b"new")
    for _ in range(50):
        world.reactor.run_once(0)
    assert len(wakings) == 5


def test_a_quiet_change_wakes_nobody(world: World) -> None:
    with world.db.fetch_locked(KEY) as record:
        watch = record.watch()
    with world.db.fetch_locked(KEY) as record:
        record.store_quietly(b"more")
    world.turn()
    assert not watch.waiter.done
    assert world.db.parse(KEY) == b"more"


def test_waiters_get_it_in_turn(world: World) -> None:
    world.db.store(KEY, b"taken")
    waiting = [world.reactor.spawn(wait_until(world.db, KEY, claim)) for _ in range(4)]
    for round_ in range(4):
        assert [waiter.done for waiter in waiting] == [True] * round_ + [False] * (4 - round_)
        world.db.delete(KEY)
        world.turn()
    assert all(waiter.result() == b"mine" for waiter in waiting)
    assert world.db.watchers(KEY) == ()


def test_without_conflict_there_is_no_wait(world: World) -> None:
    waiter = world.reactor.spawn(wait_until(world.db, KEY, claim))
    assert waiter.done
    assert world.stored() == b"taken"


def test_the_death_of_the_blocker_ends_the_wait(world: World) -> None:
    with world.db.fetch_locked(KEY) as record:
        watch = record.watch(blocker=ServerId(pid=world.bus.server_id.pid, unique_id=1))
    world.turn()
    assert watch.waiter.result() == WATCH_BLOCKER_DIED


def test_a_disconnected_blocker_counts_as_dead(world: World) -> None:
    with world.db.fetch_locked(KEY) as record:
        watch = record.watch(blocker=DISCONNECTED)
    world.turn()
    assert watch.waiter.result() == WATCH_BLOCKER_DIED


def test_the_time_out_ends_the_wait_and_leaves_nothing(world: World) -> None:
    world.db.store(KEY, b"taken")
    waiter = world.reactor.spawn(wait_until(world.db, KEY, claim, timeout=0))
    world.turn()
    with pytest.raises(TimeoutError):
        waiter.result()
    assert world.stored() == b"taken"


def test_the_time_runs_on_over_a_resume(world: World) -> None:
    with world.db.fetch_locked(KEY) as record:
        watch = record.watch(timeout=0)
    world.db.store(KEY, b"new")
    world.turn()
    assert watch.waiter.done
    with world.db.fetch_locked(KEY) as record:
        record.resume(watch)
    world.turn()
    assert watch.waiter.result() == WATCH_TIMED_OUT
    watch.depart()


def test_cancel_leaves_nothing_and_wakes_the_next(world: World) -> None:
    with world.db.fetch_locked(KEY) as record:
        record.store(b"taken")
    coro = wait_until(world.db, KEY, claim)
    suspended = coro.send(None)
    second = world.reactor.spawn(wait_until(world.db, KEY, claim))
    world.db.db.delete(b"other")
    suspended.cancel()
    with pytest.raises(Cancelled):
        coro.send(None)
    assert len(world.db.watchers(KEY)) == 1
    world.db.delete(KEY)
    world.turn()
    assert second.result() == b"mine"


def test_dead_watchers_are_skipped_and_removed(world: World) -> None:
    dead = [Watcher(ServerId(pid=world.bus.server_id.pid, unique_id=n), n) for n in (1, 2)]
    world.db.db.store(KEY, join(dead, b"taken") or b"")
    with world.db.fetch_locked(KEY) as record:
        watch = record.watch()
    world.turn()
    # The predecessor is dead: found when the watch was armed. A retry cleans that up.
    assert watch.waiter.done
    with world.db.fetch_locked(KEY) as record:
        record.resume(watch)
    world.db.store(KEY, b"new")
    world.turn()
    assert watch.waiter.result() == WATCH_CHANGED
    assert [one.instance for one in world.db.watchers(KEY)] == [watch.entry.instance]
    watch.depart()


def test_the_watchers_of_a_dead_process_can_be_dropped_everywhere(world: World) -> None:
    dead = ServerId(pid=1, unique_id=77)
    world.db.db.store(KEY, join([Watcher(dead, 1)], b"value") or b"")
    world.db.db.store(b"other", join([Watcher(dead, 2)], None) or b"")
    assert world.db.forget_process(dead) == 2
    assert world.stored() == b"value"
    assert world.db.db.parse(b"other") is None


def test_alerts_wait_for_the_last_lock(world: World, tmp_path: Path) -> None:
    outer = MemoryDb("outer", lock_order=0)
    with world.db.fetch_locked(KEY) as record:
        watch = record.watch()
    with outer.fetch_locked(b"x"):
        world.db.store(KEY, b"new")
        watch.depart()
        assert len(world.db.watchers(KEY)) == 1
    assert world.db.watchers(KEY) == ()


def test_the_lock_order_is_checked(world: World) -> None:
    with world.db.fetch_locked(KEY), pytest.raises(LockOrderError):
        world.db.fetch_locked(b"other")


def test_a_watched_database_of_a_tool_is_read_only(world: World) -> None:
    world.db.store(KEY, b"value")
    tool = WatchedDb(world.db.db)
    assert tool.parse(KEY) == b"value"
    with pytest.raises(DbError):
        tool.store(KEY, b"x")


def test_a_stray_alert_removes_what_is_left_of_its_watch(world: World) -> None:
    world.db.db.store(KEY, join([Watcher(world.bus.server_id, 12345)], b"value") or b"")
    world.db.store(KEY, b"other")
    world.turn()
    assert world.stored() == b"other"


@pytest.mark.parametrize(
    "raw",
    [
        b"\xff",
        b"\xff\x01\xff\xff\xff\xff",
        b"\xff\x01\x01\x00\x00\x00\xc1",
        b"\xff\x01\x01\x00\x00\x00\x05",
    ],
)
def test_a_damaged_head_is_told(world: World, raw: bytes) -> None:
    with pytest.raises(RecordError):
        split(raw)
    world.db.db.store(KEY, raw)
    assert len(world.db.check()) == 1
    with pytest.raises(RecordError):
        world.db.fetch_locked(KEY)
    assert not base.held
