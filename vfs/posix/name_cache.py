"""Which spelling has a name on disk: per-directory tables for case-insensitive lookups.

A table is valid as long as the directory (device, inode) shows the change times it was read under. File
systems stamp changes with a coarse clock, so a change right after the reading can leave the times as they were:
a table read that close to the last change answers one question and is not kept.

A large directory that has to be read again because it changed is watched (`name_watch`): its table is kept up to date
and holds whatever the times are.
"""

from __future__ import annotations

import os
import time
from collections import OrderedDict
from collections.abc import Mapping
from typing import Final

import msgspec

from vfs.posix.name_watch import Key, NameWatches
from vfs.posix.names import fold, to_text
from vfs.posix.syscalls import Stat

#: Clock tick of the kernel (at most 10 ms) with a margin, for file systems that store parts of a second.
_TICK_NS: Final = 50_000_000
#: FAT stores two-second steps.
_COARSE_TICK_NS: Final = 2_500_000_000
#: Bounds of all tables together: at about 200 bytes a name, some 50 MB in the worst case.
MAX_DIRECTORIES: Final = 256
MAX_NAMES: Final = 250_000
#: Directories with fewer names are read again sooner than they are watched.
WATCH_FROM: Final = 128
_MAX_RESTLESS: Final = 64


def is_settled(ctime_ns: int, now_ns: int) -> bool:
    """Whether whatever is changed from `now_ns` on gets another change time than `ctime_ns`."""
    return now_ns - ctime_ns > (_TICK_NS if ctime_ns % 1_000_000_000 else _COARSE_TICK_NS)


class _Table(msgspec.Struct, gc=False):
    mtime_ns: int
    ctime_ns: int
    names: dict[str, str]
    doubles: set[str]
    watched: bool


class NameCache:
    """Least recently used directories go first when there are too many names or directories."""

    def __init__(self, max_directories: int = MAX_DIRECTORIES, max_names: int = MAX_NAMES) -> None:
        self._max_directories = max_directories
        self._max_names = max_names
        self._tables: OrderedDict[Key, _Table] = OrderedDict()
        self._count = 0
        self._watches = NameWatches()
        #: Large directories that were read and changed afterwards.
        self._restless: OrderedDict[Key, None] = OrderedDict()
        self.hits = 0
        self.scans = 0

    def table(self, stat: Stat) -> Mapping[str, str] | None:
        """The names in the directory with status `stat`, by `fold`; None if it must be read: `fill`."""
        key = (stat.dev, stat.ino)
        table = self._tables.get(key)
        if table is None:
            return None
        if table.watched:
            self._catch_up()
            table = self._tables.get(key)
            if table is None:
                return None
        elif table.ctime_ns != stat.ctime_ns or table.mtime_ns != stat.mtime_ns:
            if len(table.names) >= WATCH_FROM:
                self._note_restless(key)
            self._drop(key)
            return None
        self._tables.move_to_end(key)
        self.hits += 1
        return table.names

    def fill(self, stat: Stat, dir_fd: int) -> Mapping[str, str]:
        """Read the directory, whose status `stat` was taken before, and return its table.

        Raises:
            OSError: the directory cannot be read.
        """
        key = (stat.dev, stat.ino)
        self._drop(key)
        # What changes while the directory is read is both in the list and among the events, or only there.
        watched = key in self._restless and self._watches.watch(key, dir_fd)
        now = time.time_ns()
        self.scans += 1
        names: dict[str, str] = {}
        doubles: set[str] = set()
        for entry in os.listdir(dir_fd):
            # Of names that differ in case only the first one wins, as long as the directory keeps its order.
            folded = fold(entry)
            if names.setdefault(folded, entry) is not entry:
                doubles.add(folded)
        # Only the change time comes from the kernel's clock in every case; the write time anybody can set.
        quiet = is_settled(stat.ctime_ns, now)
        if len(names) <= self._max_names and (quiet or watched):
            self._tables[key] = _Table(stat.mtime_ns, stat.ctime_ns, names, doubles, watched)
            self._count += len(names)
            while self._count > self._max_names or len(self._tables) > self._max_directories:
                self._drop(next(iter(self._tables)))
        elif watched:
            self._watches.forget(key)
        elif len(names) >= WATCH_FROM:
            self._note_restless(key)
        return names

    def _catch_up(self) -> None:
        """Do in the watched tables what was done in their directories."""
        for change in self._watches.changes():
            table = self._tables.get(change.key)
            if table is None:
                continue
            name = to_text(change.name)
            folded = fold(name)
            known = table.names.get(folded)
            if not name or (folded in table.doubles and not change.appeared):
                self._drop(change.key)  # which of several spellings remains only the directory can tell
            elif not change.appeared:
                if known == name:
                    del table.names[folded]
                    self._count -= 1
            elif known is None:
                table.names[folded] = name
                self._count += 1
            elif known != name:
                table.doubles.add(folded)

    def _note_restless(self, key: Key) -> None:
        self._restless[key] = None
        if len(self._restless) > _MAX_RESTLESS:
            self._restless.popitem(last=False)

    def _drop(self, key: Key) -> None:
        table = self._tables.pop(key, None)
        if table is not None:
            self._count -= len(table.names)
            if table.watched:
                self._watches.forget(key)

    def close(self) -> None:
        """Forget everything and give descriptors back."""
        self._tables.clear()
        self._count = 0
        self._watches.close()

    def statistics(self) -> dict[str, int]:
        """Tables, names, hits and scans."""
        return {
            "directories": len(self._tables), "names": self._count, "hits": self.hits, "scans": self.scans,
        }  # fmt: skip
