"""LOCK ([MS-SMB2] 3.3.5.14): lock and unlock ranges of a file.

A request either locks or unlocks, its first element decides. Only a request for a single lock may wait.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from smbd.smb2 import persistence
from smbd.smb2.request import AsyncResult, Request, Result
from smbd.wire.constants import (
    SMB2_DIALECT_210,
    SMB2_GLOBAL_CAP_MULTI_CHANNEL,
    SMB2_LOCKFLAG_EXCLUSIVE_LOCK,
    SMB2_LOCKFLAG_FAIL_IMMEDIATELY,
    SMB2_LOCKFLAG_SHARED_LOCK,
    SMB2_LOCKFLAG_UNLOCK,
)
from smbd.wire.lock import LockElement, LockRequest, LockResponse
from smbd.xsrv.open import Open
from vfs.fsa import lock
from vfs.fsa.file_object import FileObject
from vfs.fsa.lock import LockRange
from vfs.ntstatus import STATUS_INVALID_PARAMETER, NTStatusError

#: Flags of an element that locks, [MS-SMB2] 2.2.26.1 -> (exclusive, may wait).
_LOCKING: Final = {
    SMB2_LOCKFLAG_SHARED_LOCK: (False, True),
    SMB2_LOCKFLAG_EXCLUSIVE_LOCK: (True, True),
    SMB2_LOCKFLAG_SHARED_LOCK | SMB2_LOCKFLAG_FAIL_IMMEDIATELY: (False, False),
    SMB2_LOCKFLAG_EXCLUSIVE_LOCK | SMB2_LOCKFLAG_FAIL_IMMEDIATELY: (True, False),
}
#: Extent of Open.LockSequenceArray; its first index is 1.
_MAX_SEQUENCE_INDEX: Final = 64
_RESPONSE: Final = LockResponse().pack()


def handle(request: Request) -> Result | AsyncResult:
    """Lock or unlock.

    Raises:
        NTStatusError: STATUS_INVALID_PARAMETER, STATUS_LOCK_NOT_GRANTED, STATUS_RANGE_NOT_LOCKED,
            STATUS_INVALID_LOCK_RANGE, STATUS_ACCESS_DENIED.
    """
    message = LockRequest.unpack(request.pdu)
    opened = request.open(message.file_id_persistent, message.file_id_volatile)
    file = opened.file
    if file is None or not message.locks:
        raise NTStatusError(STATUS_INVALID_PARAMETER, "a pipe, or no lock elements")
    index = message.lock_sequence_index if _is_verified(request, opened) else 0
    if 0 < index <= _MAX_SEQUENCE_INDEX:
        # The entry counts again when this request has succeeded.
        if opened.lock_sequence.pop(index, None) == message.lock_sequence_number:
            opened.lock_sequence[index] = message.lock_sequence_number
            return _RESPONSE
    else:
        index = 0
    elements = message.locks
    if elements[0].flags == SMB2_LOCKFLAG_UNLOCK:
        try:
            _unlock(file, elements)
        finally:
            if opened.persistent:
                opened.locks_changed()  # some may be unlocked even if another could not be
    else:
        waits = _check_locks(elements)
        if waits and request.tcon is not None and request.tcon.share.blocking_locks:
            return _wait(request, opened, file, elements[0], (index, message.lock_sequence_number))
        _lock(file, elements)
    response = _succeed(opened, index, message.lock_sequence_number)
    return _keep(opened, elements) if opened.persistent else response


def _is_verified(request: Request, opened: Open) -> bool:
    """Tell whether a repeated request is recognised by its sequence number."""
    connection = request.connection
    if connection.dialect < SMB2_DIALECT_210 or connection.ctx.config.globals.smb2_disable_lock_sequence_checking:
        return False
    several_channels = connection.capabilities & SMB2_GLOBAL_CAP_MULTI_CHANNEL  # a client of 3.x
    return bool(several_channels) or opened.survives


def _succeed(opened: Open, index: int, number: int) -> bytes:
    if index:
        opened.lock_sequence[index] = number
    return _RESPONSE


async def _keep(opened: Open, elements: Sequence[LockElement]) -> bytes:
    """Answer when the change of a persistent handle's locks is on disk; if that fails, nothing stays locked by it.

    Raises:
        NTStatusError: the disk fails, or the request was given up.
    """
    opened.locks_changed()
    try:
        await persistence.settle(opened.session.client.ctx)
    except NTStatusError:
        if elements[0].flags != SMB2_LOCKFLAG_UNLOCK and opened.file is not None and not opened.file.closed:
            lock.unlock(opened.file, [LockRange(one.offset, one.length) for one in elements])
            opened.lock_sequence.clear()
            opened.locks_changed()
        raise
    return _RESPONSE


def _unlock(file: FileObject, elements: Sequence[LockElement]) -> None:
    """[MS-SMB2] 3.3.5.14.1: what stands before a wrong element is unlocked all the same."""
    ranges: list[LockRange] = []
    for element in elements:
        if element.flags != SMB2_LOCKFLAG_UNLOCK:
            break
        ranges.append(LockRange(element.offset, element.length))
    lock.unlock(file, ranges)
    if len(ranges) < len(elements):
        raise NTStatusError(STATUS_INVALID_PARAMETER, "not an unlock")


def _check_locks(elements: Sequence[LockElement]) -> bool:
    """Check the flags of a request that locks ([MS-SMB2] 3.3.5.14.2) and return whether it may wait."""
    waits = False
    for element in elements:
        kind = _LOCKING.get(element.flags)
        if kind is None:
            raise NTStatusError(STATUS_INVALID_PARAMETER, "no such combination of flags")
        waits = waits or kind[1]
    if waits and len(elements) > 1:
        raise NTStatusError(STATUS_INVALID_PARAMETER, "only a single lock can be waited for")
    return waits


def _range(element: LockElement) -> LockRange:
    return LockRange(element.offset, element.length, _LOCKING[element.flags][0])


def _lock(file: FileObject, elements: Sequence[LockElement]) -> None:
    lock.lock(file, [_range(element) for element in elements])


async def _wait(
    request: Request, opened: Open, file: FileObject, element: LockElement, sequence: tuple[int, int]
) -> bytes:
    request.waits_on = opened
    await lock.wait_for_lock(file, _range(element))
    response = _succeed(opened, *sequence)
    return await _keep(opened, (element,)) if opened.persistent else response
