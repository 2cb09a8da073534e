"""The policy object and who may do what with it ([MS-LSAD] 2.2.1.1.2, 3.1.4.2)."""

from __future__ import annotations

from typing import Final, NamedTuple

from smbd.rpc.ndr import NdrReader
from smbd.rpc.service import Call
from vfs.access import (
    GENERIC_ALL,
    GENERIC_EXECUTE,
    GENERIC_READ,
    GENERIC_WRITE,
    MAXIMUM_ALLOWED,
    READ_CONTROL,
)
from vfs.ntstatus import STATUS_ACCESS_DENIED, NTStatusError

# Access masks of the policy object ([MS-LSAD] 2.2.1.1.2).
POLICY_VIEW_LOCAL_INFORMATION: Final = 0x00000001
POLICY_LOOKUP_NAMES: Final = 0x00000800
POLICY_ALL_ACCESS: Final = 0x000F0FFF
_POLICY_READ: Final = 0x00020006
_POLICY_WRITE: Final = 0x000207F8
_POLICY_EXECUTE: Final = READ_CONTROL | POLICY_VIEW_LOCAL_INFORMATION | POLICY_LOOKUP_NAMES
_GENERIC: Final = (
    (GENERIC_READ, _POLICY_READ),
    (GENERIC_WRITE, _POLICY_WRITE),
    (GENERIC_EXECUTE, _POLICY_EXECUTE),
    (GENERIC_ALL, POLICY_ALL_ACCESS),
)


class PolicyHandle(NamedTuple):
    """An open policy object.

    Attributes:
        granted: what its holder may do.
    """

    granted: int


def open_policy_object(call: Call, desired: int) -> PolicyHandle:
    """Grant access to the policy object: everybody may look things up, administrators may do all.

    Raises:
        NTStatusError: STATUS_ACCESS_DENIED.
    """
    allowed = POLICY_ALL_ACCESS if call.session.token.is_administrator else _POLICY_EXECUTE
    wanted = desired
    for generic, specific in _GENERIC:
        if wanted & generic:
            wanted = wanted & ~generic | specific
    if wanted & MAXIMUM_ALLOWED:
        wanted = wanted & ~MAXIMUM_ALLOWED | allowed
    if wanted & ~allowed:
        raise NTStatusError(STATUS_ACCESS_DENIED, f"access {desired:#x} to the policy object")
    return PolicyHandle(wanted)


def read_policy_handle(call: Call, reader: NdrReader) -> PolicyHandle:
    """Read a handle and return what it stands for.

    Raises:
        RpcFault: the handle is unknown.
    """
    handle: PolicyHandle = call.handles.get(reader.context_handle())
    return handle


def require(handle: PolicyHandle, access: int) -> None:
    """Check that a handle was opened for `access`.

    Raises:
        NTStatusError: STATUS_ACCESS_DENIED.
    """
    if handle.granted & access != access:
        raise NTStatusError(STATUS_ACCESS_DENIED, "not what the handle was opened for")
