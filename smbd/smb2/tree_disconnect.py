"""TREE_DISCONNECT ([MS-SMB2] 3.3.5.8)."""

from __future__ import annotations

from typing import Final

from smbd.smb2.request import Request
from smbd.wire.tree import TreeDisconnectRequest, TreeDisconnectResponse
from vfs.ntstatus import STATUS_NETWORK_NAME_DELETED, NTStatusError

_RESPONSE: Final = TreeDisconnectResponse().pack()


def handle(request: Request) -> bytes:
    """Close everything that is open on the tree connect, and the tree connect."""
    TreeDisconnectRequest.unpack(request.pdu)
    if request.session is None or request.tcon is None:
        raise NTStatusError(STATUS_NETWORK_NAME_DELETED)
    request.session.close_tcon(request.tcon)
    return _RESPONSE
