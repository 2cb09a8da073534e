"""Snapshots as previous versions: whoever makes them leaves them in a directory of the share, named by their time.

The options are those of Samba's module. Snapshots outside of the share, and several snapshot directories in one share,
are not served.
"""

from __future__ import annotations

import errno
import os
import time
from datetime import UTC, datetime

from vfs.fsa.snapshots import LABEL_FORMAT
from vfs.modules.base import INTERFACE_VERSION, ModuleError, ModuleOptions, VfsModule
from vfs.posix.backend import PosixBackend


class ShadowCopy2(VfsModule):
    """Finds the snapshots of a share."""

    interface_version = INTERFACE_VERSION
    options_prefix = "shadow"

    def __init__(self, next: PosixBackend, options: ModuleOptions) -> None:  # noqa: A002 - the interface's name
        super().__init__(next, options)
        directory = os.fsencode(options.expand(options.text("snapdir", ".snapshots")))
        self._directory = self.relative(directory).rstrip(b"/")
        if self._directory.startswith(b"/") or {b"", b".", b".."} & set(self._directory.split(b"/")):
            raise ModuleError(f"shadow:snapdir = {os.fsdecode(directory)} is no directory of the share")
        self._format = options.text("format", LABEL_FORMAT)
        self._localtime = options.boolean("localtime", False)
        self._oldest_first = options.text("sort", "desc").lower() == "asc"
        self.keeps_snapshots = True

    def _found(self) -> dict[int, str]:
        """Return the names of the snapshots by their times."""
        try:
            fd = self.next.open(self._directory, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            return {}
        try:
            names = self.next.names_in(fd)
        finally:
            os.close(fd)
        return {moment: name for name in names if (moment := self._moment(name)) is not None}

    def _moment(self, name: str) -> int | None:
        try:
            parsed = datetime.strptime(name, self._format)  # noqa: DTZ007 - below
        except ValueError:
            return None
        if self._localtime:
            return int(time.mktime(parsed.timetuple()))
        return int(parsed.replace(tzinfo=UTC).timestamp())

    def snapshots(self) -> list[int]:
        """Return the times of all snapshots, in the order of ``shadow:sort``.

        Raises:
            OSError: their directory cannot be read.
        """
        return sorted(self._found(), reverse=not self._oldest_first)

    def snapshot_path(self, path: bytes, moment: int) -> bytes:
        """Return where `path` of the snapshot of that time is.

        Raises:
            FileNotFoundError: there is no such snapshot.
            OSError: their directory cannot be read.
        """
        name = self._found().get(moment)
        if name is None:
            raise FileNotFoundError(errno.ENOENT, "no snapshot of that time")
        snapshot = self._directory + b"/" + os.fsencode(name)
        return snapshot + b"/" + path if path else snapshot
