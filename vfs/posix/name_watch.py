"""What changes in directories whose names are cached: inotify(7), for large directories that keep changing.

The kernel queues an event before the system call that changed the directory returns. Who reads the queue before he
looks into a table of names therefore sees every change that was finished before he was asked. That holds on file
systems that nobody changes but through this kernel; on others, times have to do.
"""

from __future__ import annotations

import ctypes
import logging
from collections.abc import Iterator
from typing import Final, NamedTuple

from vfs.notify.inotify import (
    IN_CREATE,
    IN_DELETE,
    IN_IGNORED,
    IN_MOVED_FROM,
    IN_MOVED_TO,
    IN_ONLYDIR,
    IN_Q_OVERFLOW,
    Inotify,
)

_log = logging.getLogger(__name__)

_APPEARS: Final = IN_CREATE | IN_MOVED_TO
_NAMES: Final = _APPEARS | IN_DELETE | IN_MOVED_FROM | IN_ONLYDIR
#: f_type of statfs(2): btrfs, ext2 to ext4, f2fs, overlay, tmpfs, XFS, ZFS.
_LOCAL: Final = frozenset({0x9123683E, 0xEF53, 0xF2F52010, 0x794C7630, 0x01021994, 0x58465342, 0x2FC12FC1})
_STATFS_SIZE: Final = 256

_libc: Final = ctypes.CDLL(None, use_errno=True)

Key = tuple[int, int]
"""Device and inode of a directory."""


class Change(NamedTuple):
    """A name appeared in a directory or went from it; without `name`, nothing is known about the directory any more."""

    key: Key
    name: bytes = b""
    appeared: bool = False


def is_local(fd: int) -> bool:
    """Tell whether only this kernel changes the file system of `fd`."""
    buffer = ctypes.create_string_buffer(_STATFS_SIZE)
    if _libc.fstatfs(fd, buffer):
        return False
    return ctypes.c_ulong.from_buffer(buffer).value in _LOCAL


class NameWatches:
    """The watched directories of one name cache."""

    def __init__(self) -> None:
        self._inotify: Inotify | None = None
        self._keys: dict[int, Key] = {}
        self._numbers: dict[Key, int] = {}

    def watch(self, key: Key, dir_fd: int) -> bool:
        """Watch a directory from now on; False if that cannot be."""
        if key in self._numbers:
            return True
        if not is_local(dir_fd):
            return False
        try:
            if self._inotify is None:
                self._inotify = Inotify()
            number = self._inotify.add(b"/proc/self/fd/%d" % dir_fd, _NAMES)
        except OSError as error:
            _log.debug("directory is not watched: %s", error)
            return False
        self._keys[number] = key
        self._numbers[key] = number
        return True

    def forget(self, key: Key) -> None:
        """Stop watching a directory."""
        number = self._numbers.pop(key, None)
        if number is not None and self._inotify is not None:
            del self._keys[number]
            self._inotify.remove(number)

    def changes(self) -> Iterator[Change]:
        """Yield what happened since the last call, in order.

        Raises:
            OSError: the events cannot be read.
        """
        if self._inotify is None or not self._keys:
            return
        while events := list(self._inotify.read()):
            for event in events:
                if event.mask & IN_Q_OVERFLOW:
                    yield from [Change(key) for key in self._numbers]
                    continue
                key = self._keys.get(event.wd)
                if key is None:
                    continue
                if event.mask & IN_IGNORED:
                    self._numbers.pop(key, None)
                    del self._keys[event.wd]
                    yield Change(key)
                elif event.name:
                    yield Change(key, event.name, bool(event.mask & _APPEARS))

    def close(self) -> None:
        """Give the descriptor back."""
        if self._inotify is not None:
            self._inotify.close()
            self._inotify = None
        self._keys.clear()
        self._numbers.clear()
