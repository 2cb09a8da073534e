"""FLUSH, [MS-SMB2] 2.2.17 and 2.2.18."""

from __future__ import annotations

import struct
from typing import Final

import msgspec

from smbd.wire.buffer import BODY, Buffer, check_body

_REQUEST: Final = struct.Struct("<HH4xQQ")  # StructureSize, Reserved1, Reserved2, FileId
_REQUEST_SIZE: Final = 24
_RESPONSE: Final = struct.Struct("<HH")  # StructureSize, Reserved
_RESPONSE_SIZE: Final = 4


class FlushRequest(msgspec.Struct, gc=False):
    """SMB2 FLUSH request, 2.2.17.

    Attributes:
        file_id_persistent: Durable half of the FileId.
        file_id_volatile: Volatile half of the FileId.
        reserved1: Zero; Apple's clients ask for a full barrier with 0xFFFF.
    """

    file_id_persistent: int
    file_id_volatile: int
    reserved1: int = 0

    def pack(self) -> bytes:
        """Return the body."""
        return _REQUEST.pack(_REQUEST_SIZE, self.reserved1, self.file_id_persistent, self.file_id_volatile)

    @classmethod
    def unpack(cls, pdu: Buffer) -> FlushRequest:
        """Read the message.

        Raises:
            WireError: It is malformed.
        """
        check_body(pdu, _REQUEST.size, _REQUEST_SIZE, "FLUSH request")
        _, reserved1, persistent, volatile = _REQUEST.unpack_from(pdu, BODY)
        return cls(persistent, volatile, reserved1)


class FlushResponse(msgspec.Struct, gc=False):
    """SMB2 FLUSH response, 2.2.18."""

    def pack(self) -> bytes:
        """Return the body."""
        return _RESPONSE.pack(_RESPONSE_SIZE, 0)

    @classmethod
    def unpack(cls, pdu: Buffer) -> FlushResponse:
        """Read the message.

        Raises:
            WireError: It is malformed.
        """
        check_body(pdu, _RESPONSE.size, _RESPONSE_SIZE, "FLUSH response")
        return cls()
