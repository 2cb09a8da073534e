"""Record locks and transactions between real processes, and what a kill -9 leaves of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from messaging.dbwrap import libtdb
from messaging.dbwrap.tdb import TdbDb, open_tdb
from tests.process.messaging_processes import Child

KEY = b"key"
Start = Callable[[Callable[[Connection], None]], Child]


@pytest.fixture
def start() -> Iterator[Start]:
    children: list[Child] = []

    def start_child(body: Callable[[Connection], None]) -> Child:
        children.append(Child(body))
        return children[-1]

    yield start_child
    for child in children:
        child.stop()


@pytest.fixture
def db(tmp_path: Path) -> Iterator[TdbDb]:
    db = open_tdb(str(tmp_path / "locks.tdb"), lock_order=1)
    assert isinstance(db, TdbDb)
    yield db
    db.close()


def is_free(db: TdbDb, key: bytes) -> bool:
    size = libtdb.SIZES[len(key)]
    if libtdb.chainlock_nonblock(db.handle, key, size):
        return False
    libtdb.chainunlock(db.handle, key, size)
    return True


def test_a_record_lock_excludes_other_processes(db: TdbDb, start: Start) -> None:
    def hold(link: Connection) -> None:
        with db.fetch_locked(KEY) as record:
            record.store(b"child's")
            link.send("locked")
            link.recv()
        link.send("unlocked")
        link.recv()

    child = start(hold)
    assert child.hear() == "locked"
    assert not is_free(db, KEY)
    assert is_free(db, b"another")
    child.tell()
    assert child.hear() == "unlocked"
    assert is_free(db, KEY)
    assert db.parse(KEY) == b"child's"
    child.tell()
    child.join()


def test_no_increment_is_lost(db: TdbDb, start: Start) -> None:
    rounds = 3000

    def count(link: Connection) -> None:
        for _ in range(rounds):
            with db.fetch_locked(KEY) as record:
                record.store(b"%d" % (int(record.value or b"0") + 1))

    children = [start(count) for _ in range(3)]
    for child in children:
        child.join()
    assert db.parse(KEY) == b"%d" % (3 * rounds)


def test_the_lock_of_a_killed_process_is_free(db: TdbDb, start: Start) -> None:
    def hold(link: Connection) -> None:
        with db.fetch_locked(KEY):
            link.send("locked")
            link.recv()

    child = start(hold)
    child.hear()
    child.kill()
    with db.fetch_locked(KEY) as record:
        record.store(b"mine")
    assert is_free(db, KEY)
    assert db.check() == []


def test_traverse_while_others_write(db: TdbDb, start: Start) -> None:
    for number in range(200):
        db.store(b"stays%d" % number, b"x")

    def churn(link: Connection) -> None:
        link.send("running")
        number = 0
        while not link.poll(0):
            number += 1
            db.store(b"comes%d" % (number % 97), b"y" * (number % 500))
            db.delete(b"comes%d" % (number * 31 % 97))

    child = start(churn)
    child.hear()
    for _ in range(5):
        found = [key for key, _ in db.traverse_read() if key.startswith(b"stays")]
        assert sorted(found) == sorted(b"stays%d" % number for number in range(200))
    child.tell()
    child.join()
    assert db.check() == []


def test_a_volatile_database_is_not_emptied_while_one_process_has_it(db: TdbDb, start: Start) -> None:
    db.store(KEY, b"v")

    def look(link: Connection) -> None:
        db.close()
        again = open_tdb(db.file.path, lock_order=1)
        link.send(again.parse(KEY))

    child = start(look)
    assert child.hear() == b"v"
    child.join()


def test_a_transaction_of_a_killed_process_has_not_happened(tmp_path: Path, start: Start) -> None:
    db = open_tdb(str(tmp_path / "persistent.tdb"), lock_order=0, persistent=True)
    db.store(KEY, b"old")

    def change(link: Connection) -> None:
        with db.fetch_locked(KEY) as record:
            record.store(b"new")
            link.send("stored")
            link.recv()

    child = start(change)
    assert child.hear() == "stored"
    assert db.parse(KEY) == b"old"
    child.kill()
    assert db.parse(KEY) == b"old"
    db.store(KEY, b"mine")
    assert db.parse(KEY) == b"mine"
    assert db.check() == []
    db.close()
