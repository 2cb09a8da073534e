"""Byte-range locks: [MS-FSA] 2.1.5.8 (lock), 2.1.5.9 (unlock) and the check of reads and writes, 2.1.4.10.

A volume without `byte_locks` (`locking = no`) grants every lock and keeps none.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple

from messaging.server_id import DISCONNECTED
from vfs.access import FILE_APPEND_DATA, FILE_EXECUTE, FILE_READ_DATA, FILE_WRITE_DATA
from vfs.fsa import stream_hold
from vfs.locking import brlock_posix
from vfs.locking.breaks import contend_level2
from vfs.locking.brlock import ByteRangeLock, LockOwner, is_valid_range
from vfs.ntstatus import (
    STATUS_FILE_CLOSED,
    STATUS_FILE_LOCK_CONFLICT,
    STATUS_INVALID_LOCK_RANGE,
    STATUS_INVALID_PARAMETER,
    STATUS_LOCK_NOT_GRANTED,
    STATUS_RANGE_NOT_LOCKED,
    NTStatusError,
    from_oserror,
)

if TYPE_CHECKING:
    from vfs.fsa.file_object import FileObject

_DATA: Final = FILE_READ_DATA | FILE_WRITE_DATA | FILE_APPEND_DATA | FILE_EXECUTE
_NO_MIRROR: Final = -1


class LockRange(NamedTuple):
    """A range to lock or unlock; `exclusive` matters for locking only."""

    start: int
    length: int
    exclusive: bool = False


def lock(fo: FileObject, ranges: Sequence[LockRange]) -> None:
    """Lock all `ranges` at once, or none.

    Raises:
        NTStatusError: STATUS_LOCK_NOT_GRANTED, STATUS_INVALID_LOCK_RANGE, STATUS_INVALID_PARAMETER (directory),
            STATUS_ACCESS_DENIED (an open that may not touch the data), STATUS_FILE_DELETED (the stream went).
    """
    _check(fo, ranges)
    byte_locks = fo.volume.byte_locks
    if byte_locks is None:
        return
    contend_level2(fo)  # who has locks to respect may not read from a cache
    try:
        refused = byte_locks.lock(fo.file_id, owner_of(fo), _wanted(fo, ranges), _mirror_fd(fo))
    except OSError as error:
        raise from_oserror(error, "lock") from None
    if refused is not None:
        raise NTStatusError(STATUS_LOCK_NOT_GRANTED, f"held by {refused.blocker or 'a local program'}")
    fo.lock_count += len(ranges)
    _check_stream_stayed(fo)


async def wait_for_lock(fo: FileObject, wanted: LockRange) -> None:
    """Lock `wanted` as soon as nobody else's locks forbid it.

    Raises:
        NTStatusError: as `lock`; STATUS_RANGE_NOT_LOCKED if the file is closed meanwhile, and whatever the wait is
            given up with.
    """
    _check(fo, (wanted,))
    byte_locks = fo.volume.byte_locks
    if byte_locks is None:
        return

    def check() -> None:
        if fo.closed:
            raise NTStatusError(STATUS_RANGE_NOT_LOCKED, "closed while it waited")
        if fo.stream is not None and not fo.stream.hold.is_there():
            raise stream_hold.gone()

    contend_level2(fo)
    (entry,) = _wanted(fo, (wanted,))
    try:
        await byte_locks.wait_for(fo.file_id, owner_of(fo), entry, _mirror_fd(fo), check)
    except OSError as error:
        raise from_oserror(error, "lock") from None
    except NTStatusError:
        check()
        raise
    fo.lock_count += 1
    _check_stream_stayed(fo)


def unlock(fo: FileObject, ranges: Sequence[LockRange]) -> None:
    """Unlock exactly these ranges, one after the other; what was unlocked before an error stays so.

    Raises:
        NTStatusError: STATUS_RANGE_NOT_LOCKED, STATUS_INVALID_LOCK_RANGE, STATUS_INVALID_PARAMETER (directory).
    """
    if fo.is_directory:
        raise NTStatusError(STATUS_INVALID_PARAMETER, "lock of a directory")
    byte_locks = fo.volume.byte_locks
    if byte_locks is None:
        return
    valid = []
    for start, length, _ in ranges:
        if not is_valid_range(start, length):
            break
        valid.append((start, length))
    try:
        done = byte_locks.unlock(fo.file_id, owner_of(fo), valid, _mirror_fd(fo)) if fo.lock_count else 0
    except OSError as error:
        raise from_oserror(error, "unlock") from None
    fo.lock_count -= done
    if done < len(valid):
        raise NTStatusError(STATUS_RANGE_NOT_LOCKED, "no such lock")
    if done < len(ranges):
        raise NTStatusError(STATUS_INVALID_LOCK_RANGE, "beyond 64 bits")


def unlock_all(fo: FileObject) -> None:
    """Give back what is left of an open's locks: it is being closed ([MS-FSA] 2.1.5.5)."""
    byte_locks = fo.volume.byte_locks
    if byte_locks is None:
        return
    fo.lock_count = 0
    if fo.volume.options.posix_locking and fo.stream is None:
        # Closing would do, but whoever waits is woken before that.
        with suppress(OSError):
            brlock_posix.release_all(fo.fd)
    byte_locks.remove_open(fo.file_id, owner_of(fo))


def check_access(fo: FileObject, start: int, length: int, *, write: bool) -> None:
    """Refuse to read or write what others have locked ([MS-FSA] 2.1.5.3, 2.1.5.4); not for empty ranges.

    Raises:
        NTStatusError: STATUS_FILE_LOCK_CONFLICT.
    """
    byte_locks = fo.volume.checked_locks
    if byte_locks is None:
        return
    raw = byte_locks.parse(fo.key)
    if raw is not None and byte_locks.access_conflict(raw, owner_of(fo), start, length, write=write) is not None:
        raise NTStatusError(STATUS_FILE_LOCK_CONFLICT, "locked")


def owner_of(fo: FileObject) -> LockOwner:
    """Return the identity under which an open holds its locks: a persistent handle's do not fall with its process."""
    if fo.handle_id:
        return LockOwner(DISCONNECTED, fo.handle_id)
    owner = fo.owner
    return LockOwner(owner.server_id, owner.open_id)


def _check_stream_stayed(fo: FileObject) -> None:
    """Give back what was just locked if the stream went: the locks would be on that which has its name now."""
    if fo.stream is not None and not fo.stream.hold.is_there():
        unlock_all(fo)
        raise stream_hold.gone()


def _check(fo: FileObject, ranges: Sequence[LockRange]) -> None:
    if fo.closed:
        raise NTStatusError(STATUS_FILE_CLOSED, "closed")
    if fo.is_directory:
        raise NTStatusError(STATUS_INVALID_PARAMETER, "lock of a directory")
    fo.require_any(_DATA)
    for start, length, _ in ranges:
        if not is_valid_range(start, length):
            raise NTStatusError(STATUS_INVALID_LOCK_RANGE, "beyond 64 bits")


def _wanted(fo: FileObject, ranges: Sequence[LockRange]) -> list[ByteRangeLock]:
    server_id, open_id = owner_of(fo)
    return [ByteRangeLock(server_id, open_id, start, length, exclusive) for start, length, exclusive in ranges]


def _mirror_fd(fo: FileObject) -> int:
    mirrored = fo.volume.options.posix_locking and not fo.path_only and fo.stream is None
    return fo.fd if mirrored else _NO_MIRROR
