"""The holes in the parent's memory are filled before it forks: what a worker adds lies together on fresh pages.

Between what the parent made at its start and still has, there are holes of what it has not any more. A worker that put
its objects there would copy a page of the parent's for nearly each of them.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import partial
from itertools import repeat
from typing import Final

# CPython's obmalloc.c: sizes of blocks and pools; what has the two sizes that a bytes object is too large for.
_BLOCK_STEP: Final = 16
_BLOCK_MAX: Final = 512
_POOL_SIZE: Final = 16384
_POOL_HEADER: Final = 48
_BYTES_HEAD: Final = 33
_FILLING: Final[dict[int, Callable[[], object]]] = {16: object, 32: complex}
#: There are no more holes than that; an interpreter with other pools gets no more filling.
_FILLING_MAX: Final = 10_000
_ROW: Final = 4
"""So many blocks one behind the other are no accident."""

# The C library's malloc: sizes of blocks, and what it adds to each at most.
_MALLOC_STEP: Final = 16
_MALLOC_SMALL: Final = 1024
_MALLOC_LARGE: Final = (65536, 32768, 16384, 8192, 4096, 2048)
_MALLOC_HEAD: Final = 32
_MALLOC_ROW: Final = 8
"""More than it keeps at hand of each size."""
_MALLOC_MAX: Final = 1 << 20
"""Bytes in blocks of one size: another library than glibc's may place them in another way."""

_filling: Final[list[object]] = []

_malloc: Final = ctypes.CDLL(None).malloc
_malloc.argtypes = (ctypes.c_size_t,)
_malloc.restype = ctypes.c_void_p


def fill_holes() -> None:
    """Fill the holes that are there now, for good."""
    _fill_pools()
    _fill_heap()


def _fill_pools() -> None:
    """Fill the holes in the interpreter's pools of small objects.

    Blocks that begin right behind a pool's header and follow each other come from a fresh pool: no pool of their
    size has a hole any more.
    """
    for size in range(_BLOCK_STEP, _BLOCK_MAX + 1, _BLOCK_STEP):
        make = _FILLING.get(size) or partial(bytes, size - _BYTES_HEAD)
        head = 0
        for _ in repeat(None, _FILLING_MAX):  # `range` would make numbers
            thing = make()
            _filling.append(thing)
            address = id(thing)
            if address % _POOL_SIZE == _POOL_HEADER:
                head, row = address, 0
            elif head and address == head + (row + 1) * size:
                row += 1
                if row == _ROW:
                    break
            else:
                head = 0


def _fill_heap() -> None:
    """Fill the holes in the heap of the C library.

    The largest blocks go first. So no hole is left that could take two of the next size, and blocks that follow each
    other come from the end of the heap.
    """
    for size in (*_MALLOC_LARGE, *range(_MALLOC_SMALL, 0, -_MALLOC_STEP)):
        last = row = 0
        for _ in repeat(None, _MALLOC_MAX // size):
            address = _malloc(size) or 0
            row = row + 1 if 0 < address - last <= size + _MALLOC_HEAD else 0
            if row == _MALLOC_ROW:
                break
            last = address
