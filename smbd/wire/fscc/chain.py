"""Lists linked by NextEntryOffset, as most of the multi-entry classes of [MS-FSCC] are."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import Final

from smbd.wire.buffer import Buffer
from smbd.wire.errors import WireError

_LINK: Final = struct.Struct("<I")


def pack_chain(entries: Sequence[bytes], alignment: int) -> bytes:
    """Return `entries`, each of which begins with a NextEntryOffset to be filled in, as a list."""
    out = bytearray()
    last = len(entries) - 1
    for index, entry in enumerate(entries):
        start = len(out)
        out += entry
        if index != last:
            out += bytes(-len(entry) % alignment)
            _LINK.pack_into(out, start, len(out) - start)
    return bytes(out)


def walk_chain(data: Buffer, fixed: int, alignment: int) -> Iterator[Buffer]:
    """Yield the entries of a list, each cut off at the beginning of the next one.

    Args:
        data: The list; it may be empty.
        fixed: Bytes that every entry has at least, NextEntryOffset included.
        alignment: What every NextEntryOffset must be a multiple of.

    Raises:
        WireError: An entry is too short, or leads out of `data`.
    """
    size = len(data)
    start = 0
    while start < size:
        if start + fixed > size:
            raise WireError("list entry too short")
        (step,) = _LINK.unpack_from(data, start)
        if not step:
            yield data[start:]
            return
        if step < fixed or step % alignment or start + step >= size:
            raise WireError("NextEntryOffset broken")
        yield data[start : start + step]
        start += step
