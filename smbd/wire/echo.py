"""ECHO, [MS-SMB2] 2.2.28 and 2.2.29."""

from __future__ import annotations

import struct
from typing import Final

import msgspec

from smbd.wire.buffer import BODY, Buffer
from smbd.wire.errors import WireError

_LAYOUT: Final = struct.Struct("<H2x")  # StructureSize, Reserved
_SIZE: Final = 4
ECHO_BODY: Final = _LAYOUT.pack(_SIZE)
"""The body of both messages."""


def check_echo(pdu: Buffer, what: str) -> None:
    """See that the message is long enough and says the right StructureSize; that is all there is to it.

    Raises:
        WireError: It is malformed.
    """
    try:
        (size,) = _LAYOUT.unpack_from(pdu, BODY)
    except struct.error:
        raise WireError(f"{what} too short") from None
    if size != _SIZE:
        raise WireError(f"{what}: wrong StructureSize")


class EchoRequest(msgspec.Struct, gc=False):
    """SMB2 ECHO request, 2.2.28."""

    def pack(self) -> bytes:
        """Return the body."""
        return ECHO_BODY

    @classmethod
    def unpack(cls, pdu: Buffer) -> EchoRequest:
        """Read the message.

        Raises:
            WireError: It is malformed.
        """
        check_echo(pdu, "ECHO request")
        return cls()


class EchoResponse(msgspec.Struct, gc=False):
    """SMB2 ECHO response, 2.2.29."""

    def pack(self) -> bytes:
        """Return the body."""
        return ECHO_BODY

    @classmethod
    def unpack(cls, pdu: Buffer) -> EchoResponse:
        """Read the message.

        Raises:
            WireError: It is malformed.
        """
        check_echo(pdu, "ECHO response")
        return cls()
