"""CHANGE_NOTIFY ([MS-SMB2] 3.3.5.19)."""

from __future__ import annotations

from smbd.smb2.credits import check_charge
from smbd.smb2.request import Request
from smbd.wire.change_notify import ChangeNotifyRequest
from vfs.ntstatus import STATUS_INVALID_PARAMETER, STATUS_NOT_SUPPORTED, NTStatusError


def handle(request: Request) -> bytes:
    """Refuse: the object store offers no change notification ([MS-SMB2] 3.3.5.19 names the status).

    Raises:
        NTStatusError: STATUS_INVALID_PARAMETER for a file or a buffer that is too large, else STATUS_NOT_SUPPORTED.
    """
    message = ChangeNotifyRequest.unpack(request.pdu)
    check_charge(request, message.output_buffer_length)
    if message.output_buffer_length > request.connection.max_transact:
        raise NTStatusError(STATUS_INVALID_PARAMETER, "buffer too large")
    opened = request.open(message.file_id_persistent, message.file_id_volatile)
    if opened.file is None or not opened.file.is_directory:
        raise NTStatusError(STATUS_INVALID_PARAMETER, "not a directory")
    raise NTStatusError(STATUS_NOT_SUPPORTED, "change notification")
