"""OPLOCK_BREAK acknowledgements ([MS-SMB2] 3.3.5.22)."""

from __future__ import annotations

from smbd.smb2.request import Request
from smbd.wire.oplock_break import LeaseBreakAcknowledgment, unpack_break_acknowledgment
from vfs.ntstatus import STATUS_INVALID_DEVICE_STATE, STATUS_OBJECT_NAME_NOT_FOUND, NTStatusError


def handle(request: Request) -> bytes:
    """Refuse: no oplock and no lease was granted, so none can be breaking.

    Raises:
        NTStatusError: STATUS_OBJECT_NAME_NOT_FOUND for a lease, STATUS_INVALID_DEVICE_STATE for an oplock.
    """
    message = unpack_break_acknowledgment(request.pdu)
    if isinstance(message, LeaseBreakAcknowledgment):
        raise NTStatusError(STATUS_OBJECT_NAME_NOT_FOUND, "no such lease")
    request.open(message.file_id_persistent, message.file_id_volatile)
    raise NTStatusError(STATUS_INVALID_DEVICE_STATE, "no break in progress")
