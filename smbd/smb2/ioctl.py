"""IOCTL ([MS-SMB2] 3.3.5.15): one table from control code to what answers it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

from smbd.smb2 import ioctl_file, ioctl_network, ioctl_pipe, ioctl_resiliency
from smbd.smb2.credits import check_charge
from smbd.smb2.ioctl_request import IoctlCall, IoctlOutput
from smbd.smb2.request import AsyncResult, Reply, Request, Result
from smbd.wire.constants import (
    FSCTL_DFS_GET_REFERRALS,
    FSCTL_DFS_GET_REFERRALS_EX,
    FSCTL_LMR_REQUEST_RESILIENCY,
    FSCTL_PIPE_PEEK,
    FSCTL_PIPE_TRANSCEIVE,
    FSCTL_PIPE_WAIT,
    FSCTL_QUERY_NETWORK_INTERFACE_INFO,
    FSCTL_VALIDATE_NEGOTIATE_INFO,
    SMB2_0_IOCTL_IS_FSCTL,
    SMB2_RELATED_FILE_ID,
)
from smbd.wire.ioctl import IoctlRequest, IoctlResponse
from vfs.ntstatus import (
    STATUS_INVALID_PARAMETER,
    STATUS_NOT_SUPPORTED,
    NTStatusError,
)

Handler: TypeAlias = Callable[[IoctlCall], IoctlOutput]

_HANDLERS: Final[dict[int, Handler]] = {
    FSCTL_VALIDATE_NEGOTIATE_INFO: ioctl_network.validate_negotiate_info,
    FSCTL_QUERY_NETWORK_INTERFACE_INFO: ioctl_network.query_network_interface_info,
    FSCTL_DFS_GET_REFERRALS: ioctl_network.dfs_get_referrals,
    FSCTL_DFS_GET_REFERRALS_EX: ioctl_network.dfs_get_referrals,
    FSCTL_PIPE_TRANSCEIVE: ioctl_pipe.transceive,
    FSCTL_PIPE_WAIT: ioctl_pipe.wait,
    FSCTL_PIPE_PEEK: ioctl_pipe.peek,
    FSCTL_LMR_REQUEST_RESILIENCY: ioctl_resiliency.request_resiliency,
}
_WITHOUT_FILE: Final = frozenset(
    {
        FSCTL_DFS_GET_REFERRALS,
        FSCTL_DFS_GET_REFERRALS_EX,
        FSCTL_PIPE_WAIT,
        FSCTL_QUERY_NETWORK_INTERFACE_INFO,
        FSCTL_VALIDATE_NEGOTIATE_INFO,
    }
)
"""Those that are about no file."""
_NO_FILE_ID: Final = (SMB2_RELATED_FILE_ID, SMB2_RELATED_FILE_ID)


def handle(request: Request) -> Result | AsyncResult:
    """Answer a control code.

    Raises:
        NTStatusError: STATUS_INVALID_PARAMETER for buffers that are too large and for a file where none belongs,
            STATUS_NOT_SUPPORTED without the FSCTL flag, STATUS_INVALID_DEVICE_REQUEST for a code that the object does
            not know.
    """
    message = IoctlRequest.unpack(request.pdu)
    largest = max(len(message.input_data), message.max_input_response + message.max_output_response)
    check_charge(request, largest)
    limit = request.connection.max_transact
    if max(len(message.input_data), message.max_input_response, message.max_output_response) > limit:
        raise NTStatusError(STATUS_INVALID_PARAMETER, "buffer too large")
    if message.flags != SMB2_0_IOCTL_IS_FSCTL:
        raise NTStatusError(STATUS_NOT_SUPPORTED, "not an FSCTL")
    file_id = message.file_id_persistent, message.file_id_volatile
    if message.ctl_code in _WITHOUT_FILE and file_id != _NO_FILE_ID:
        raise NTStatusError(STATUS_INVALID_PARAMETER, "a file for what is about none")
    handler = _HANDLERS.get(message.ctl_code, ioctl_file.control)
    output = handler(IoctlCall(request, message))
    body = IoctlResponse(
        message.ctl_code,
        message.file_id_persistent,
        message.file_id_volatile,
        output.data,
    ).pack()
    return Reply(body, output.status)
