"""Opening, closing and asking the policy object ([MS-LSAD] 3.1.4.4, [MS-LSAT] 3.1.4.2 to 3.1.4.4)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from smbd.rpc.handles import NULL_HANDLE
from smbd.rpc.lsarpc.policy_handle import (
    POLICY_VIEW_LOCAL_INFORMATION,
    open_policy_object,
    read_policy_handle,
    require,
)
from smbd.rpc.ndr import NdrError, NdrReader, NdrWriter
from smbd.rpc.service import Call
from vfs.ntstatus import STATUS_INVALID_PARAMETER, STATUS_SUCCESS, NTStatusError

# POLICY_INFORMATION_CLASS ([MS-LSAD] 2.2.4.1).
_PRIMARY_DOMAIN: Final = 3
_ACCOUNT_DOMAIN: Final = 5
_SERVER_ROLE: Final = 6
_DNS_DOMAIN: Final = 12
#: PolicyServerRolePrimary ([MS-LSAD] 2.2.4.8).
_ROLE_PRIMARY: Final = 3
_NULL_GUID: Final = bytes(16)

#: Size of SECURITY_QUALITY_OF_SERVICE behind its length field ([MS-LSAD] 2.2.3.7).
_QUALITY_OF_SERVICE_REST: Final = 4
_REVISION_INFO_1: Final = 1


def open_policy(call: Call, reader: NdrReader, writer: NdrWriter) -> None:
    """LsarOpenPolicy: the system name is a single character, which nobody looks at."""
    if reader.pointer():
        reader.u16()
    _open(call, reader, writer)


def open_policy2(call: Call, reader: NdrReader, writer: NdrWriter) -> None:
    """LsarOpenPolicy2."""
    reader.optional_string()
    _open(call, reader, writer)


def _open(call: Call, reader: NdrReader, writer: NdrWriter) -> None:
    handle, status = NULL_HANDLE, STATUS_SUCCESS
    try:
        _read_object_attributes(reader)
        handle = call.handles.open(open_policy_object(call, reader.u32()))
    except NTStatusError as error:
        status = error.status
    writer.raw(handle)
    writer.u32(status)


def open_policy3(call: Call, reader: NdrReader, writer: NdrWriter) -> None:
    """LsarOpenPolicy3: as the second, and agrees on a revision; no optional feature is supported."""
    reader.optional_string()
    handle, status = NULL_HANDLE, STATUS_SUCCESS
    try:
        _read_object_attributes(reader)
        desired = reader.u32()
        if reader.u32() != _REVISION_INFO_1 or reader.u32() != _REVISION_INFO_1:
            raise NdrError("unknown revision of the policy object")
        reader.u32()
        reader.u32()
        handle = call.handles.open(open_policy_object(call, desired))
    except NTStatusError as error:
        status = error.status
    for number in (_REVISION_INFO_1, _REVISION_INFO_1, 1, 0):
        writer.u32(number)
    writer.raw(handle)
    writer.u32(status)


def _read_object_attributes(reader: NdrReader) -> None:
    """LSAPR_OBJECT_ATTRIBUTES ([MS-LSAD] 2.2.2.4): all but the quality of service has to be absent.

    Raises:
        NTStatusError: STATUS_INVALID_PARAMETER: something is there.
    """
    reader.u32()
    root, name = reader.pointer(), reader.pointer()
    reader.u32()
    descriptor, quality = reader.pointer(), reader.pointer()
    if root or name or descriptor:
        raise NTStatusError(STATUS_INVALID_PARAMETER, "attributes of the policy object")
    if quality:
        reader.u32()
        reader.take(_QUALITY_OF_SERVICE_REST)


def close(call: Call, reader: NdrReader, writer: NdrWriter) -> None:
    """LsarClose."""
    call.handles.close(reader.context_handle())
    writer.raw(NULL_HANDLE)
    writer.u32(STATUS_SUCCESS)


def query_information_policy(call: Call, reader: NdrReader, writer: NdrWriter) -> None:
    """LsarQueryInformationPolicy and its second version: the names and SIDs of the server's domains.

    A stand-alone server's account domain is itself, its primary domain the workgroup, which has no SID.
    """
    handle = read_policy_handle(call, reader)
    number = reader.u16()
    status = STATUS_SUCCESS if number in _INFORMATION else STATUS_INVALID_PARAMETER
    try:
        require(handle, POLICY_VIEW_LOCAL_INFORMATION)
    except NTStatusError as error:
        status = error.status
    writer.parameter(None if status else lambda: _write_information(call, writer, number))
    writer.u32(status)


def _write_information(call: Call, writer: NdrWriter, number: int) -> None:
    writer.u16(number)
    # All arms of the union begin at a multiple of four, also the one that is a 16-bit number.
    writer.align(4)
    _INFORMATION[number](call, writer)


def _primary_domain(call: Call, writer: NdrWriter) -> None:
    writer.unicode_string(call.context.config.globals.workgroup.upper())
    writer.sid_pointer(None)


def _account_domain(call: Call, writer: NdrWriter) -> None:
    domain = call.context.auth.lookup.domain()
    writer.unicode_string(domain.domain)
    writer.sid_pointer(domain.sid)


def _server_role(_call: Call, writer: NdrWriter) -> None:
    writer.u16(_ROLE_PRIMARY)


def _dns_domain(call: Call, writer: NdrWriter) -> None:
    writer.unicode_string(call.context.config.globals.workgroup.upper())
    writer.unicode_string(None)
    writer.unicode_string(None)
    writer.raw(_NULL_GUID)
    writer.sid_pointer(None)


_INFORMATION: Final[dict[int, Callable[[Call, NdrWriter], None]]] = {
    _PRIMARY_DOMAIN: _primary_domain,
    _ACCOUNT_DOMAIN: _account_domain,
    _SERVER_ROLE: _server_role,
    _DNS_DOMAIN: _dns_domain,
}


def get_user_name(call: Call, reader: NdrReader, writer: NdrWriter) -> None:
    """LsarGetUserName ([MS-LSAT] 3.1.4.4): who the caller is."""
    reader.optional_string()
    if reader.pointer():
        reader.unicode_strings(1)
    wants_domain = reader.pointer()
    session = call.session
    name, domain = session.user_name, session.domain
    if session.is_anonymous:
        name, domain = "ANONYMOUS LOGON", "NT AUTHORITY"
    writer.parameter(lambda: writer.unicode_string(name))
    writer.pointer((lambda: writer.pointer(lambda: writer.unicode_string(domain))) if wants_domain else None)
    writer.resolve()
    writer.u32(STATUS_SUCCESS)
