"""leases.tdb: ClientGuid and LeaseKey -> lease. Its locks are taken inside those of locking.tdb, never around them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from functools import partial
from types import TracebackType
from typing import Final

from messaging.dbwrap.base import Db, Record
from messaging.records import RecordError
from vfs.locking.lease import LEASE_CODEC, LeaseFile, LeaseRecord, lower

_log = logging.getLogger(__name__)

_GUID_LENGTH: Final = 16
_KEY_LENGTH: Final = 32
_COUNT_LENGTH: Final = 4
_DIRECTORIES: Final = b"directories"
"""Key of the number of leases on directories. A killed process leaves it too high, which costs time only."""


def _without(expected: bytes, stored: bytes) -> bytes | None:
    """Return what is left of the lease `stored` on files without that of `expected`: nothing, if that is the only one.

    Else None.
    """
    lease = LEASE_CODEC.decode(stored)
    gone = LEASE_CODEC.decode(expected).files[0].file_id
    return b"" if not lease.directory and all(file.file_id == gone for file in lease.files) else None


class LeaseLock:
    """One lease, locked; a context manager.

    Attributes:
        lease: None if there is no such lease. What it is changed to is stored on leaving, unless by an exception;
            it is deleted when it is on no file any more.
    """

    __slots__ = ("_record", "lease")

    def __init__(self, record: Record) -> None:
        self._record = record
        self.lease: LeaseRecord | None = None

    def __enter__(self) -> LeaseLock:
        stored = self._record.value
        if stored is not None:
            try:
                self.lease = LEASE_CODEC.decode(stored)
            except BaseException:
                self._record.release()
                raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None and self.lease is not None:
                if self.lease.files:
                    self._record.store(LEASE_CODEC.encode(self.lease))
                elif self._record.value is not None:
                    self._record.delete()
        finally:
            self._record.release()


class LeaseDb:
    """The leases of all clients.

    Args:
        db: leases.tdb, or its in-memory twin.

    Attributes:
        any_directories: true if there is a lease on any directory: only then has a request that changes one to look.
    """

    __slots__ = ("_db", "_parse", "any_directories")

    def __init__(self, db: Db) -> None:
        self._db = db
        self._parse = db.parse
        self.any_directories: Callable[[], bytes | None] = partial(db.parse, _DIRECTORIES)

    def get(self, client_guid: bytes, lease_key: bytes) -> LeaseRecord | None:
        """Return a lease as it is now, without locking."""
        parse = self._parse
        stored = parse(client_guid + lease_key)
        return None if stored is None else LEASE_CODEC.decode(stored)

    def lock(self, client_guid: bytes, lease_key: bytes) -> LeaseLock:
        """Return a lease, locked inside a ``with`` block."""
        return LeaseLock(self._db.fetch_locked(client_guid + lease_key))

    def insert(self, client_guid: bytes, lease_key: bytes, stored: bytes) -> bool:
        """Store a new lease, encoded; False if there is one with that key."""
        return self._db.insert(client_guid + lease_key, stored)

    def end(self, client_guid: bytes, lease_key: bytes, stored: bytes) -> bool:
        """Remove a lease whose last open goes; False if that is not all.

        Args:
            client_guid: of the client.
            lease_key: of the lease.
            stored: the lease as it was stored, on the one file, which it most likely still is.
        """
        return self._db.delete_if(client_guid + lease_key, stored, None, _without)

    def forget_file(self, client_guid: bytes, lease_key: bytes, file_id: bytes) -> None:
        """Note that no open of the file has a share in the lease any more; it ends with its last file."""
        with self.lock(client_guid, lease_key) as locked:
            lease = locked.lease
            if lease is None:
                return
            lease.files = [file for file in lease.files if file.file_id != file_id]
            ended = not lease.files and lease.directory
        if ended:
            self.count_directories(-1)

    def lower(self, client_guid: bytes, lease_key: bytes, state: int) -> None:
        """Take away what a client that cannot be asked may cache beyond `state`."""
        with self.lock(client_guid, lease_key) as locked:
            if locked.lease is not None:
                lower(locked.lease, state)

    def rename(self, client_guid: bytes, lease_key: bytes, file_id: bytes, path: bytes) -> None:
        """Change the name that the lease knows a file by."""
        with self.lock(client_guid, lease_key) as locked:
            if locked.lease is not None:
                locked.lease.files = [
                    LeaseFile(file_id, path) if file.file_id == file_id else file for file in locked.lease.files
                ]

    def count_directories(self, change: int) -> None:
        """Note that a lease on a directory came or went."""
        with self._db.fetch_locked(_DIRECTORIES) as record:
            count = change + (0 if record.value is None else int.from_bytes(record.value[1:], "little"))
            if count > 0:
                record.store(b"\x01" + count.to_bytes(_COUNT_LENGTH, "little"))
            elif record.value is not None:
                record.delete()

    def traverse(self) -> Iterator[tuple[bytes, bytes, LeaseRecord]]:
        """Yield ClientGuid, LeaseKey and lease of all, lock-free; records of another version are logged."""
        for key, value in self._db.traverse_read():
            if len(key) != _KEY_LENGTH:
                continue
            try:
                yield key[:_GUID_LENGTH], key[_GUID_LENGTH:], LEASE_CODEC.decode(value)
            except RecordError as error:
                _log.error("%s: %s", self._db.name, error)
