"""ECHO ([MS-SMB2] 3.3.5.17): the server is alive."""

from __future__ import annotations

from typing import Final

from smbd.smb2.request import Request
from smbd.wire.buffer import BODY
from smbd.wire.echo import ECHO_BODY
from smbd.wire.errors import WireError

_END: Final = BODY + 2  # StructureSize; what is behind it is reserved
_STRUCTURE_SIZE: Final = ECHO_BODY[:2]


def handle(request: Request) -> bytes:
    """Answer ECHO.

    Raises:
        WireError: it is malformed.
    """
    if request.pdu[BODY:_END] != _STRUCTURE_SIZE:
        raise WireError("ECHO request: wrong StructureSize")
    return ECHO_BODY
