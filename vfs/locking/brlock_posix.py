"""Byte-range locks as local programs see them: mirrored by fcntl locks (`posix locking`).

The mirror is advisory and coarser: locks of an open file description merge where they touch, do not stack and know
offsets of 63 bits only. So every change of the real locks is followed by setting its range anew, piece by piece, to
the strongest lock that the open holds there. Each open has a description of its own: closing it drops its locks.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

from vfs.locking.brlock import ByteRangeLock

_FLOCK: Final = struct.Struct("hhqqi4x")  # struct flock of 64-bit Linux: type, whence, start, length, pid
_OFFSET_LIMIT: Final = 1 << 63
_HELD_BY_OTHERS: Final = frozenset({errno.EAGAIN, errno.EACCES})


class Piece(NamedTuple):
    """A part of a file, up to but without `end`, and the fcntl lock that belongs there."""

    start: int
    end: int
    kind: int


def pieces(start: int, length: int, locks: Iterable[ByteRangeLock]) -> list[Piece]:
    """Return what a range is to be set to when `locks` are all that the open holds."""
    end = min(start + length, _OFFSET_LIMIT)
    inside = [lock for lock in locks if lock.length and lock.overlaps(start, length)]
    cuts = {start, end}
    for lock in inside:
        cuts.add(max(lock.start, start))
        cuts.add(min(lock.start + lock.length, end))
    found: list[Piece] = []
    for begin, stop in pairwise(sorted(cut for cut in cuts if cut <= end)):
        kind = fcntl.F_UNLCK
        for lock in inside:
            if lock.start <= begin and stop <= lock.start + lock.length:
                if lock.exclusive:
                    kind = fcntl.F_WRLCK
                    break
                kind = fcntl.F_RDLCK
        if found and found[-1].kind == kind:
            found[-1] = Piece(found[-1].start, stop, kind)
        else:
            found.append(Piece(begin, stop, kind))
    return found


def mirror(fd: int, start: int, length: int, locks: Sequence[ByteRangeLock]) -> bool:
    """Set the fcntl locks of a range to what `locks`, all of this open, mean; False if a local program is in the way.

    Raises:
        OSError: the file system has no locks.
    """
    return all(_set(fd, piece) for piece in pieces(start, length, locks))


def release_all(fd: int) -> None:
    """Drop all fcntl locks of the open file description of `fd`.

    Raises:
        OSError: the file system has no locks.
    """
    fcntl.fcntl(fd, fcntl.F_OFD_SETLK, _FLOCK.pack(fcntl.F_UNLCK, os.SEEK_SET, 0, 0, 0))


def _set(fd: int, piece: Piece) -> bool:
    length = 0 if piece.end == _OFFSET_LIMIT else piece.end - piece.start
    kind = piece.kind
    while True:
        try:
            fcntl.fcntl(fd, fcntl.F_OFD_SETLK, _FLOCK.pack(kind, os.SEEK_SET, piece.start, length, 0))
        except OSError as error:
            if error.errno in _HELD_BY_OTHERS:
                return False
            if error.errno != errno.EBADF:
                raise
            if kind == fcntl.F_WRLCK:  # not open for writing: the best that can be had
                kind = fcntl.F_RDLCK
                continue
            # A shared lock needs a descriptor that can read; local programs do not see this one.
        return True
