"""The response that QUERY_DIRECTORY, QUERY_INFO and CHANGE_NOTIFY share: a buffer and where it is."""

from __future__ import annotations

import struct
from functools import partial
from typing import Final, Self

import msgspec

from smbd.wire.buffer import BODY, Buffer, variable
from smbd.wire.errors import WireError

_LAYOUT: Final = struct.Struct("<HHI")  # StructureSize, OutputBufferOffset, OutputBufferLength
_SIZE: Final = 9
OUTPUT_BUFFER_OFFSET: Final = BODY + _LAYOUT.size  # from the start of the header


class OutputBufferResponse(msgspec.Struct, gc=False):
    """A response that is nothing but `data`."""

    data: Buffer = b""

    def pack(self) -> bytes:
        """Return the body."""
        return pack_output_buffer(self.data)

    @classmethod
    def unpack(cls, pdu: Buffer) -> Self:
        """Read the message.

        Raises:
            WireError: It is malformed.
        """
        try:
            size, offset, length = _LAYOUT.unpack_from(pdu, BODY)
        except struct.error:
            raise WireError(f"{cls.__name__} too short") from None
        if size != _SIZE:
            raise WireError(f"{cls.__name__}: wrong StructureSize")
        return cls(variable(pdu, offset, length, OUTPUT_BUFFER_OFFSET, cls.__name__))


output_head: Final = partial(_LAYOUT.pack, _SIZE, OUTPUT_BUFFER_OFFSET)
"""What the body of such a response begins with; the data follow, of which it takes the length."""


def pack_output_buffer(data: Buffer) -> bytes:
    """Return the body of such a response."""
    return output_head(len(data)) + data


def pack_output_buffer_into(buffer: bytearray | memoryview, start: int, length: int) -> int:
    """Write the fixed part of such a response whose data lie in `buffer` already.

    Args:
        buffer: Output buffer.
        start: Where the message's header begins in it; the data are at ``start + OUTPUT_BUFFER_OFFSET``.
        length: Number of data bytes.

    Returns:
        Length of the whole message, header included.
    """
    _LAYOUT.pack_into(buffer, start + BODY, _SIZE, OUTPUT_BUFFER_OFFSET, length)
    return OUTPUT_BUFFER_OFFSET + length
