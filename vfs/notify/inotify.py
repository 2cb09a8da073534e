"""The kernel's own change notification, inotify(7), as a descriptor that yields events."""

from __future__ import annotations

import ctypes
import fcntl
import os
import struct
import termios
from collections.abc import Iterator
from typing import Final, NamedTuple

IN_MODIFY: Final = 0x00000002
IN_ATTRIB: Final = 0x00000004
IN_MOVED_FROM: Final = 0x00000040
IN_MOVED_TO: Final = 0x00000080
IN_CREATE: Final = 0x00000100
IN_DELETE: Final = 0x00000200
IN_Q_OVERFLOW: Final = 0x00004000
IN_IGNORED: Final = 0x00008000
IN_ONLYDIR: Final = 0x01000000
IN_DONT_FOLLOW: Final = 0x02000000
IN_EXCL_UNLINK: Final = 0x04000000
IN_ISDIR: Final = 0x40000000

_EVENT: Final = struct.Struct("iIII")  # struct inotify_event: wd, mask, cookie, len
_BUFFER: Final = 64 * 1024
WATCHED: Final = (
    IN_MODIFY | IN_ATTRIB | IN_MOVED_FROM | IN_MOVED_TO | IN_CREATE | IN_DELETE | IN_ONLYDIR | IN_EXCL_UNLINK
)
"""What happens to the names in a directory and to the files behind them."""

_libc: Final = ctypes.CDLL(None, use_errno=True)
_libc.inotify_add_watch.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_uint32)
_libc.inotify_rm_watch.argtypes = (ctypes.c_int, ctypes.c_int)


class Event(NamedTuple):
    """One event: `wd` is -1 and `name` empty for an overflow of the queue."""

    wd: int
    mask: int
    cookie: int
    name: bytes


_NOTHING: Final = bytes(4)


class Inotify:
    """An inotify instance that watches directories.

    Raises:
        OSError: the user's limit of instances is reached (fs.inotify.max_user_instances).
    """

    def __init__(self) -> None:
        self._fd: int = _libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._fd < 0:
            raise _error()

    def fileno(self) -> int:
        """Return the descriptor: readable when there are events."""
        return self._fd

    def add(self, directory: bytes, mask: int = WATCHED) -> int:
        """Watch a directory for the events of `mask`; return the watch's number, the same one if it is watched already.

        Raises:
            OSError: it is none, does not exist, or there are too many watches (fs.inotify.max_user_watches).
        """
        wd: int = _libc.inotify_add_watch(self._fd, directory, mask)
        if wd < 0:
            raise _error(directory)
        return wd

    def remove(self, wd: int) -> None:
        """Stop a watch; harmless when the kernel has stopped it."""
        _libc.inotify_rm_watch(self._fd, wd)

    def read(self) -> Iterator[Event]:
        """Yield the next events, none if there are none.

        Raises:
            OSError: they cannot be read.
        """
        if fcntl.ioctl(self._fd, termios.FIONREAD, _NOTHING) == _NOTHING:
            return  # a third of what it costs to be refused by read
        data = os.read(self._fd, _BUFFER)
        offset = 0
        while offset < len(data):
            wd, mask, cookie, length = _EVENT.unpack_from(data, offset)
            offset += _EVENT.size
            yield Event(wd, mask, cookie, data[offset : offset + length].rstrip(b"\0"))
            offset += length

    def close(self) -> None:
        """End all watches."""
        os.close(self._fd)


def _error(directory: bytes | None = None) -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number), directory)
