"""Byte-range locks: what brlock.tdb stores of a file, and when ranges exclude each other ([MS-FSA] 2.1.4.10).

Nothing here knows a database or a process: records in, answers out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import msgspec

from messaging.records import RecordCodec
from messaging.server_id import ServerId

OFFSET_LIMIT: Final = 1 << 64
"""Locks may cover bytes that no file can have: all offsets of 64 bits."""


class LockOwner(NamedTuple):
    """Who holds a lock: one open of one process, as the share modes name it.

    A durable handle whose client is away keeps its locks under the server id `DISCONNECTED` and the number of its
    persistent id.
    """

    server_id: ServerId
    open_id: int


class ByteRangeLock(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One lock of one open.

    Attributes:
        open_id: number of the open, unique within `server_id`.
        length: may be 0: such a lock excludes nothing at its borders, but what reaches across it.
    """

    server_id: ServerId
    open_id: int
    start: int
    length: int
    exclusive: bool

    def is_of(self, owner: LockOwner) -> bool:
        """Tell whether `owner` holds it."""
        return self.open_id == owner.open_id and self.server_id == owner.server_id

    def overlaps(self, start: int, length: int) -> bool:
        """Tell whether it has anything in common with a range.

        By the specification's arithmetic of last bytes, which makes an empty range overlap what it lies inside of.
        """
        return start < self.start + self.length and self.start < start + length


class ByteRangeLockRecord(msgspec.Struct, array_like=True):
    """All locks on one file, oldest first."""

    locks: list[ByteRangeLock]


BRLOCK_RECORD_VERSION: Final = 1
BRLOCK_CODEC: Final = RecordCodec(ByteRangeLockRecord, BRLOCK_RECORD_VERSION, "brlock")


def is_valid_range(start: int, length: int) -> bool:
    """Tell whether all bytes of a range have a 64-bit offset ([MS-FSA] 2.1.5.8)."""
    return start + length <= OFFSET_LIMIT


def lock_conflict(locks: Iterable[ByteRangeLock], wanted: ByteRangeLock) -> ByteRangeLock | None:
    """Return a lock that keeps `wanted` from being taken, None if it may be.

    An exclusive lock excludes all others, but its owner may put shared ones on top of it. A shared one excludes
    exclusive ones, the owner's too.
    """
    start = wanted.start
    end = start + wanted.length
    exclusive = wanted.exclusive
    for lock in locks:
        if (
            lock.start < end  # as in `overlaps`, without a call: there may be thousands
            and start < lock.start + lock.length
            and (lock.exclusive or exclusive)
            and (exclusive or lock.open_id != wanted.open_id or lock.server_id != wanted.server_id)
        ):
            return lock
    return None


def access_conflict(
    locks: Iterable[ByteRangeLock], owner: LockOwner, start: int, length: int, *, write: bool
) -> ByteRangeLock | None:
    """Return a lock that forbids `owner` to read or write a range, None if he may.

    The owner of an exclusive lock may do both in it; a shared one forbids writing to everybody.
    """
    end = start + length
    for lock in locks:
        if (
            lock.start < end
            and start < lock.start + lock.length
            and (not lock.is_of(owner) if lock.exclusive else write)
        ):
            return lock
    return None


def find_to_unlock(locks: Sequence[ByteRangeLock], owner: LockOwner, start: int, length: int) -> int | None:
    """Return the index of the lock that an unlock of exactly this range removes ([MS-FSA] 2.1.5.9).

    The exclusive one if there is one, else the last of the shared ones.
    """
    found = None
    for index, lock in enumerate(locks):
        if lock.start == start and lock.length == length and lock.is_of(owner):
            found = index
            if lock.exclusive:
                break
    return found
