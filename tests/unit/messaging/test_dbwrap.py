"""The rules of the database interface, on every database there is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from messaging.dbwrap import base, libtdb
from messaging.dbwrap.base import Db, DbError, LockOrderError, PersistentDb
from messaging.dbwrap.memory import MemoryDb
from messaging.dbwrap.persistent import PersistentTdbDb
from messaging.dbwrap.tdb import open_databases, open_tdb, reopen_all


def open_db(kind: str, directory: Path, lock_order: int = 1) -> Db:
    if kind == "memory":
        return MemoryDb("test.tdb", lock_order)
    return open_tdb(str(directory / "test.tdb"), lock_order=lock_order, persistent=kind == "persistent")


@pytest.fixture(params=["memory", "volatile", "persistent"])
def db(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Db]:
    db = open_db(request.param, tmp_path)
    yield db
    db.close()
    assert not base.held


@pytest.fixture(params=["memory", "persistent"])
def lasting(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[PersistentDb]:
    db = open_db(request.param, tmp_path)
    assert isinstance(db, PersistentDb)
    yield db
    db.close()
    assert not base.held


@pytest.mark.parametrize("key", [b"", b"k", b"x" * 255, b"x" * 256, b"x" * 5000])
def test_store_parse_delete(db: Db, key: bytes) -> None:
    assert db.parse(key) is None
    db.delete(key)
    with db.fetch_locked(key) as record:
        assert (record.key, record.value) == (key, None)
        record.delete()
        record.store(b"one")
        assert record.value == b"one"
        record.store(b"two, longer")
    assert db.parse(key) == b"two, longer"
    db.store(key, b"")
    assert db.parse(key) == b""
    with db.fetch_locked(key) as record:
        record.delete()
        assert record.value is None
    assert db.parse(key) is None


@pytest.mark.parametrize("key", [b"k", b"x" * 255, b"x" * 256])
def test_insert_and_delete_only_what_is_expected(db: Db, key: bytes) -> None:
    assert not db.delete_if(key, b"one")
    assert db.insert(key, b"one")
    assert not db.insert(key, b"two")
    assert db.parse(key) == b"one"
    assert not db.delete_if(key, b"two")
    assert db.parse(key) == b"one"
    assert db.delete_if(key, b"one")
    assert db.parse(key) is None


def test_what_is_there_otherwise_may_be_replaced(db: Db) -> None:
    assert db.insert(b"k", b"one", None, lambda _, __: b"never")
    assert not db.insert(b"k", b"one", None, lambda _, __: None)
    assert db.insert(b"k", b"one", None, lambda _, stored: stored + b", two")
    assert not db.delete_if(b"k", b"one", None, lambda _, __: None)
    assert db.parse(b"k") == b"one, two"
    assert db.delete_if(b"k", b"two", None, lambda _, stored: stored[:3])
    assert db.parse(b"k") == b"one"
    assert db.delete_if(b"k", b"two", None, lambda _, __: b"")
    assert db.parse(b"k") is None
    assert not db.delete_if(b"k", b"two", None, lambda _, __: b"never")


def test_an_unlocked_record_cannot_be_changed(db: Db) -> None:
    with db.fetch_locked(b"k") as record:
        record.store(b"v")
    record.release()
    with pytest.raises(DbError):
        record.store(b"w")
    with pytest.raises(DbError):
        record.delete()
    assert db.parse(b"k") == b"v"


def test_an_exception_unlocks(db: Db) -> None:
    with pytest.raises(ZeroDivisionError), db.fetch_locked(b"k"):
        raise ZeroDivisionError
    assert not base.held
    with db.fetch_locked(b"k"):
        pass


def test_traverse_and_statistics(db: Db) -> None:
    expected = {b"key%d" % n: b"value" * n for n in range(50)}
    for key, value in expected.items():
        db.store(key, value)
    found = {}
    for key, value in db.traverse_read():
        found[key] = value
        db.delete(key)  # changes do not disturb it
    assert found == expected
    assert db.statistics()["records"] == 0
    assert db.check() == []


def test_locks_go_up_only(db: Db) -> None:
    low, high = MemoryDb("low", 0), MemoryDb("high", 2)
    with low.fetch_locked(b"x"), db.fetch_locked(b"x"), high.fetch_locked(b"x"):
        # A transaction holds its whole database already: to look at another record of it takes no lock.
        in_transaction = isinstance(db, PersistentTdbDb)
        for forbidden in (low, high) if in_transaction else (low, db, high):
            with pytest.raises(LockOrderError, match=r"low\(0\), test.tdb\(1\), high\(2\)"):
                forbidden.fetch_locked(b"y")
    with high.fetch_locked(b"x"):
        for action in (
            lambda: db.fetch_locked(b"x"),
            lambda: db.store(b"x", b""),
            lambda: db.delete(b"x"),
            lambda: db.insert(b"x", b""),
            lambda: db.delete_if(b"x", b""),
            lambda: list(db.traverse_read()),
        ):
            with pytest.raises(LockOrderError):
                action()
        db.parse(b"x")  # reading locks nothing


def test_deferred_actions_wait_for_the_last_lock(db: Db) -> None:
    done = []
    base.when_unlocked(lambda: done.append("now"))
    low = MemoryDb("low", 0)
    with low.fetch_locked(b"x"):
        with db.fetch_locked(b"x"):
            base.when_unlocked(lambda: done.append(1 // 0))
            base.when_unlocked(lambda: done.append("later"))
        assert done == ["now"]
    assert done == ["now", "later"]


def test_locks_may_be_released_out_of_order(db: Db) -> None:
    high = MemoryDb("high", 2)
    first = db.fetch_locked(b"x")
    second = high.fetch_locked(b"x")
    first.release()
    assert base.held == [high]
    second.release()
    assert base.held == []


def test_a_transaction_is_all_or_nothing(lasting: PersistentDb) -> None:
    lasting.store(b"before", b"1")
    with lasting.transaction():
        lasting.store(b"a", b"1")
        with lasting.fetch_locked(b"b") as record:
            record.store(b"2")
        assert lasting.parse(b"a") == b"1"
    with pytest.raises(ZeroDivisionError), lasting.transaction():  # noqa: PT012 - what is undone is the test
        lasting.store(b"a", b"changed")
        lasting.delete(b"b")
        assert dict(lasting.traverse_read()) == {b"before": b"1", b"a": b"changed"}
        raise ZeroDivisionError
    assert dict(lasting.traverse_read()) == {b"before": b"1", b"a": b"1", b"b": b"2"}


def test_transactions_do_not_nest(lasting: PersistentDb) -> None:
    with lasting.transaction(), pytest.raises(DbError), lasting.transaction():
        pass
    with MemoryDb("high", 2).fetch_locked(b"x"), pytest.raises(LockOrderError), lasting.transaction():
        pass


def test_a_failed_change_of_a_persistent_record_is_undone(tmp_path: Path) -> None:
    db = open_db("persistent", tmp_path)
    with pytest.raises(ZeroDivisionError), db.fetch_locked(b"k") as record:  # noqa: PT012 - as above
        record.store(b"v")
        raise ZeroDivisionError
    assert db.parse(b"k") is None
    db.close()


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["store", "delete"]), st.binary(max_size=3), st.binary(max_size=300)),
        max_size=30,
    )
)
def test_behaves_as_a_dict(tmp_path: Path, steps: list[tuple[str, bytes, bytes]]) -> None:
    db = open_db("volatile", tmp_path)
    model: dict[bytes, bytes] = {}
    for action, key, value in steps:
        if action == "store":
            model[key] = value
            db.store(key, value)
        else:
            model.pop(key, None)
            db.delete(key)
    assert dict(db.traverse_read()) == model
    assert db.check() == []
    db.close()


def test_files_are_private_and_volatile_ones_start_empty(tmp_path: Path) -> None:
    path = tmp_path / "v.tdb"
    for _ in range(2):
        db = open_tdb(str(path), lock_order=1)
        assert list(db.traverse_read()) == []
        db.store(b"k", b"v")
        db.close()
    assert path.stat().st_mode & 0o777 == 0o600


def test_persistent_ones_do_not(tmp_path: Path) -> None:
    for expected in (None, b"v"):
        db = open_tdb(str(tmp_path / "p.tdb"), lock_order=0, persistent=True)
        assert db.parse(b"k") == expected
        db.store(b"k", b"v")
        db.close()


def test_a_database_is_open_once_per_process(tmp_path: Path) -> None:
    path = str(tmp_path / "v.tdb")
    db = open_tdb(path, lock_order=1)
    assert open_tdb(path, lock_order=1) is db
    assert db in open_databases()
    with pytest.raises(DbError, match="other properties"):
        open_tdb(path, lock_order=2)
    db.close()
    db.store(b"k", b"v")
    db.close()
    assert db not in open_databases()


def test_a_closed_database_is_refused_not_crashed_into(db: Db, tmp_path: Path) -> None:
    closed = open_tdb(str(tmp_path / "closed.tdb"), lock_order=1)
    closed.close()
    for action in (
        lambda: closed.fetch_locked(b"k"),
        lambda: closed.parse(b"k"),
        lambda: closed.store(b"k", b"v"),
        closed.traverse_read,
        closed.check,
    ):
        with pytest.raises(DbError):
            action()


def test_reading_without_a_server(tmp_path: Path) -> None:
    path = tmp_path / "v.tdb"
    with pytest.raises(DbError, match="cannot open"):
        open_tdb(str(path), lock_order=1, read_only=True)
    with pytest.raises(DbError, match="cannot open"):
        open_tdb(str(path), lock_order=1, create=False)
    db = open_tdb(str(path), lock_order=1)
    db.store(b"k", b"v")
    db.close()
    reader = open_tdb(str(path), lock_order=1, read_only=True)
    assert dict(reader.traverse_read()) == {b"k": b"v"}
    with pytest.raises(DbError):
        reader.store(b"k", b"w")
    reader.close()


def test_no_fork_with_a_lock_held(tmp_path: Path) -> None:
    db = open_tdb(str(tmp_path / "v.tdb"), lock_order=1)
    with db.fetch_locked(b"k"), pytest.raises(DbError, match="forked while"):
        reopen_all()
    db.close()


def test_locks_that_do_not_lock_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    db = open_tdb(str(tmp_path / "v.tdb"), lock_order=1)
    libtdb.prove_locks(db.file.database, db.file.handle, "v.tdb")
    monkeypatch.setattr(libtdb, "chainlock", lambda *_: 0)
    monkeypatch.setattr(libtdb, "chainunlock", lambda *_: 0)
    with pytest.raises(DbError, match="do not work"):
        libtdb.prove_locks(db.file.database, db.file.handle, "v.tdb")
    db.close()


def test_a_damaged_file_is_found(tmp_path: Path) -> None:
    path = tmp_path / "p.tdb"
    db = open_tdb(str(path), lock_order=0, persistent=True)
    db.store(b"key", b"value" * 10)
    db.close()
    data = bytearray(path.read_bytes())
    at = data.index(b"keyvalue")
    data[at - 12] ^= 0x55  # the stored hash of the record
    path.write_bytes(data)
    db = open_tdb(str(path), lock_order=0, persistent=True)
    assert db.check() != []
    db.close()
