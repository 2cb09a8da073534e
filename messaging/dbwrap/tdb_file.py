"""What volatile and persistent TDB databases have in common: the file, the registry of the process, reading.

libtdb refuses to open a file twice in one process, and each inherited handle must be reopened after a fork;
so there is one registry, and opening a database again gives the one that is open.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import tdb

from messaging.dbwrap import base, libtdb
from messaging.dbwrap.base import Db, DbError, Statistics

MODE: Final = 0o600


class TdbFile:
    """An open TDB file; see `messaging.dbwrap.tdb.open_tdb`."""

    def __init__(
        self, path: str, *, lock_order: int, hash_size: int, tdb_flags: int, read_only: bool, create: bool
    ) -> None:
        self.path = path
        self.name = Path(path).name
        self.lock_order = lock_order
        self.tdb_flags = tdb_flags
        self.read_only = read_only
        self.references = 1
        access = os.O_RDONLY if read_only else os.O_RDWR | (os.O_CREAT if create else 0)
        try:
            self.database: Any = tdb.Tdb(path, hash_size, tdb_flags, access, MODE)
        except OSError as error:
            raise DbError(f"cannot open {path}: {error.strerror or error}") from error
        self.handle = libtdb.handle_of(self.database, path)

    def reopen(self) -> None:
        """Make the handle inherited over a fork the child's own.

        Raises:
            DbError: if the file cannot be opened again.
        """
        try:
            self.database.reopen()
        except (RuntimeError, OSError) as error:
            raise DbError(f"cannot reopen {self.path} after fork: {error}") from error

    def close(self) -> bool:
        """Close the file when its last user has closed it; whether that is so now."""
        self.references -= 1
        if self.references == 0:
            registry.pop(self.path, None)
            self.database.close()
        return self.references <= 0


registry: Final[dict[str, Db]] = {}
"""Open databases of this process by absolute path."""


class TdbBase(Db):
    """Reading, checking and closing, the same for every kind of TDB."""

    def __init__(self, file: TdbFile) -> None:
        self.file = file
        self.name = file.name
        self.lock_order = file.lock_order
        self.handle: ctypes.c_void_p | None = file.handle
        self._get = file.database.get

    def parse(self, key: bytes) -> bytes | None:  # noqa: D102 - inherited
        get = self._get
        try:
            value: bytes | None = get(key)
        except RuntimeError as error:
            raise DbError(f"{self.name}: cannot read: {error}") from error
        return value

    def open_handle(self) -> ctypes.c_void_p:
        """Return the C handle; the library would crash on that of a closed database.

        Raises:
            DbError: if the database is closed.
        """
        if self.handle is None:
            raise DbError(f"{self.name} is closed")
        return self.handle

    def traverse_read(self) -> Iterator[tuple[bytes, bytes]]:  # noqa: D102 - inherited
        base.check_lock_order(self)
        try:
            return iter(libtdb.read_all(self.open_handle()))
        except DbError as error:
            raise DbError(f"{self.name}: {error}") from error

    def check(self) -> list[str]:  # noqa: D102 - inherited
        base.check_lock_order(self)
        handle = self.open_handle()
        if libtdb.structure_is_sound(handle):
            return []
        return [f"{self.name}: damaged: {libtdb.error_text(handle)}"]

    def statistics(self) -> Statistics:  # noqa: D102 - inherited
        records = payload = longest = 0
        for key, value in self.traverse_read():
            records += 1
            payload += len(key) + len(value)
            longest = max(longest, len(value))
        return {
            "name": self.name,
            "path": self.file.path,
            "lock_order": self.lock_order,
            "records": records,
            "bytes": payload,
            "longest_value": longest,
            "file_size": Path(self.file.path).stat().st_size,
            "hash_size": self.file.database.hash_size,
        }

    def close(self) -> None:  # noqa: D102 - inherited
        if self.file.close():
            self.handle = None
