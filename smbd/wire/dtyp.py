"""Basic types of [MS-DTYP] as they cross the wire: FILETIME, GUID, SID length, RPC_UNICODE_STRING."""

from __future__ import annotations

import struct
import uuid
from typing import Final

from smbd.wire.buffer import Buffer, decode_utf16, encode_utf16
from smbd.wire.errors import WireError

# --- 2.3.3 FILETIME: 100 ns since 1601 ---------------------------------------------------------------------

FILETIME_UNIX_EPOCH: Final = 116_444_736_000_000_000  # 1970 in FILETIME
NANOSECONDS_PER_TICK: Final = 100

# Values with a meaning of their own in FileBasicInformation, [MS-FSCC] 2.4.7: leave as it is; switch the
# automatic update of this time off for the handle; on again.
FILETIME_NO_CHANGE: Final = 0
FILETIME_FREEZE: Final = 0xFFFFFFFFFFFFFFFF
FILETIME_THAW: Final = 0xFFFFFFFFFFFFFFFE


def filetime_from_ns(ns: int) -> int:
    """Return the FILETIME of `ns` nanoseconds since 1970; what is before 1601 becomes 0."""
    return max(0, ns // NANOSECONDS_PER_TICK + FILETIME_UNIX_EPOCH)


def filetime_to_ns(filetime: int) -> int:
    """Return `filetime` as nanoseconds since 1970, negative before."""
    return (filetime - FILETIME_UNIX_EPOCH) * NANOSECONDS_PER_TICK


# --- 2.3.4 GUID --------------------------------------------------------------------------------------------


def guid_to_bytes(text: str) -> bytes:
    """Return the 16 bytes of a GUID written as text.

    Raises:
        ValueError: It is not a GUID.
    """
    return uuid.UUID(text).bytes_le


def guid_to_text(guid: Buffer) -> str:
    """Return a GUID of 16 bytes as text, without braces.

    Raises:
        WireError: It has another length.
    """
    if len(guid) != 16:
        raise WireError("GUID of a wrong length")
    return str(uuid.UUID(bytes_le=bytes(guid)))


# --- 2.4.2.2 SID -------------------------------------------------------------------------------------------

_SID_HEAD: Final = 8  # Revision, SubAuthorityCount, IdentifierAuthority
_SID_MAX_SUB_AUTHORITIES: Final = 15


def sid_length(data: Buffer, offset: int = 0) -> int:
    """Return the length of the binary SID at `offset` of `data`.

    Raises:
        WireError: There is no whole SID.
    """
    if offset + _SID_HEAD > len(data):
        raise WireError("SID too short")
    count = data[offset + 1]
    length = _SID_HEAD + 4 * count
    if data[offset] != 1 or count > _SID_MAX_SUB_AUTHORITIES or offset + length > len(data):
        raise WireError("not a SID")
    return length


# --- 2.3.10 RPC_UNICODE_STRING, self-relative as FSCTLs and RPC bodies use it ------------------------------

_UNICODE_STRING: Final = struct.Struct("<HHI")  # Length, MaximumLength, Offset


def pack_unicode_string(text: str, offset: int) -> tuple[bytes, bytes]:
    """Return the 8-byte descriptor of `text`, which its user places at `offset`, and the text's bytes."""
    data = encode_utf16(text)
    return _UNICODE_STRING.pack(len(data), len(data), offset), data


def unpack_unicode_string(data: Buffer, at: int) -> str:
    """Return the text whose descriptor is at `at` of `data`; its offset counts from the start of `data`.

    Raises:
        WireError: It is not inside of `data`.
    """
    if at < 0 or at + _UNICODE_STRING.size > len(data):
        raise WireError("RPC_UNICODE_STRING too short")
    length, _, offset = _UNICODE_STRING.unpack_from(data, at)
    if offset + length > len(data):
        raise WireError("RPC_UNICODE_STRING outside of the buffer")
    return decode_utf16(data[offset : offset + length])
