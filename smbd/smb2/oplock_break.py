"""OPLOCK_BREAK acknowledgments ([MS-SMB2] 3.3.5.22)."""

from __future__ import annotations

from smbd.smb2 import persistence
from smbd.smb2.request import AsyncResult, Request, Result
from smbd.wire.oplock_break import (
    LeaseBreakAcknowledgment,
    LeaseBreakResponse,
    OplockBreakAcknowledgment,
    OplockBreakResponse,
    unpack_break_acknowledgment,
)
from vfs.locking.oplock import OPLOCK_LEASE, OPLOCK_LEVEL_II, OPLOCK_NONE
from vfs.ntstatus import (
    STATUS_INVALID_OPLOCK_PROTOCOL,
    STATUS_INVALID_PARAMETER,
    NTStatusError,
)


def handle(request: Request) -> Result | AsyncResult:
    """Take the client's answer to a break.

    Raises:
        NTStatusError: STATUS_FILE_CLOSED, STATUS_INVALID_PARAMETER, STATUS_INVALID_OPLOCK_PROTOCOL for oplocks;
            STATUS_OBJECT_NAME_NOT_FOUND, STATUS_UNSUCCESSFUL,
            STATUS_REQUEST_NOT_ACCEPTED for leases.
    """
    response = _acknowledged(request)
    if persistence.is_unsettled(request.connection.ctx):
        return persistence.after_disk(request.connection.ctx, response)
    return response


def _acknowledged(request: Request) -> bytes:
    message = unpack_break_acknowledgment(request.pdu)
    if isinstance(message, LeaseBreakAcknowledgment):
        breaks = request.connection.client.breaks
        breaks.acknowledged_lease(message.lease_key, message.lease_state)
        return LeaseBreakResponse(message.lease_key, message.lease_state).pack()
    return _oplock(request, message)


def _oplock(request: Request, message: OplockBreakAcknowledgment) -> bytes:
    """[MS-SMB2] 3.3.5.22.1: a wrong answer costs the oplock."""
    opened = request.open(message.file_id_persistent, message.file_id_volatile)
    oplock = opened.file.oplock if opened.file is not None else None
    if oplock is None or oplock.breaking_to is None:
        # DEVIATION: the specification says STATUS_INVALID_DEVICE_STATE, Windows and Samba answer this.
        raise NTStatusError(STATUS_INVALID_OPLOCK_PROTOCOL, "no break in progress")
    breaks = request.connection.client.breaks
    level = message.oplock_level
    if level not in {OPLOCK_LEVEL_II, OPLOCK_NONE}:
        breaks.acknowledged(opened, OPLOCK_NONE)
        raise NTStatusError(
            STATUS_INVALID_PARAMETER if level == OPLOCK_LEASE else STATUS_INVALID_OPLOCK_PROTOCOL,
            f"an oplock is not broken to {level}",
        )
    level = min(level, oplock.breaking_to)
    breaks.acknowledged(opened, level)
    return OplockBreakResponse(opened.persistent_id, opened.volatile_id, level).pack()
