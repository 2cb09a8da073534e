"""ECHO ([MS-SMB2] 3.3.5.17): the server is alive."""

from __future__ import annotations

from typing import Final

from smbd.smb2.request import Request
from smbd.wire.echo import EchoRequest, EchoResponse

_RESPONSE: Final = EchoResponse().pack()


def handle(request: Request) -> bytes:
    """Answer ECHO."""
    EchoRequest.unpack(request.pdu)
    return _RESPONSE
