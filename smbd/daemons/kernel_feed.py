"""inotify on the directories that are watched: notifyd's eye for changes made beside the server."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable
from typing import Final

from smbd.daemons.watched_trees import WatchedTrees
from smbd.eventloop import EventLoop, Timer
from vfs.access import (
    DELETE,
    FILE_APPEND_DATA,
    FILE_WRITE_ATTRIBUTES,
    FILE_WRITE_DATA,
    FILE_WRITE_EA,
    WRITE_DAC,
    WRITE_OWNER,
)
from vfs.file_id import FileId
from vfs.locking.share_mode import ShareModes
from vfs.modules import side_files
from vfs.notify.change import DIRECTORY_CHANGES_LOST, Change
from vfs.notify.inotify import IN_IGNORED, IN_Q_OVERFLOW, Event, Inotify
from vfs.notify.local_changes import LocalChanges

_log = logging.getLogger(__name__)

_CHANGING: Final = (
    DELETE
    | FILE_APPEND_DATA
    | FILE_WRITE_ATTRIBUTES
    | FILE_WRITE_DATA
    | FILE_WRITE_EA
    | WRITE_DAC
    | WRITE_OWNER
)
_PAUSE: Final = 0.02
"""Seconds between two looks at what the kernel tells: little beside those that an event is held back."""
_READS: Final = 64
"""Fills of the buffer that hold more than the kernel queues (fs.inotify.max_queued_events)."""
_TOLD_AT_ONCE: Final = 256
"""Changes that are enough for one message."""


class KernelFeed:
    """The inotify watches.

    Args:
        loop: delivers the events.
        tell: called with changes that belong together.
        share_modes: what the server has open.
        limit: how many directories are watched at most because of recursive watches.

    Attributes:
        trees: what is watched because of recursive watches.

    Raises:
        OSError: inotify cannot be used.
    """

    def __init__(
        self, loop: EventLoop, tell: Callable[[list[Change]], None], share_modes: ShareModes, limit: int
    ) -> None:
        self._loop = loop
        self._tell = tell
        self._share_modes = share_modes
        self._changes = LocalChanges(self._is_ours, loop.now)
        self._inotify = Inotify()
        self.trees = WatchedTrees(
            loop, self._inotify, self._drain, self._changes.event, lambda wd: wd in self._directories, limit
        )
        self._wds: dict[bytes, int] = {}
        # One directory may be watched by several paths.
        self._directories: dict[int, set[bytes]] = {}
        self._timer: Timer | None = None
        self._pause: Timer | None = None
        self._complained = False
        self._listen()

    def watch(self, directory: bytes, *, recursive: bool) -> None:
        """Look at a directory from now on, also if that is so already. What cannot be watched is logged, once.

        Args:
            directory: absolute path.
            recursive: at all directories beneath it, too.
        """
        try:
            wd = self._inotify.add(directory)
        except OSError as error:
            if not self._complained:
                self._complained = True
                _log.warning("local changes in some directories go unnoticed: %s", error)
            return
        known = self._wds.get(directory)
        if known == wd:
            # Left and entered again before we heard of it: what happened between is not for who watches now.
            self._drain()
            self._changes.drop(directory)
        elif known is not None:  # another directory has that name now
            self.unwatch(directory)
        self._wds[directory] = wd
        self._directories.setdefault(wd, set()).add(directory)
        if recursive:
            self.trees.add(directory)
        else:
            self.trees.remove(directory)

    def unwatch(self, directory: bytes) -> None:
        """Look no longer; harmless if it was not watched."""
        wd = self._wds.pop(directory, None)
        if wd is None:
            return
        self.trees.remove(directory)
        self._changes.drop(directory)
        paths = self._directories.get(wd, set())
        paths.discard(directory)
        if not paths:
            self._directories.pop(wd, None)
            if self.trees.path_of(wd) is None:
                self._inotify.remove(wd)

    def told(self, changes: Iterable[Change]) -> None:
        """Note what the server tells of itself."""
        self._changes.told(changes)

    def _listen(self) -> None:
        self._loop.add_reader(self._inotify.fileno(), self._readable)

    def _readable(self) -> None:
        self._drain()
        # Of a thousand changes in a second each would wake this process; it has the time to look at many together.
        self._loop.remove_reader(self._inotify.fileno())
        self._pause = self._loop.call_later(_PAUSE, self._listen)

    def _drain(self) -> None:
        """Read what has happened until now."""
        for _ in range(_READS):
            if not self._read():
                break
        self._plan()

    def _read(self) -> bool:
        event = None
        for event in self._inotify.read():
            if event.mask & IN_Q_OVERFLOW:
                _log.warning("the kernel lost local changes")
                self.trees.walk_again()
                for directory in list(self._wds):
                    self._tell([Change(DIRECTORY_CHANGES_LOST, 0, directory)])
            elif event.mask & IN_IGNORED:
                for directory in self._directories.pop(event.wd, set()):
                    self._wds.pop(directory, None)
                    self.trees.remove(directory)
                self.trees.ended(event.wd)
            elif event.name and event.name != side_files.DIRECTORY:
                self._happened(event)
        return event is not None

    def _happened(self, event: Event) -> None:
        directories = self._directories.get(event.wd, ())
        for directory in directories:
            self._changes.event(directory, event)
        in_tree = self.trees.path_of(event.wd)
        if in_tree is not None:
            if in_tree not in directories:
                self._changes.event(in_tree, event)
            self.trees.event(in_tree, event)
        else:
            for directory in directories:
                self.trees.event(directory, event)

    def _plan(self) -> None:
        due = self._changes.next_due()
        if due is not None and self._timer is None:
            self._timer = self._loop.call_later(max(0.0, due - self._loop.now()), self._deliver)

    def _deliver(self) -> None:
        self._timer = None
        # What is due together is told together: one message to each watcher, not one for each change.
        together: list[Change] = []
        for changes in self._changes.take():
            together += changes
            if len(together) >= _TOLD_AT_ONCE:
                self._tell(together)
                together = []
        if together:
            self._tell(together)
        self._plan()

    def _is_ours(self, path: bytes) -> bool:
        try:
            status = os.lstat(path)
        except OSError:
            return False
        record = self._share_modes.live_record(FileId(status.st_dev, status.st_ino))
        return record is not None and any(entry.access_mask & _CHANGING for entry in record.entries)

    def close(self) -> None:
        """End all watches."""
        if self._pause is not None:
            self._pause.cancel()
        self._loop.remove_reader(self._inotify.fileno())
        self._inotify.close()
