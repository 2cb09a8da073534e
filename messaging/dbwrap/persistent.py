"""Persistent TDB databases: accounts, names, secrets. Crash-safe: they change by transactions only."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from messaging.dbwrap import base
from messaging.dbwrap.base import DbError, PersistentDb, Record
from messaging.dbwrap.tdb_file import TdbBase, TdbFile


class PersistentTdbDb(TdbBase, PersistentDb):
    """A database that survives restarts; see `messaging.dbwrap.base.PersistentDb`."""

    def __init__(self, file: TdbFile) -> None:
        super().__init__(file)
        self._in_transaction = False

    @contextmanager
    def transaction(self) -> Iterator[None]:  # noqa: D102 - inherited
        self._begin()
        try:
            yield
        except BaseException:
            self._cancel()
            raise
        self._commit()

    def fetch_locked(self, key: bytes) -> PersistentRecord:  # noqa: D102 - inherited
        own = not self._in_transaction
        if own:
            self._begin()
        try:
            return PersistentRecord(self, key, self.parse(key), own_transaction=own)
        except BaseException:
            if own:
                self._cancel()
            raise

    def store(self, key: bytes, value: bytes) -> None:  # noqa: D102 - inherited
        with self.fetch_locked(key) as record:
            record.store(value)

    def delete(self, key: bytes) -> None:  # noqa: D102 - inherited
        with self.fetch_locked(key) as record:
            record.delete()

    def traverse_read(self) -> Iterator[tuple[bytes, bytes]]:  # noqa: D102 - inherited
        if not self._in_transaction:
            return super().traverse_read()
        # Inside of a transaction the database counts as held by ourselves.
        base.held.remove(self)
        try:
            return super().traverse_read()
        finally:
            base.held.append(self)

    def _begin(self) -> None:
        if self._in_transaction:
            raise DbError(f"{self.name}: transactions do not nest")
        base.check_lock_order(self)
        try:
            self.file.database.transaction_start()
        except RuntimeError as error:
            raise DbError(f"{self.name}: cannot start a transaction: {error}") from error
        self._in_transaction = True
        base.held.append(self)

    def _commit(self) -> None:
        try:
            self.file.database.transaction_commit()
        except RuntimeError as error:
            raise DbError(f"{self.name}: cannot commit: {error}") from error
        finally:
            self._ended()

    def _cancel(self) -> None:
        try:
            self.file.database.transaction_cancel()
        except RuntimeError as error:
            raise DbError(f"{self.name}: cannot cancel a transaction: {error}") from error
        finally:
            self._ended()

    def _ended(self) -> None:
        self._in_transaction = False
        base.unlocked(self)

    def _write(self, key: bytes, value: bytes | None) -> None:
        try:
            if value is None:
                self.file.database.delete(key)
            else:
                self.file.database.store(key, value)
        except RuntimeError as error:
            raise DbError(f"{self.name}: cannot write: {error}") from error


class PersistentRecord(Record):
    """A record in a transaction, its own or the one it was fetched in."""

    __slots__ = ("_db", "_own_transaction")

    def __init__(
        self, db: PersistentTdbDb, key: bytes, value: bytes | None, *, own_transaction: bool
    ) -> None:
        self._db: PersistentTdbDb | None = db
        self._own_transaction = own_transaction
        self.key = key
        self.value = value

    def _set(self, value: bytes | None) -> None:
        if self._db is None:
            raise DbError(f"record {self.key.hex()} is not locked any more")
        if value != self.value:
            self._db._write(self.key, value)  # noqa: SLF001 - one unit
            self.value = value

    def store(self, value: bytes) -> None:  # noqa: D102 - inherited
        self._set(value)

    def delete(self) -> None:  # noqa: D102 - inherited
        self._set(None)

    def release(self) -> None:
        """End the record's own transaction: what was stored stays."""
        self._end(commit=True)

    def _end(self, *, commit: bool) -> None:
        db, self._db = self._db, None
        if db is not None and self._own_transaction:
            if commit:
                db._commit()  # noqa: SLF001 - one unit
            else:
                db._cancel()  # noqa: SLF001 - one unit

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self._end(commit=kind is None)
