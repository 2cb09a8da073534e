"""Damage bytes the way that finds bugs in parsers: lengths, offsets and counts pushed to their edges."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

_EDGES_16 = (0, 1, 2, 3, 7, 8, 0x3F, 0x40, 0x41, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFF8, 0xFFFE, 0xFFFF)
_EDGES_32 = (0, 1, 8, 0x7F, 0xFFFF, 0x10000, 0x10001, 0x7FFFFFFF, 0x80000000, 0xFFFFFFF8, 0xFFFFFFFF)
_EDGES_64 = (0, 1, 0xFFFFFFFF, 0x100000000, (1 << 63) - 1, 1 << 63, (1 << 64) - 2, (1 << 64) - 1)


def _flip(data: bytearray, source: random.Random) -> None:
    if data:
        data[source.randrange(len(data))] ^= 1 << source.randrange(8)


def _byte(data: bytearray, source: random.Random) -> None:
    if data:
        data[source.randrange(len(data))] = source.randrange(256)


def _number(width: int, edges: Sequence[int]) -> Callable[[bytearray, random.Random], None]:
    def change(data: bytearray, source: random.Random) -> None:
        if len(data) < width:
            return
        # Fields are aligned more often than not.
        at = source.randrange(len(data) - width + 1)
        if source.random() < 0.8:
            at -= at % min(width, 4)
        old = int.from_bytes(data[at : at + width], "little")
        new = source.choice((source.choice(edges), old + 1, old - 1, old ^ 8, len(data), source.getrandbits(8)))
        data[at : at + width] = (new & ((1 << 8 * width) - 1)).to_bytes(width, "little")

    return change


def _truncate(data: bytearray, source: random.Random) -> None:
    del data[source.randrange(len(data) + 1) :]


def _extend(data: bytearray, source: random.Random) -> None:
    data += source.randbytes(source.choice((1, 2, 8, 63, 500)))


def _remove(data: bytearray, source: random.Random) -> None:
    at = source.randrange(len(data) + 1)
    del data[at : at + source.choice((1, 2, 4, 8))]


def _insert(data: bytearray, source: random.Random) -> None:
    at = source.randrange(len(data) + 1)
    data[at:at] = source.choice((bytes(8), b"\xff" * 4, source.randbytes(4)))


def _repeat(data: bytearray, source: random.Random) -> None:
    if not data:
        return
    begin = source.randrange(len(data))
    piece = data[begin : begin + source.randrange(1, 64)]
    at = source.randrange(len(data) + 1)
    data[at:at] = piece * source.choice((1, 1, 2, 20))


_WAYS: tuple[Callable[[bytearray, random.Random], None], ...] = (
    _flip,
    _byte,
    _number(2, _EDGES_16),
    _number(2, _EDGES_16),
    _number(4, _EDGES_32),
    _number(4, _EDGES_32),
    _number(8, _EDGES_64),
    _truncate,
    _extend,
    _remove,
    _insert,
    _repeat,
)


def mutate(data: bytes | bytearray, source: random.Random) -> bytearray:
    """Return a damaged copy: mostly one change, sometimes several."""
    damaged = bytearray(data)
    head = bytes(damaged[:2]) if source.random() < 0.9 else b""
    for _ in range(source.choice((1, 1, 1, 2, 2, 4))):
        source.choice(_WAYS)(damaged, source)
    if len(damaged) >= len(head):
        damaged[: len(head)] = head  # a right StructureSize gets the rest looked at
    return damaged
