"""Record watch between real processes: nobody is forgotten, whoever is killed at whatever moment."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import msgspec
import pytest

from messaging.dbwrap.watch import WATCH_BLOCKER_DIED, WATCH_CHANGED, Blocked, WatchedRecord, wait_until
from messaging.records import RecordCodec
from messaging.server_id import ServerId
from tests.process.messaging_processes import PATIENCE, Child, Station, first_to_speak

KEY = b"key"
Start = Callable[[Callable[[Station, Connection], None]], Child]


class Claim(msgspec.Struct, array_like=True):
    """Who holds the record, and how often it has been held."""

    owner: ServerId | None
    count: int = 0


CODEC = RecordCodec(Claim, 1, "claim")


def claim_for(station: Station) -> Callable[[WatchedRecord], bool | Blocked]:
    """Take the record, from a dead owner too; block on a living one."""

    def attempt(record: WatchedRecord) -> bool | Blocked:
        claim = CODEC.decode(record.value) if record.value is not None else Claim(None)
        if claim.owner is not None and station.bus.exists(claim.owner):
            return Blocked(claim.owner)
        record.store_quietly(CODEC.encode(Claim(station.bus.server_id, claim.count + 1)))
        return True

    return attempt


def release(station: Station, key: bytes = KEY) -> None:
    with station.db.fetch_locked(key) as record:
        assert record.value is not None
        claim = CODEC.decode(record.value)
        assert claim.owner == station.bus.server_id, "somebody else took what we hold"
        record.store(CODEC.encode(Claim(None, claim.count)))


def acquire(station: Station, key: bytes = KEY) -> None:
    waiter = station.reactor.spawn(wait_until(station.db, key, claim_for(station), timeout=PATIENCE))
    station.reactor.run_until(waiter, PATIENCE + 1)


@pytest.fixture
def station(tmp_path: Path) -> Iterator[Station]:
    station = Station(tmp_path)
    yield station
    station.close()


@pytest.fixture
def start(tmp_path: Path, station: Station) -> Iterator[Start]:
    children: list[Child] = []

    def start_child(body: Callable[[Station, Connection], None]) -> Child:
        def with_station(link: Connection) -> None:
            mine = Station(tmp_path)
            body(mine, link)
            mine.close()

        children.append(Child(with_station))
        return children[-1]

    yield start_child
    for child in children:
        child.stop()


def hold_and_release(station: Station, link: Connection) -> None:
    acquire(station)
    link.send("holding")
    link.recv()
    release(station)
    link.recv()


def wait_and_tell(station: Station, link: Connection) -> None:
    """Watch the record until it is ours, telling when the watch is in force."""
    waiter = station.reactor.spawn(wait_until(station.db, KEY, claim_for(station), timeout=PATIENCE))
    link.send("waiting")
    station.reactor.run_until(waiter, PATIENCE + 1)
    link.send("holding")
    link.recv()
    release(station)


def test_a_change_wakes_a_waiter_in_another_process(station: Station, start: Start) -> None:
    holder = start(hold_and_release)
    assert holder.hear() == "holding"
    waiter = start(wait_and_tell)
    assert waiter.hear() == "waiting"
    assert waiter.silent()
    holder.tell()
    assert waiter.hear() == "holding"
    assert station.db.watchers(KEY) == ()
    waiter.tell()
    waiter.join()


def test_all_waiters_of_several_processes_get_it_one_at_a_time(station: Station, start: Start) -> None:
    acquire(station)
    waiters = []
    for _ in range(4):
        waiters.append(start(wait_and_tell))
        waiters[-1].hear()
    assert len(station.db.watchers(KEY)) == 4
    release(station)
    # Usually in the order of their coming, but an alert of an earlier change may be on its way to a later one.
    while waiters:
        holder = first_to_speak(waiters)
        assert holder.hear() == "holding"
        waiters.remove(holder)
        assert all(other.silent() for other in waiters)
        holder.tell()
        holder.join()
    assert station.db.watchers(KEY) == ()


def test_a_killed_holder_wakes_its_waiter(station: Station, start: Start) -> None:
    holder = start(hold_and_release)
    holder.hear()
    with station.db.fetch_locked(KEY) as record:
        assert record.value is not None
        watch = record.watch(CODEC.decode(record.value).owner)
    waiter = start(wait_and_tell)
    waiter.hear()
    holder.kill()
    assert station.reactor.run_until(watch.waiter, PATIENCE) == WATCH_BLOCKER_DIED
    assert waiter.hear() == "holding"
    watch.depart()
    waiter.tell()
    waiter.join()


def test_a_killed_watcher_is_passed_over(station: Station, start: Start) -> None:
    acquire(station)
    first = start(wait_and_tell)
    first.hear()
    second = start(wait_and_tell)
    second.hear()
    first.kill()
    release(station)
    assert second.hear() == "holding"
    assert station.db.watchers(KEY) == ()
    second.tell()
    second.join()


def test_a_watcher_killed_after_its_alert_does_not_take_it_to_the_grave(
    station: Station, start: Start
) -> None:
    acquire(station)
    first = start(wait_and_tell)
    first.hear()
    second = start(wait_and_tell)
    second.hear()
    first.kill(signal.SIGSTOP)  # it gets the alert but cannot pass it on
    release(station)
    station.reactor.run_for(0.05)
    assert second.silent()
    first.kill()
    assert second.hear() == "holding"
    assert station.db.watchers(KEY) == ()
    second.tell()
    second.join()


def test_a_waiter_that_gives_up_wakes_its_successor(station: Station, start: Start) -> None:
    acquire(station)
    with station.db.fetch_locked(KEY) as record:
        mine = record.watch()

    def watch_once(theirs: Station, link: Connection) -> None:
        with theirs.db.fetch_locked(KEY) as record:
            watch = record.watch()
        link.send("watching")
        link.send(theirs.reactor.run_until(watch.waiter, PATIENCE))
        watch.depart()

    child = start(watch_once)
    assert child.hear() == "watching"
    mine.depart()
    assert child.hear() == WATCH_CHANGED
    child.join()
    assert station.db.watchers(KEY) == ()


def test_an_orderly_exit_leaves_no_watcher(station: Station, start: Start) -> None:
    def watch_and_go(theirs: Station, link: Connection) -> None:
        with theirs.db.fetch_locked(KEY) as record:
            record.watch()
        link.send("watching")
        link.recv()

    child = start(watch_and_go)
    child.hear()
    assert len(station.db.watchers(KEY)) == 1
    child.tell()
    child.join()
    assert station.db.watchers(KEY) == ()
    assert station.db.db.parse(KEY) is None


@pytest.mark.slow
def test_stress_with_random_kills(station: Station, start: Start) -> None:
    """Processes fight for a few records; some are killed at any moment; nobody waits in vain."""
    keys = [b"one", b"two"]
    chance = random.Random(20)

    def fight(theirs: Station, link: Connection) -> None:
        dice = random.Random(theirs.bus.server_id.pid)
        rounds, slowest = 0, 0.0
        while rounds == 0 or not link.poll(0):
            key = dice.choice(keys)
            started = time.monotonic()
            acquire(theirs, key)
            slowest = max(slowest, time.monotonic() - started)
            if dice.random() < 0.3:
                theirs.reactor.run_once(0.0005)
            release(theirs, key)
            rounds += 1
        link.recv()
        link.send((rounds, slowest))

    fighters = [start(fight) for _ in range(6)]
    end = time.monotonic() + 3
    while time.monotonic() < end:
        station.reactor.run_for(0.15)
        victim = fighters.pop(chance.randrange(len(fighters)))
        victim.kill()
        fighters.append(start(fight))
    for fighter in fighters:
        fighter.tell()
    results = [fighter.hear() for fighter in fighters]
    for fighter in fighters:
        fighter.join()
    assert all(rounds > 0 for rounds, _ in results)
    assert max(slowest for _, slowest in results) < PATIENCE / 4
    for key in keys:
        acquire(station, key)
        release(station, key)
        station.reactor.run_for(0.01)
        assert station.db.watchers(key) == ()
    assert station.db.check() == []
