"""ECHO ([MS-SMB2] 3.3.5.17): the server is alive."""

from __future__ import annotations

from smbd.smb2.request import Request
from smbd.wire.echo import ECHO_BODY, check_echo


def handle(request: Request) -> bytes:
    """Answer ECHO.

    Raises:
        WireError: it is malformed.
    """
    check_echo(request.pdu, "ECHO request")
    return ECHO_BODY
