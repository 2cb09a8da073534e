"""Control codes about the connection and the server, not about a file."""

from __future__ import annotations

from smbd.smb2.ioctl_request import IoctlCall, IoctlOutput
from smbd.smb2.request import ProtocolViolation
from smbd.wire.constants import SMB2_DIALECT_311
from smbd.wire.errors import WireError
from smbd.wire.fsctl import ValidateNegotiateInfoRequest, ValidateNegotiateInfoResponse
from vfs.ntstatus import (
    STATUS_BUFFER_TOO_SMALL,
    STATUS_NOT_FOUND,
    NTStatusError,
)


def validate_negotiate_info(call: IoctlCall) -> IoctlOutput:
    """Confirm to the client that nobody changed its NEGOTIATE ([MS-SMB2] 3.3.5.15.12).

    Raises:
        ProtocolViolation: somebody did: the connection is ended without an answer.
            STATUS_BUFFER_TOO_SMALL.
    """
    connection = call.request.connection
    if connection.dialect == SMB2_DIALECT_311:
        raise ProtocolViolation("VALIDATE_NEGOTIATE_INFO with dialect 3.1.1")
    try:
        info = ValidateNegotiateInfoRequest.unpack(call.message.input_data)
    except WireError as error:
        raise ProtocolViolation(f"VALIDATE_NEGOTIATE_INFO: {error}") from error
    if call.message.max_output_response < ValidateNegotiateInfoResponse.layout.size:
        raise NTStatusError(STATUS_BUFFER_TOO_SMALL)
    sent = (
        connection.client_capabilities,
        connection.client_guid,
        connection.client_security_mode,
        connection.client_dialects,
    )
    if (info.capabilities, bytes(info.guid), info.security_mode, info.dialects) != sent:
        raise ProtocolViolation("the NEGOTIATE that the client sent is not what arrived")
    return IoctlOutput(
        ValidateNegotiateInfoResponse(
            connection.capabilities, connection.server_guid, connection.security_mode, connection.dialect
        ).pack()
    )


def dfs_get_referrals(_call: IoctlCall) -> IoctlOutput:
    """Refuse: there is no DFS namespace here ([MS-SMB2] 3.3.5.15.2).

    Raises:
        NTStatusError: STATUS_NOT_FOUND.
    """
    raise NTStatusError(STATUS_NOT_FOUND, "no DFS here")


