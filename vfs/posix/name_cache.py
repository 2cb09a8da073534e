"""Which spelling has a name on disk: per-directory tables for case-insensitive lookups.

A table is valid as long as the directory (device, inode) shows the change times it was read under. File
systems stamp changes with a coarse clock, so a change right after the reading can leave the times as they were:
a table read that close to the last change answers one question and is not kept.
"""

from __future__ import annotations

import os
import time
from collections import OrderedDict
from typing import Final

import msgspec

from vfs.posix.names import fold
from vfs.posix.syscalls import Stat

#: Clock tick of the kernel (at most 10 ms) with a margin, for file systems that store parts of a second.
_TICK_NS: Final = 50_000_000
#: FAT stores two-second steps.
_COARSE_TICK_NS: Final = 2_500_000_000
#: Bounds of all tables together: at about 200 bytes a name, some 50 MB in the worst case.
MAX_DIRECTORIES: Final = 256
MAX_NAMES: Final = 250_000


class _Table(msgspec.Struct, gc=False):
    mtime_ns: int
    ctime_ns: int
    names: dict[str, str]


class NameCache:
    """Least recently used directories go first when there are too many names or directories."""

    def __init__(self, max_directories: int = MAX_DIRECTORIES, max_names: int = MAX_NAMES) -> None:
        self._max_directories = max_directories
        self._max_names = max_names
        self._tables: OrderedDict[tuple[int, int], _Table] = OrderedDict()
        self._count = 0
        self.hits = 0
        self.scans = 0

    def lookup(self, stat: Stat, name: str) -> tuple[bool, str | None]:
        """The spelling of `name` in the directory with status `stat`.

        Returns:
            Whether the directory is known (else it must be read: `fill`), and its spelling of `name` if it has one.
        """
        key = (stat.dev, stat.ino)
        table = self._tables.get(key)
        if table is None:
            return False, None
        if table.ctime_ns != stat.ctime_ns or table.mtime_ns != stat.mtime_ns:
            self._drop(key)
            return False, None
        self._tables.move_to_end(key)
        self.hits += 1
        return True, table.names.get(fold(name))

    def fill(self, stat: Stat, dir_fd: int, name: str) -> str | None:
        """Read the directory, whose status `stat` was taken before, and return its spelling of `name`.

        Raises:
            OSError: the directory cannot be read.
        """
        now = time.time_ns()
        self.scans += 1
        names: dict[str, str] = {}
        for entry in os.listdir(dir_fd):
            # Of names that differ in case only the first one wins, as long as the directory keeps its order.
            names.setdefault(fold(entry), entry)
        # Only the change time comes from the kernel's clock in every case; the write time anybody can set.
        tick = _TICK_NS if stat.ctime_ns % 1_000_000_000 else _COARSE_TICK_NS
        key = (stat.dev, stat.ino)
        self._drop(key)
        if len(names) <= self._max_names and now - stat.ctime_ns > tick:
            self._tables[key] = _Table(stat.mtime_ns, stat.ctime_ns, names)
            self._count += len(names)
            while self._count > self._max_names or len(self._tables) > self._max_directories:
                self._drop(next(iter(self._tables)))
        return names.get(fold(name))

    def _drop(self, key: tuple[int, int]) -> None:
        table = self._tables.pop(key, None)
        if table is not None:
            self._count -= len(table.names)

    def statistics(self) -> dict[str, int]:
        """Tables, names, hits and scans."""
        return {
            "directories": len(self._tables), "names": self._count, "hits": self.hits, "scans": self.scans,
        }  # fmt: skip
