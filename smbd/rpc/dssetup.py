"""The Directory Services Setup Remote Protocol ([MS-DSSP]): whether the server belongs to a domain. It does not.

Windows asks this, on the pipe of lsarpc, before it shows names of users and groups.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from smbd.rpc.errors import ERROR_INVALID_PARAMETER, ERROR_SUCCESS
from smbd.rpc.ndr import NdrReader, NdrWriter
from smbd.rpc.pdu import SyntaxId
from smbd.rpc.service import Call, Service

# DSROLE_PRIMARY_DOMAIN_INFO_LEVEL ([MS-DSSP] 2.2.5).
_BASIC: Final = 1
_UPGRADE: Final = 2
_OPERATION_STATE: Final = 3
#: DsRole_RoleStandaloneServer ([MS-DSSP] 2.2.2).
_STANDALONE_SERVER: Final = 2
_NULL_GUID: Final = bytes(16)


def get_primary_domain_information(call: Call, reader: NdrReader, writer: NdrWriter) -> None:
    """DsRolerGetPrimaryDomainInformation ([MS-DSSP] 3.2.5.1)."""
    level = reader.u16()
    if level not in {_BASIC, _UPGRADE, _OPERATION_STATE}:
        writer.parameter(None)
        writer.u32(ERROR_INVALID_PARAMETER)
        return
    writer.parameter(partial(_write_information, call, writer, level))
    writer.u32(ERROR_SUCCESS)


def _write_information(call: Call, writer: NdrWriter, level: int) -> None:
    writer.u16(level)
    writer.align(4)
    if level == _UPGRADE:
        # Not upgrading: no state and an unknown former role.
        writer.u32(0)
        writer.u16(0)
    elif level == _OPERATION_STATE:
        writer.u16(0)
    else:
        writer.u16(_STANDALONE_SERVER)
        writer.u32(0)
        writer.string_pointer(call.context.config.globals.workgroup.upper())
        writer.string_pointer(None)
        writer.string_pointer(None)
        writer.raw(_NULL_GUID)


SERVICE: Final = Service(
    "dssetup",
    SyntaxId.of("3919286a-b10c-11d0-9ba8-00c04fd92ef5", 0),
    {0: get_primary_domain_information},
)
