"""LOGOFF ([MS-SMB2] 3.3.5.6)."""

from __future__ import annotations

from typing import Final

from smbd.smb2.request import Request
from smbd.wire.session import LogoffRequest, LogoffResponse
from vfs.ntstatus import STATUS_USER_SESSION_DELETED, NTStatusError

_RESPONSE: Final = LogoffResponse().pack()


def handle(request: Request) -> bytes:
    """End the session with all its tree connects, opens and waits."""
    LogoffRequest.unpack(request.pdu)
    if request.session is None:
        raise NTStatusError(STATUS_USER_SESSION_DELETED)
    request.session.close()
    return _RESPONSE
