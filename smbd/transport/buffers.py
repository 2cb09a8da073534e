"""Reusable memory for receiving and sending.

Anonymous mappings instead of bytearrays: the kernel commits a page when it is touched, so a buffer of 8 MiB
costs an idle connection nothing.
"""

from __future__ import annotations

import mmap
from typing import Final

#: What a buffer holds beyond the largest payload: frame prefix, transform and compound headers, fixed parts,
#: a create context chain, and the 16 spare bytes that sealing in place asks for.
HEADROOM: Final = 64 * 1024
SEAL_SPARE: Final = 16


def anonymous(size: int) -> memoryview:
    """Return `size` bytes of private memory that the kernel commits as it is touched."""
    return memoryview(mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))


class OutBuffer:
    """Bytes on their way to the socket: filled from 0 to `end`, sent by one call.

    Attributes:
        view: the memory; writable.
        end: where the next frame begins.
    """

    __slots__ = ("end", "view")

    def __init__(self, size: int) -> None:
        self.view = anonymous(size)
        self.end = 0
