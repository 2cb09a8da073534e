"""DCE/RPC services on named pipes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smbd.rpc.context import RpcContext
from smbd.rpc.pipe import Pipe
from vfs.ntstatus import STATUS_OBJECT_NAME_NOT_FOUND, NTStatusError

if TYPE_CHECKING:
    from smbd.auth.session_info import SessionInfo


def open_pipe(name: str, context: RpcContext, session: SessionInfo) -> Pipe:
    """Open a pipe.

    Raises:
        NTStatusError: STATUS_OBJECT_NAME_NOT_FOUND.
    """
    raise NTStatusError(STATUS_OBJECT_NAME_NOT_FOUND, f"{name} {context.client_address} {session.user_name}")
