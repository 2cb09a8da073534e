"""CANCEL, [MS-SMB2] 2.2.30. It has no response."""

from __future__ import annotations

import struct
from typing import Final

import msgspec

from smbd.wire.buffer import Buffer, check_body

_LAYOUT: Final = struct.Struct("<H2x")  # StructureSize, Reserved
_SIZE: Final = 4


class CancelRequest(msgspec.Struct, gc=False):
    """SMB2 CANCEL request, 2.2.30."""

    def pack(self) -> bytes:
        """Return the body."""
        return _LAYOUT.pack(_SIZE)

    @classmethod
    def unpack(cls, pdu: Buffer) -> CancelRequest:
        """Read the message.

        Raises:
            WireError: It is malformed.
        """
        check_body(pdu, _LAYOUT.size, _SIZE, "CANCEL request")
        return cls()
