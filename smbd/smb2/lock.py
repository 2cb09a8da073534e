"""LOCK ([MS-SMB2] 3.3.5.14)."""

from __future__ import annotations

from smbd.smb2.request import Request
from smbd.wire.lock import LockRequest
from vfs.ntstatus import STATUS_INVALID_PARAMETER, STATUS_NOT_SUPPORTED, NTStatusError


def handle(request: Request) -> bytes:
    """Refuse: the object store offers no byte-range locks.

    Raises:
        NTStatusError: STATUS_INVALID_PARAMETER without elements, else STATUS_NOT_SUPPORTED.
    """
    message = LockRequest.unpack(request.pdu)
    request.open(message.file_id_persistent, message.file_id_volatile)
    if not message.locks:
        raise NTStatusError(STATUS_INVALID_PARAMETER, "no lock elements")
    raise NTStatusError(STATUS_NOT_SUPPORTED, "byte-range locks")
