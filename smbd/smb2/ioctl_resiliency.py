"""FSCTL_LMR_REQUEST_RESILIENCY ([MS-SMB2] 3.3.5.15.9): the open is to survive the loss of its connection."""

from __future__ import annotations

from typing import Final

from smbd.smb2.ioctl_request import IoctlCall, IoctlOutput
from smbd.wire.constants import SMB2_DIALECT_202
from smbd.wire.fsctl import NetworkResiliencyRequest
from vfs.fsa import durable
from vfs.ntstatus import (
    STATUS_INVALID_DEVICE_REQUEST,
    STATUS_INVALID_PARAMETER,
    STATUS_NOT_SUPPORTED,
    NTStatusError,
)

DEFAULT_TIMEOUT_MS: Final = 120_000
"""What a client gets that leaves it to the server; Windows' value."""
MAX_TIMEOUT_MS: Final = 300_000
"""MaxResiliencyTimeout ([MS-SMB2] 3.3.1.5)."""
_MS_PER_S: Final = 1000


def request_resiliency(call: IoctlCall) -> IoctlOutput:
    """Make the open resilient.

    Raises:
        NTStatusError: STATUS_INVALID_DEVICE_REQUEST on 2.0.2, STATUS_INVALID_PARAMETER for a short buffer or a
            longer time than the server gives, STATUS_NOT_SUPPORTED for what cannot survive: a pipe, a directory, a
            stream, a file that goes with its last close, anything on a share without durable handles.
    """
    opened = call.open()
    if call.request.connection.dialect == SMB2_DIALECT_202:
        raise NTStatusError(STATUS_INVALID_DEVICE_REQUEST, "no resilient handles in SMB 2.0.2")
    data = call.message.input_data
    if len(data) < NetworkResiliencyRequest.layout.size:
        raise NTStatusError(STATUS_INVALID_PARAMETER, "buffer too small")
    timeout = NetworkResiliencyRequest.unpack(data).timeout
    if timeout // _MS_PER_S > MAX_TIMEOUT_MS // _MS_PER_S:
        raise NTStatusError(STATUS_INVALID_PARAMETER, f"{timeout} ms are too long")
    file = opened.file
    if file is None or not file.can_stay:
        raise NTStatusError(STATUS_NOT_SUPPORTED, "not a file that can survive its connection")
    durable.make_resilient(file)
    opened.make_resilient(timeout or DEFAULT_TIMEOUT_MS)
    return IoctlOutput()
