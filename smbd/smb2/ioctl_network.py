"""Control codes about the connection and the server, not about a file."""

from __future__ import annotations

from typing import Final

from smbd.config.interface_entries import RDMA, RSS
from smbd.config.interfaces import served_interfaces
from smbd.smb2.ioctl_request import IoctlCall, IoctlOutput
from smbd.smb2.request import ProtocolViolation
from smbd.wire.constants import RDMA_CAPABLE, RSS_CAPABLE, SMB2_DIALECT_311, SMB2_GLOBAL_CAP_MULTI_CHANNEL
from smbd.wire.errors import WireError
from smbd.wire.fsctl import (
    NetworkInterface,
    ValidateNegotiateInfoRequest,
    ValidateNegotiateInfoResponse,
    pack_network_interfaces,
)
from vfs.ntstatus import (
    STATUS_BUFFER_TOO_SMALL,
    STATUS_NOT_FOUND,
    STATUS_NOT_SUPPORTED,
    NTStatusError,
)

_CAPABILITIES: Final = {RSS: RSS_CAPABLE, RDMA: RDMA_CAPABLE}


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
            connection.capabilities, connection.ctx.server_guid, connection.security_mode, connection.dialect
        ).pack()
    )


def query_network_interface_info(call: IoctlCall) -> IoctlOutput:
    """Tell the client by which addresses it can open further connections ([MS-SMB2] 3.3.5.15.11).

    Raises:
        NTStatusError: STATUS_NOT_SUPPORTED on a connection without multi-channel, STATUS_BUFFER_TOO_SMALL.
    """
    connection = call.request.connection
    if not connection.capabilities & SMB2_GLOBAL_CAP_MULTI_CHANNEL:
        raise NTStatusError(STATUS_NOT_SUPPORTED, "no multi-channel on this connection")
    output = pack_network_interfaces(
        NetworkInterface(
            one.address,
            one.if_index,
            sum(_CAPABILITIES[name] for name in one.capabilities),
            one.speed,
        )
        for one in served_interfaces(connection.ctx.config.globals.interfaces)
        if one.if_index
    )
    if len(output) > call.message.max_output_response:
        raise NTStatusError(STATUS_BUFFER_TOO_SMALL)
    return IoctlOutput(output)


def dfs_get_referrals(_call: IoctlCall) -> IoctlOutput:
    """Refuse: there is no DFS namespace here ([MS-SMB2] 3.3.5.15.2).

    Raises:
        NTStatusError: STATUS_NOT_FOUND.
    """
    raise NTStatusError(STATUS_NOT_FOUND, "no DFS here")


