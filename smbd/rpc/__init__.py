"""DCE/RPC services on named pipes: which pipes there are, and what answers on them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from smbd.rpc import dssetup, lsarpc, srvsvc, wkssvc
from smbd.rpc.context import RpcContext
from smbd.rpc.pipe import Pipe
from vfs.ntstatus import STATUS_OBJECT_NAME_NOT_FOUND, NTStatusError

if TYPE_CHECKING:
    from smbd.auth.session_info import SessionInfo

#: Pipe -> the interfaces that can be bound to on it.
_PIPES: Final = {
    "srvsvc": (srvsvc.SERVICE,),
    "wkssvc": (wkssvc.SERVICE,),
    "lsarpc": (lsarpc.SERVICE, dssetup.SERVICE),
}
#: Pipes that are the same under another name ([MS-LSAD] 2.1).
_ALIASES: Final = {"lsass": "lsarpc"}


def open_pipe(name: str, context: RpcContext, session: SessionInfo) -> Pipe:
    r"""Open a pipe.

    Args:
        name: as in CREATE on IPC$: any case, with or without a leading backslash or ``PIPE\``.
        context: the server.
        session: who opens it.

    Raises:
        NTStatusError: STATUS_OBJECT_NAME_NOT_FOUND: there is no such pipe.
    """
    folded = name.lower().lstrip("\\").removeprefix("pipe\\")
    folded = _ALIASES.get(folded, folded)
    services = _PIPES.get(folded)
    if services is None:
        raise NTStatusError(STATUS_OBJECT_NAME_NOT_FOUND, f"no pipe {name!r}")
    return Pipe(services, folded, context, session)
