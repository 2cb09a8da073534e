"""FileStreamInformation, [MS-FSCC] 2.4: the streams of a file."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Final

import msgspec

from smbd.wire.buffer import Buffer, decode_utf16, encode_utf16
from smbd.wire.errors import WireError
from smbd.wire.fscc.chain import pack_chain, walk_chain

_FIXED: Final = struct.Struct("<4xIQQ")  # NextEntryOffset, StreamNameLength, StreamSize, StreamAllocationSize
_ALIGNMENT: Final = 8


class StreamInformation(msgspec.Struct, gc=False):
    """One stream; the name as in ``::$DATA`` or ``:name:$DATA``."""

    name: str
    size: int = 0
    allocation_size: int = 0


def pack_streams(streams: Iterable[StreamInformation]) -> bytes:
    """Return the list of `streams`."""
    entries = []
    for one in streams:
        name = encode_utf16(one.name)
        entries.append(_FIXED.pack(len(name), one.size, one.allocation_size) + name)
    return pack_chain(entries, _ALIGNMENT)


def unpack_streams(data: Buffer) -> list[StreamInformation]:
    """Read a list of streams.

    Raises:
        WireError: It is malformed.
    """
    streams = []
    for entry in walk_chain(data, _FIXED.size, _ALIGNMENT):
        length, size, allocation = _FIXED.unpack_from(entry)
        end = _FIXED.size + length
        if end > len(entry):
            raise WireError("stream name outside of its entry")
        streams.append(StreamInformation(decode_utf16(entry[_FIXED.size : end]), size, allocation))
    return streams
