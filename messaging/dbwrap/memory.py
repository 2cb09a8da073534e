"""A database in the memory of one process: the twin of the TDB ones for unit tests.

It keeps their rules (lock order, no use after unlock, one transaction at a time), so that a test fails
where the real database would dead-lock.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from messaging.dbwrap import base
from messaging.dbwrap.base import DbError, PersistentDb, Record, Statistics


class MemoryDb(PersistentDb):
    """Records in a dict; see `messaging.dbwrap.base.Db` and `PersistentDb`."""

    def __init__(self, name: str = "memory", lock_order: int = 1) -> None:
        self.name = name
        self.lock_order = lock_order
        self.records: dict[bytes, bytes] = {}
        self._in_transaction = False

    def parse(self, key: bytes) -> bytes | None:  # noqa: D102 - inherited
        return self.records.get(key)

    def fetch_locked(self, key: bytes) -> MemoryRecord:  # noqa: D102 - inherited
        base.check_lock_order(self)
        base.held.append(self)
        return MemoryRecord(self, key)

    def store(self, key: bytes, value: bytes) -> None:  # noqa: D102 - inherited
        base.check_lock_order(self)
        self.records[key] = bytes(value)

    def delete(self, key: bytes) -> None:  # noqa: D102 - inherited
        base.check_lock_order(self)
        self.records.pop(key, None)

    def traverse_read(self) -> Iterator[tuple[bytes, bytes]]:  # noqa: D102 - inherited
        base.check_lock_order(self)
        return iter(list(self.records.items()))

    def check(self) -> list[str]:  # noqa: D102 - inherited
        return []

    def statistics(self) -> Statistics:  # noqa: D102 - inherited
        return {
            "name": self.name,
            "records": len(self.records),
            "bytes": sum(len(key) + len(value) for key, value in self.records.items()),
        }

    def close(self) -> None:  # noqa: D102 - inherited
        self.records.clear()

    @contextmanager
    def transaction(self) -> Iterator[None]:  # noqa: D102 - inherited
        if self._in_transaction:
            raise DbError(f"{self.name}: transactions do not nest")
        base.check_lock_order(self)
        before = dict(self.records)
        self._in_transaction = True
        try:
            yield
        except BaseException:
            self.records.clear()
            self.records.update(before)
            raise
        finally:
            self._in_transaction = False


class MemoryRecord(Record):
    """A locked record of a `MemoryDb`."""

    __slots__ = ("_db",)

    def __init__(self, db: MemoryDb, key: bytes) -> None:
        self._db: MemoryDb | None = db
        self.key = key
        self.value = db.records.get(key)

    def _locked_db(self) -> MemoryDb:
        if self._db is None:
            raise DbError(f"record {self.key.hex()} is not locked any more")
        return self._db

    def store(self, value: bytes) -> None:  # noqa: D102 - inherited
        self._locked_db().records[self.key] = self.value = bytes(value)

    def delete(self) -> None:  # noqa: D102 - inherited
        self._locked_db().records.pop(self.key, None)
        self.value = None

    def release(self) -> None:  # noqa: D102 - inherited
        db, self._db = self._db, None
        if db is not None:
            base.unlocked(db)
