"""One smbXsrv global database: 32-bit id -> record, shared by all processes."""

from __future__ import annotations

import logging
import os
import struct
from collections.abc import Callable, Iterator
from typing import Final, Generic, TypeVar

from messaging.dbwrap.base import Db
from messaging.records import RecordCodec, RecordError

T = TypeVar("T")

_log = logging.getLogger(__name__)

MAX_ID: Final = 0xFFFFFFFE
_KEY_LENGTH: Final = 4


class TableFull(Exception):  # noqa: N818 - a state, like queue.Full
    """No free id was found."""


_ID: Final = struct.Struct("=256I")
_random_ids: Final[list[int]] = []
"""Drawn in advance: one system call for many."""
os.register_at_fork(after_in_child=_random_ids.clear)


def random_id() -> int:
    """Draw an id; whether it is free `GlobalTable.insert` tells."""
    while not _random_ids:
        drawn = _ID.unpack(os.urandom(_ID.size))
        if min(drawn) > 0 and max(drawn) <= MAX_ID:
            _random_ids.extend(drawn)
    return _random_ids.pop()


def key_of(global_id: int) -> bytes:
    """Return the key of a 32-bit id: big-endian, so that dumps sort by it."""
    return global_id.to_bytes(_KEY_LENGTH, "big")


class GlobalTable(Generic[T]):
    """The records of one kind of object.

    Ids are random: a client cannot guess another's, and processes rarely meet. Each operation locks exactly one record.
    """

    def __init__(self, db: Db, codec: RecordCodec[T]) -> None:
        self.db = db
        self._codec = codec

    def free_id(self) -> int:
        """Return an id that is free now; somebody else may take it."""
        while True:
            global_id = random_id()
            if self.db.parse(key_of(global_id)) is None:
                return global_id

    def allocate(self, make: Callable[[int], T], wanted: int = 0) -> tuple[int, T]:
        """Store ``make(id)`` under a free id and return both.

        Args:
            make: may be called again if somebody else takes the id.
            wanted: the id if it is free; 0 for any.

        Raises:
            TableFull: a long row of random ids were all taken.
        """
        for _ in range(100):
            global_id = wanted or random_id()
            made = make(global_id)
            if self.insert(global_id, made):
                return global_id, made
            wanted = 0
        raise TableFull(self.db.name)

    def insert(self, global_id: int, record: T) -> bool:
        """Store the first record of `global_id`; False, and nothing is changed, if there is one."""
        return self.db.insert(key_of(global_id), self._codec.encode(record))

    def get(self, global_id: int) -> T | None:
        """Return the record of `global_id`, None if there is none or it cannot be read."""
        value = self.db.parse(key_of(global_id))
        return None if value is None else self._decode(value)

    def store(self, global_id: int, record: T) -> None:
        """Write the record of `global_id`."""
        self.db.store(key_of(global_id), self._codec.encode(record))

    def remove(self, global_id: int) -> None:
        """Delete the record of `global_id`; harmless when there is none."""
        self.db.delete(key_of(global_id))

    def update(self, global_id: int, change: Callable[[T], T | None]) -> None:
        """Replace the record of `global_id` by ``change(record)``, or delete it if that is None, under its lock."""
        with self.db.fetch_locked(key_of(global_id)) as locked:
            if locked.value is None:
                return
            record = self._decode(locked.value)
            changed = None if record is None else change(record)
            if changed is None:
                locked.delete()
            else:
                locked.store(self._codec.encode(changed))

    def items(self) -> Iterator[tuple[int, T]]:
        """Iterate over all records; for tools and clean-up, never for a request."""
        for key, value in self.db.traverse_read():
            record = self._decode(value)
            if len(key) == _KEY_LENGTH and record is not None:
                yield int.from_bytes(key, "big"), record

    def _decode(self, value: bytes) -> T | None:
        try:
            return self._codec.decode(value)
        except RecordError as error:
            _log.error("%s: %s", self.db.name, error)
            return None
