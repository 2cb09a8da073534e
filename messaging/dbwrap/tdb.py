"""Databases in TDB files: the volatile kind, and `open_tdb` for both kinds.

A volatile database holds the claims of living processes and is emptied by the first process that opens it.
Its record locks are robust process-shared mutexes in the mapped file: lock, read, write and unlock cost
under a microsecond and no system call, and the lock of a killed process falls to the next who wants it.
"""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Final, Literal, overload

import tdb

from messaging.dbwrap import base, libtdb
from messaging.dbwrap.base import Db, DbError, IfAlso, Otherwise, Record
from messaging.dbwrap.persistent import PersistentTdbDb
from messaging.dbwrap.tdb_file import TdbBase, TdbFile, registry

VOLATILE_HASH_SIZE: Final = 10007
"""Chains of a volatile database. A chain is the unit of locking: with few, strangers wait for each other."""

PERSISTENT_HASH_SIZE: Final = 1009

# VOLATILE: what is deleted stays in its chain, marked dead, for the next record there. So neither takes the lock of the
# list of free space, which all processes share, nor the two system calls by which a deletion excludes traversals.
_VOLATILE_FLAGS: Final = (
    tdb.CLEAR_IF_FIRST | tdb.INCOMPATIBLE_HASH | tdb.NOSYNC | tdb.VOLATILE | libtdb.MUTEX_LOCKING
)

_chainlock = libtdb.chainlock
_chainunlock = libtdb.chainunlock
_SIZES: Final = libtdb.SIZES
_SIZES_KNOWN: Final = len(_SIZES)
_held = base.held

_locks_proven = False  # inherited by forked children: what holds for the parent holds for them


class TdbDb(TdbBase):
    """A volatile database with a lock per record; see `messaging.dbwrap.base.Db`."""

    def __init__(self, file: TdbFile) -> None:
        super().__init__(file)
        self._store = file.database.store
        self._delete = file.database.delete

    def _lock(self, key: bytes) -> ctypes.c_size_t:
        """Lock the chain of `key` and return the length of that as the library takes it."""
        if _held and _held[-1].lock_order >= self.lock_order:
            base.raise_lock_order(self)
        length = len(key)
        size = _SIZES[length] if length < _SIZES_KNOWN else ctypes.c_size_t(length)
        handle = self.handle
        if handle is None:
            raise DbError(f"{self.name} is closed")
        if _chainlock(handle, key, size):
            raise DbError(f"{self.name}: cannot lock: {libtdb.error_text(handle)}")
        return size

    def fetch_locked(self, key: bytes) -> TdbRecord:  # noqa: D102 - inherited
        size = self._lock(key)
        _held.append(self)
        try:
            return TdbRecord(self, key, size, self._get(key))
        except RuntimeError as error:
            _chainunlock(self.handle, key, size)
            base.unlocked(self)
            raise DbError(f"{self.name}: cannot read: {error}") from error

    def store(self, key: bytes, value: bytes) -> None:  # noqa: D102 - inherited
        base.check_lock_order(self)
        self.write(key, value)

    def delete(self, key: bytes) -> None:  # noqa: D102 - inherited
        base.check_lock_order(self)
        self.remove(key)

    def insert(  # noqa: D102 - inherited
        self, key: bytes, value: bytes, if_also: IfAlso | None = None, otherwise: Otherwise | None = None
    ) -> bool:
        if if_also is None:
            if _held:
                base.check_lock_order(self)
            try:
                self._store(key, value, tdb.INSERT)
            except RuntimeError as error:
                if error.args[0] != libtdb.ERR_EXISTS:
                    raise DbError(f"{self.name}: cannot store: {error}") from error
                if otherwise is None:
                    return False
            else:
                return True
        size = self._lock(key)
        _held.append(self)
        try:
            stored = self._get(key)
            if stored is not None:
                changed = None if otherwise is None else otherwise(value, stored)
            else:
                changed = value if if_also is None or if_also() else None
            if changed is None:
                return False
            self._store(key, changed)
        except RuntimeError as error:
            raise DbError(f"{self.name}: cannot store: {error}") from error
        finally:
            _chainunlock(self.handle, key, size)
            base.unlocked(self)
        return True

    def delete_if(  # noqa: D102 - inherited
        self, key: bytes, value: bytes, if_also: IfAlso | None = None, otherwise: Otherwise | None = None
    ) -> bool:
        size = self._lock(key)
        try:
            get = self._get
            stored = get(key)
            if stored == value and if_also is None:
                delete = self._delete
                delete(key)  # nobody else is called meanwhile, who would have to be told of the lock
                return True
            _held.append(self)
            if stored == value:
                rest = b"" if if_also is None or if_also() else None
            else:
                rest = None if otherwise is None or stored is None else otherwise(value, stored)
            if rest is None:
                return False
            if rest:
                self._store(key, rest)
            else:
                self._delete(key)
        except RuntimeError as error:
            raise DbError(f"{self.name}: cannot delete: {error}") from error
        finally:
            _chainunlock(self.handle, key, size)
            if _held and _held[-1] is self:
                base.unlocked(self)
        return True

    def write(self, key: bytes, value: bytes) -> None:
        """Store without a check of the lock order; for the locked record."""
        try:
            self._store(key, value)
        except RuntimeError as error:
            raise DbError(f"{self.name}: cannot store: {error}") from error

    def remove(self, key: bytes) -> None:
        """Delete without a check of the lock order; for the locked record."""
        try:
            self._delete(key)
        except RuntimeError as error:
            if self._get(key) is not None:  # to delete what is not there is no error
                raise DbError(f"{self.name}: cannot delete: {error}") from error


class TdbRecord(Record):
    """A locked record of a `TdbDb`. Several of these are made for each open of a file: no calls to spare."""

    __slots__ = ("_db", "_size")

    def __init__(self, db: TdbDb, key: bytes, size: ctypes.c_size_t, value: bytes | None) -> None:
        self._db: TdbDb | None = db
        self._size = size
        self.key = key
        self.value = value

    def store(self, value: bytes) -> None:  # noqa: D102 - inherited
        if self._db is None:
            raise DbError(f"record {self.key.hex()} is not locked any more")
        self._db.write(self.key, value)
        self.value = value

    def delete(self) -> None:  # noqa: D102 - inherited
        if self._db is None:
            raise DbError(f"record {self.key.hex()} is not locked any more")
        if self.value is not None:
            self._db.remove(self.key)
            self.value = None

    def release(self, *_: object) -> None:  # noqa: D102 - inherited
        db = self._db
        if db is not None:
            self._db = None
            _chainunlock(db.handle, self.key, self._size)
            if _held[-1] is db:
                _held.pop()
            else:
                _held.remove(db)
            if not _held and base.deferred:
                base.run_deferred()

    __exit__ = release


@overload
def open_tdb(
    path: str,
    *,
    lock_order: int,
    hash_size: int = 0,
    persistent: Literal[False] = False,
    read_only: bool = False,
    create: bool = True,
) -> TdbDb: ...


@overload
def open_tdb(
    path: str,
    *,
    lock_order: int,
    hash_size: int = 0,
    persistent: Literal[True],
    read_only: bool = False,
    create: bool = True,
) -> PersistentTdbDb: ...


@overload
def open_tdb(
    path: str,
    *,
    lock_order: int,
    hash_size: int = 0,
    persistent: bool,
    read_only: bool = False,
    create: bool = True,
) -> TdbDb | PersistentTdbDb: ...


def open_tdb(
    path: str,
    *,
    lock_order: int,
    hash_size: int = 0,
    persistent: bool = False,
    read_only: bool = False,
    create: bool = True,
) -> TdbDb | PersistentTdbDb:
    """Open a database, or return the one that is open in this process.

    Args:
        path: the file; created with mode 0600. Its directory must exist.
        lock_order: see `messaging.dbwrap.base.Db`; 0 for databases locked only by themselves.
        hash_size: number of chains, 0 for the default of the kind.
        persistent: keep the content for ever and change it by transactions only.
        read_only: for status tools: no locks, no changes, must exist.
        create: make the file if it is missing.

    Raises:
        DbError: if it cannot be opened, is open otherwise, or record locks do not work on this machine.
    """
    path = str(Path(path).absolute())
    known = registry.get(path)
    if known is not None:
        return _share(known, lock_order=lock_order, persistent=persistent, read_only=read_only)
    file = TdbFile(
        path,
        lock_order=lock_order,
        hash_size=hash_size or (PERSISTENT_HASH_SIZE if persistent else VOLATILE_HASH_SIZE),
        tdb_flags=tdb.DISALLOW_NESTING if persistent else _VOLATILE_FLAGS,
        read_only=read_only,
        create=create,
    )
    db = PersistentTdbDb(file) if persistent else TdbDb(file)
    registry[path] = db
    if not (persistent or read_only):
        try:
            _prove_locks_once(file)
        except BaseException:
            db.close()
            raise
    return db


def _share(known: Db, *, lock_order: int, persistent: bool, read_only: bool) -> TdbDb | PersistentTdbDb:
    if not isinstance(known, (TdbDb, PersistentTdbDb)):
        raise DbError(f"{known.name} is open as something else")
    if (
        known.lock_order != lock_order
        or isinstance(known, PersistentTdbDb) != persistent
        or (known.file.read_only and not read_only)
    ):
        raise DbError(f"{known.name} is open already, with other properties")
    known.file.references += 1
    return known


def _prove_locks_once(file: TdbFile) -> None:
    global _locks_proven  # noqa: PLW0603 - a fact about the machine, not state of an object
    if not _locks_proven:
        libtdb.prove_locks(file.database, file.handle, file.path)
        _locks_proven = True


def reopen_all() -> None:
    """Make all databases inherited over a fork the child's own: the first thing a child does with them.

    Raises:
        DbError: if one cannot be reopened, or if the parent forked with a record locked.
    """
    if base.held:
        names = ", ".join(db.name for db in base.held)
        raise DbError(f"forked while records of {names} were locked")
    for db in registry.values():
        if isinstance(db, TdbBase):
            db.file.reopen()


def open_databases() -> list[Db]:
    """List the databases that this process has open, for statistics and checks."""
    return list(registry.values())
