"""The directories beneath recursive watches: notifyd has the kernel watch each of them.

inotify rather than fanotify, whose marks on whole file systems need no walk: its events are those of the one tree, come
with names instead of handles, need no capability, and there are some on every file system.
"""

from __future__ import annotations

import errno
import logging
import os
import stat
from collections import deque
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from smbd.eventloop import EventLoop
from vfs.modules import side_files
from vfs.notify.change import parent_of
from vfs.notify.inotify import (
    IN_CREATE,
    IN_DONT_FOLLOW,
    IN_ISDIR,
    IN_MOVED_FROM,
    IN_MOVED_TO,
    WATCHED,
    Event,
    Inotify,
)

_log = logging.getLogger(__name__)

_AT_A_TIME: Final = 64
"""Directories that are visited before the loop serves others."""
_PAIR_S: Final = 0.1
"""A directory that went this long ago has left the tree: the other half of a rename follows at once."""


class _Visit(NamedTuple):
    """A directory to be looked at: `device` is that of its tree; `new` if it came into being under our eyes."""

    path: bytes
    device: int
    new: bool


class WatchedTrees:
    """The trees beneath directories that somebody watches recursively.

    A tree ends where another file system begins. New directories join it, renamed ones keep their watch under the new
    name. What came to be in a new directory before the kernel watched that is told as if the kernel had.

    Args:
        loop: walks through the trees a few directories at a time.
        inotify: watches them.
        drain: reads all events that have happened.
        found: told of what is in a new directory without an event that says so: the directory, and the event made up.
        keeps: whether somebody else wants the watch of that number.

    Attributes:
        limit: the number of directories that are watched at most.
    """

    def __init__(
        self,
        loop: EventLoop,
        inotify: Inotify,
        drain: Callable[[], None],
        found: Callable[[bytes, Event], None],
        keeps: Callable[[int], bool],
        limit: int,
    ) -> None:
        self._loop = loop
        self._inotify = inotify
        self._drain = drain
        self._found = found
        self._keeps = keeps
        self.limit = limit
        self._devices: dict[bytes, int] = {}  # of the roots
        self._wds: dict[bytes, int] = {}
        self._paths: dict[int, bytes] = {}
        self._visits: deque[_Visit] = deque()
        self._walking = False
        self._left: dict[int, bytes] = {}  # directories that are being renamed, by cookie
        self._heard: dict[int, set[bytes]] = {}  # names with events, in the new directory that is being looked at
        self._complained = False

    def path_of(self, wd: int) -> bytes | None:
        """Return the directory of a watch that a tree has; None if no tree has it."""
        return self._paths.get(wd)

    def __len__(self) -> int:
        return len(self._wds)

    def add(self, root: bytes) -> None:
        """Watch what is beneath `root`; the caller watches that itself. Harmless if it is watched already."""
        try:
            device = os.stat(root).st_dev  # noqa: PTH116 - bytes
        except OSError:
            return
        if self._devices.get(root) != device:
            self._devices[root] = device
            self._plan(_Visit(root, device, new=False))

    def remove(self, root: bytes) -> None:
        """Watch no longer what is beneath `root` and beneath no other."""
        if self._devices.pop(root, None) is None:
            return
        for path in [one for one in self._wds if not self._is_beneath_a_root(one)]:
            self._forget(path)

    def walk_again(self) -> None:
        """Look at all trees anew: events were lost."""
        self._left.clear()
        for path in list(self._wds):
            self._forget(path)
        self._visits.clear()
        for root, device in self._devices.items():
            self._plan(_Visit(root, device, new=False))

    def ended(self, wd: int) -> None:
        """Note that the kernel has ended a watch: the directory is gone."""
        path = self._paths.pop(wd, None)
        if path is not None:
            del self._wds[path]

    def event(self, directory: bytes, event: Event) -> None:
        """Note what happened in a directory that is watched, whether in a tree or not."""
        heard = self._heard.get(event.wd)
        if heard is not None:
            heard.add(event.name)
        if not event.mask & IN_ISDIR:
            return
        device = self._device_of(directory)
        if device is None:
            return
        path = directory.rstrip(b"/") + b"/" + event.name
        if event.mask & IN_CREATE:
            self._plan(_Visit(path, device, new=True))
        elif event.mask & IN_MOVED_FROM:
            cookie = event.cookie
            self._left[cookie] = path
            self._loop.call_later(_PAIR_S, lambda: self._leave(cookie))
        elif event.mask & IN_MOVED_TO:
            old = self._left.pop(event.cookie, None)
            if old is None:
                self._plan(_Visit(path, device, new=False))
            else:
                self._rename(old, path)

    def _device_of(self, directory: bytes) -> int | None:
        """Return the file system of the tree that `directory` is in; None if it is in none."""
        while directory:
            device = self._devices.get(directory)
            if device is not None:
                return device
            directory = parent_of(directory)
        return None

    def _is_beneath_a_root(self, path: bytes) -> bool:
        return self._device_of(parent_of(path)) is not None

    # renames

    def _at_or_below(self, top: bytes) -> Iterator[bytes]:
        prefix = top + b"/"
        return (path for path in list(self._wds) if path == top or path.startswith(prefix))

    def _rename(self, old: bytes, new: bytes) -> None:
        # What was not visited yet is not found by its old name.
        self._visits = deque(
            visit._replace(path=new + visit.path[len(old) :])
            if visit.path == old or visit.path.startswith(old + b"/")
            else visit
            for visit in self._visits
        )
        for path in self._at_or_below(old):
            wd = self._wds.pop(path)
            renamed = new + path[len(old) :]
            self._wds[renamed] = wd
            self._paths[wd] = renamed

    def _leave(self, cookie: int) -> None:
        path = self._left.pop(cookie, None)
        if path is not None:
            for one in self._at_or_below(path):
                self._forget(one)

    def _forget(self, path: bytes) -> None:
        wd = self._wds.pop(path)
        del self._paths[wd]
        if not self._keeps(wd):
            self._inotify.remove(wd)

    # walking

    def _plan(self, visit: _Visit) -> None:
        if visit.new:
            self._visits.appendleft(visit)  # before more happens in it
        else:
            self._visits.append(visit)
        if not self._walking:
            self._walking = True
            self._loop.call_soon(self._walk)

    def _walk(self) -> None:
        for _ in range(_AT_A_TIME):
            if not self._visits:
                break
            visit = self._visits.popleft()
            try:
                wd = self._watch(visit)
                if wd is not None or visit.path in self._devices:
                    self._list(visit, wd)
            except OSError as error:
                _log.debug("%r: %s", visit.path, error)  # gone again, or not ours to read
        self._walking = bool(self._visits)
        if self._walking:
            self._loop.call_soon(self._walk)

    def _watch(self, visit: _Visit) -> int | None:
        """Have a directory watched and return the number of the watch; None if there is nothing more to do about it.

        Raises:
            OSError: it cannot be watched.
        """
        path = visit.path
        if path in self._wds or not self._is_beneath_a_root(path):
            return None
        status = os.lstat(path)
        if not stat.S_ISDIR(status.st_mode) or status.st_dev != visit.device:
            return None
        if len(self._wds) >= self.limit:
            self._complain("kernel change notify directories are reached")
            return None
        try:
            wd = self._inotify.add(path, WATCHED | IN_DONT_FOLLOW)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            self._complain("fs.inotify.max_user_watches is reached")
            return None
        if wd in self._paths:  # a mount shows the same directory once more
            return None
        self._wds[path] = wd
        self._paths[wd] = path
        return wd

    def _complain(self, why: str) -> None:
        if not self._complained:
            self._complained = True
            _log.warning("local changes further down in some directories go unnoticed: %s", why)

    def _list(self, visit: _Visit, wd: int | None) -> None:
        """Plan visits of the directories in the one with watch `wd`, None for a root; tell what is in a new one.

        Raises:
            OSError: it cannot be listed.
        """
        path, heard = visit.path, set[bytes]()
        with os.scandir(path) as entries:
            found = [(os.fsencode(one.name), one.is_dir(follow_symlinks=False)) for one in entries]
        if visit.new and wd is not None and found:
            self._heard[wd] = heard
            self._drain()
            del self._heard[wd]
            path = self._paths.get(wd, path)  # it may have been renamed
        for name, is_directory in found:
            if name == side_files.DIRECTORY:
                continue
            if visit.new and name not in heard:
                self._found(path, Event(-1, IN_CREATE | (IN_ISDIR if is_directory else 0), 0, name))
            if is_directory:
                self._plan(_Visit(path.rstrip(b"/") + b"/" + name, visit.device, visit.new))
