"""The one interface to a shared database that the rest of the server sees.

A record is locked, looked at, changed and unlocked, in microseconds: no file I/O, no message and no wait
while a record lock is held. Several locks may be held at once only in the order of their databases
(`Db.lock_order`, low ones first), which is checked at run time, always: a violation is a deadlock that has
not happened yet.

The interface is kept so small that a clustered database can stand behind it. There, a record may first have
to migrate from another node, so `Db.parse` can be as dear as `Db.fetch_locked`; iteration visits all nodes;
and the content of a volatile database outlives neither its openers nor, safely, a failed node. Hence every
entry names its owner, and readers drop entries whose owner is gone.

Databases belong to the main thread: locks are the process's, not the thread's.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, Final, TypeAlias

_log = logging.getLogger(__name__)

LOCK_ORDER_NONE: Final = 0
"""Order of databases whose records are locked only while no other record is."""

Statistics: TypeAlias = dict[str, Any]

IfAlso: TypeAlias = Callable[[], bool]
"""Has the last word on a change, while the record is locked."""

Otherwise: TypeAlias = Callable[[bytes, bytes], bytes | None]
"""Makes of the value that was to be there, and of what is, what is stored in its place; None to leave it."""


class DbError(Exception):
    """The database failed: damaged file, full disk, lost lock."""


class LockOrderError(DbError):
    """A record was to be locked while one of the same or a higher order was locked: a bug of the caller."""


class Record(ABC):
    """One locked record; leaving its ``with`` block unlocks it.

    Attributes:
        key: the key.
        value: what is stored now, None if there is no such record. Follows `store` and `delete`.
    """

    __slots__ = ("key", "value")

    key: bytes
    value: bytes | None

    @abstractmethod
    def store(self, value: bytes) -> None:
        """Replace the value.

        Raises:
            DbError: if it cannot be stored or the record is not locked any more.
        """

    @abstractmethod
    def delete(self) -> None:
        """Remove the record, if it exists.

        Raises:
            DbError: if it cannot be removed or the record is not locked any more.
        """

    @abstractmethod
    def release(self) -> None:
        """Unlock; the record cannot be changed any more. A second call has no effect."""

    def __enter__(self) -> Any:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


class Db(ABC):
    """A database: keys and values are bytes, each record has a lock.

    Attributes:
        name: for messages and statistics.
        lock_order: place of its record locks in the order of locking.
    """

    name: str
    lock_order: int

    @abstractmethod
    def parse(self, key: bytes) -> bytes | None:
        """Return the value as of now without locking the record; None if there is none.

        Raises:
            DbError: if the database is damaged.
        """

    @abstractmethod
    def fetch_locked(self, key: bytes) -> Record:
        """Lock the record of `key`, which need not exist, waiting for other holders; use with ``with``.

        Raises:
            LockOrderError: if a record of the same or a higher order is locked by this process.
            DbError: if it cannot be locked.
        """

    @abstractmethod
    def store(self, key: bytes, value: bytes) -> None:
        """Store without regard to the old value (takes and releases the lock).

        Raises:
            LockOrderError, DbError: as `fetch_locked`.
        """

    @abstractmethod
    def delete(self, key: bytes) -> None:
        """Remove the record, if it exists (takes and releases the lock).

        Raises:
            LockOrderError, DbError: as `fetch_locked`.
        """

    def insert(
        self, key: bytes, value: bytes, if_also: IfAlso | None = None, otherwise: Otherwise | None = None
    ) -> bool:
        """Store a record that does not exist yet; False, and nothing is changed, if it does.

        Args:
            key: of the record.
            value: what to store.
            if_also: has the last word, and may change what goes with the record, while that is locked.
            otherwise: makes of `value` and a record that does exist what is stored in its place; None to leave it.

        Raises:
            LockOrderError, DbError: as `fetch_locked`.
        """
        with self.fetch_locked(key) as record:
            if record.value is not None:
                return _replace(record, value, otherwise)
            if if_also is not None and not if_also():
                return False
            record.store(value)
        return True

    def delete_if(
        self, key: bytes, value: bytes, if_also: IfAlso | None = None, otherwise: Otherwise | None = None
    ) -> bool:
        """Remove a record if `value` is what it holds; False, and nothing is changed, if not.

        Args:
            key: of the record.
            value: what is expected.
            if_also: as for `insert`.
            otherwise: likewise; a record in whose place nothing (empty bytes) is stored is removed.

        Raises:
            LockOrderError, DbError: as `fetch_locked`.
        """
        with self.fetch_locked(key) as record:
            if record.value != value:
                return _replace(record, value, otherwise)
            if if_also is not None and not if_also():
                return False
            record.delete()
        return True

    @abstractmethod
    def traverse_read(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield all records as they were at some moment of the call; others may change them meanwhile.

        Nothing is locked when an item is yielded: to change a record, lock it and look again. Not for hot
        paths.

        Raises:
            LockOrderError, DbError: as `fetch_locked`.
        """

    @abstractmethod
    def check(self) -> list[str]:
        """Verify the structure of the database and return the problems found (none: an empty list)."""

    @abstractmethod
    def statistics(self) -> Statistics:
        """Return figures for status tools. Visits every record."""

    @abstractmethod
    def close(self) -> None:
        """Give the database back."""


def _replace(record: Record, value: bytes, otherwise: Otherwise | None) -> bool:
    changed = None if otherwise is None or record.value is None else otherwise(value, record.value)
    if changed is None:
        return False
    if changed:
        record.store(changed)
    else:
        record.delete()
    return True


class PersistentDb(Db):
    """A database that survives restarts; it changes only in transactions, all or nothing.

    `fetch_locked`, `store` and `delete` outside of `transaction` are each a transaction of their own.
    """

    @abstractmethod
    def transaction(self) -> AbstractContextManager[None]:
        """Do everything in the ``with`` block or, if it raises, nothing of it. They do not nest.

        Raises:
            LockOrderError: if record locks of the same or a higher order are held.
            DbError: if the transaction cannot be started or committed.
        """


# The locks that this process holds, lowest order first. Databases append and remove themselves; plain lists
# and no calls, because each open of a file passes here several times.
held: Final[list[Db]] = []
deferred: Final[list[Callable[[], None]]] = []


def check_lock_order(db: Db) -> None:
    """Refuse a lock on a record of `db` that is against the order.

    Raises:
        LockOrderError: if a record of the same or a higher order is locked.
    """
    if held and held[-1].lock_order >= db.lock_order:
        raise_lock_order(db)


def raise_lock_order(db: Db) -> None:
    """Raise the `LockOrderError` that tells what is held."""
    locks = ", ".join(f"{other.name}({other.lock_order})" for other in held)
    raise LockOrderError(f"{db.name}({db.lock_order}) must not be locked while holding {locks}")


def unlocked(db: Db) -> None:
    """Note that a record of `db` has been unlocked; runs what waits for the last lock to go."""
    if held[-1] is db:
        held.pop()
    else:
        held.remove(db)
    if deferred and not held:
        run_deferred()


def when_unlocked(callback: Callable[[], None]) -> None:
    """Call `callback` as soon as this process holds no record lock, at once if it holds none."""
    deferred.append(callback)
    if not held:
        run_deferred()


def run_deferred() -> None:
    """Run the callbacks of `when_unlocked`; what they raise is logged, it is not the unlocker's fault."""
    while deferred and not held:
        callback = deferred.pop(0)
        try:
            callback()
        except Exception:  # noqa: BLE001 - whatever it is, the record is unlocked already
            _log.exception("action after unlocking failed")
