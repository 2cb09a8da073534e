"""A recycle bin: what is deleted is moved to ``recycle:repository``. The options are those of Samba's module.

Deleted for good is what is excluded by name, directory or size, what lies in the bin already, and what cannot be moved.
"""

from __future__ import annotations

import contextlib
import fnmatch
import logging
import os
import time
from typing import Final

from vfs.modules.base import INTERFACE_VERSION, ModuleError, ModuleOptions, VfsModule
from vfs.modules.side_files import hides
from vfs.posix.backend import PosixBackend
from vfs.posix.syscalls import Stat

_log = logging.getLogger(__name__)

_MODE: Final = 0o700
_VERSIONS: Final = 10000
"""More versions of one name are not kept."""


class Recycle(VfsModule):
    """Moves what is deleted."""

    interface_version = INTERFACE_VERSION

    def __init__(self, next: PosixBackend, options: ModuleOptions) -> None:  # noqa: A002 - the interface's name
        super().__init__(next, options)
        repository = options.expand(options.text("repository", ".recycle"))
        self._repository = os.fsencode(repository.strip("/"))
        if not self._repository or {b"", b".", b".."} & set(self._repository.split(b"/")):
            raise ModuleError(f"recycle:repository = {repository} is no directory of the share")
        self._keeptree = options.boolean("keeptree", False)
        self._versions = options.boolean("versions", False)
        self._touch = options.boolean("touch", False)
        self._touch_mtime = options.boolean("touch_mtime", False)
        self._minsize = options.number("minsize")
        self._maxsize = options.number("maxsize")
        self._exclude = options.words("exclude")
        self._exclude_dir = [directory.strip("/") for directory in options.words("exclude_dir")]
        self._noversions = options.words("noversions")
        self._directory_mode = options.number("directory_mode", _MODE)
        self._subdir_mode = options.number("subdir_mode", self._directory_mode)

    def unlink(self, path: bytes, parent: int | None = None) -> None:
        """Move a file to the bin, or remove it if it is not for the bin.

        Raises:
            OSError: as the next module says.
        """
        try:
            recycled = self._wanted(path) and self._recycle(path)
        except OSError as error:
            _log.warning("%r cannot be recycled and is deleted: %s", path, error)
            recycled = False
        if not recycled:
            self.next.unlink(path, parent)

    def _wanted(self, path: bytes) -> bool:
        """Tell whether a name is for the bin."""
        if (path + b"/").startswith(self._repository + b"/") or hides(path.partition(b"/")[0]):
            return False
        head, _, name = os.fsdecode(path).rpartition("/")
        return not (_matches(name, self._exclude) or any(_is_below(head, one) for one in self._exclude_dir))

    def _recycle(self, path: bytes) -> bool:
        """Move a file to the bin; False if its size keeps it out.

        Raises:
            OSError: it cannot be moved.
        """
        stat = self._status(path)
        if stat.is_symlink or stat.size < self._minsize or (self._maxsize and stat.size > self._maxsize):
            return False
        head, _, name = path.rpartition(b"/")
        directory = self._repository
        self._make(directory.split(b"/"), b"", self._directory_mode)
        if self._keeptree and head:
            self._make(head.split(b"/"), directory, self._subdir_mode)
            directory += b"/" + head
        self._move(path, directory, name)
        return True

    def _status(self, path: bytes) -> Stat:
        parent, name = self.next.open_parent(path)
        try:
            return self.next.stat_at(parent, name)
        finally:
            self.next.close_parent(parent)

    def _make(self, components: list[bytes], below: bytes, mode: int) -> None:
        """Make the directories of a path that do not exist yet."""
        for component in components:
            below = below + b"/" + component if below else component
            if not self.next.exists(below):
                with contextlib.suppress(FileExistsError):
                    self.next.mkdir(below, mode)

    def _move(self, path: bytes, directory: bytes, name: bytes) -> None:
        target = directory + b"/" + name
        versions = self._versions and not _matches(os.fsdecode(name), self._noversions)
        number = 0
        while True:
            try:
                self.next.rename(path, target, replace=not versions)
                break
            except FileExistsError:
                number += 1
                if number > _VERSIONS:
                    raise
                target = b"%s/Copy #%d of %s" % (directory, number, name)
        if self._touch or self._touch_mtime:
            self._stamp(target)

    def _stamp(self, path: bytes) -> None:
        """Note in the times of a file when it was deleted, for whoever empties the bin."""
        now = time.time_ns()
        fd = self.next.open(path, os.O_PATH)
        try:
            self.next.utimens(fd, now, now if self._touch_mtime else None)
        finally:
            os.close(fd)


def _matches(name: str, patterns: list[str]) -> bool:
    return any(fnmatch.fnmatchcase(name.lower(), pattern.lower()) for pattern in patterns)


def _is_below(path: str, pattern: str) -> bool:
    """Tell whether a directory is one that the pattern means, or lies in one."""
    components = path.split("/")
    return any(_matches("/".join(components[: end + 1]), [pattern]) for end in range(len(components)))
