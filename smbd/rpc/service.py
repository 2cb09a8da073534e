"""What a service on a named pipe is: an interface identifier and its operations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from smbd.rpc.handles import HandleTable
from smbd.rpc.ndr import NdrReader, NdrWriter
from smbd.rpc.pdu import SyntaxId

if TYPE_CHECKING:
    from smbd.auth.session_info import SessionInfo
    from smbd.rpc.context import RpcContext

#: The version Samba announces: that of Windows 7, which every client knows how to talk to.
VERSION_MAJOR: Final = 6
VERSION_MINOR: Final = 1
#: PLATFORM_ID_NT ([MS-SRVS] 2.2.2.6).
PLATFORM_ID_NT: Final = 500


class Call(NamedTuple):
    """Who calls, on what server, with which handles.

    Attributes:
        context: the server.
        session: the caller.
        handles: the context handles of the pipe.
    """

    context: RpcContext
    session: SessionInfo
    handles: HandleTable[Any]


#: Reads the [in] parameters, does the work, writes the [out] parameters and the return value.
Operation: TypeAlias = Callable[[Call, NdrReader, NdrWriter], None]


class Service(NamedTuple):
    """An RPC interface.

    Attributes:
        name: of the pipe.
        syntax: interface UUID and version.
        operations: opnum -> operation; any other is answered with nca_s_op_rng_error.
    """

    name: str
    syntax: SyntaxId
    operations: Mapping[int, Operation]
