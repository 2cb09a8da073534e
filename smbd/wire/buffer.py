"""Helpers that every part of the codec shares: bounds-checked slices and UTF-16 text.

Names come from clients and file systems that do not promise well-formed UTF-16, so lone surrogates survive a
round trip (the "surrogatepass" error handler).
"""

from __future__ import annotations

import codecs
from typing import Final, TypeAlias

from smbd.wire.constants import SMB2_HEADER_SIZE
from smbd.wire.errors import WireError

Buffer: TypeAlias = bytes | bytearray | memoryview

BODY: Final = SMB2_HEADER_SIZE  # where the body begins: offsets in messages count from the header's start

# The StructureSize of a request with a variable part counts one byte of it. Servers insist on that byte, so
# requests with nothing to say carry it as padding; responses do without.
EMPTY_DYNAMIC: Final = b"\0"

_decode_utf_16_le = codecs.utf_16_le_decode
_encode_utf_16_le = codecs.utf_16_le_encode


def decode_utf16(data: Buffer) -> str:
    """Return UTF-16LE `data` as text.

    Raises:
        WireError: It has an odd number of bytes.
    """
    if len(data) & 1:
        raise WireError("odd length of a UTF-16 string")
    return _decode_utf_16_le(data, "surrogatepass", True)[0]


def encode_utf16(text: str) -> bytes:
    """Return `text` as UTF-16LE, without terminator."""
    return _encode_utf_16_le(text, "surrogatepass")[0]


def check_body(pdu: Buffer, fixed: int, structure_size: int, what: str) -> None:
    """Check that `pdu` has `fixed` bytes of body and that its StructureSize is `structure_size`.

    Raises:
        WireError: Either is not so.
    """
    if len(pdu) < BODY + fixed:
        raise WireError(f"{what} too short")
    if pdu[BODY] | pdu[BODY + 1] << 8 != structure_size:
        raise WireError(f"{what}: wrong StructureSize")


def variable(pdu: Buffer, offset: int, length: int, minimum: int, what: str) -> Buffer:
    """Return the `length` bytes at `offset` of `pdu`, which may not begin before `minimum`.

    With no bytes the offset has no meaning and is not looked at.

    Raises:
        WireError: The bytes are not all inside, or overlap the fixed part.
    """
    if not length:
        return pdu[:0]
    if offset < minimum or offset + length > len(pdu):
        raise WireError(f"{what} outside of the message")
    return pdu[offset : offset + length]


def align8(value: int) -> int:
    """Round `value` up to a multiple of eight."""
    return (value + 7) & ~7
