"""A log file that several processes append to: rotated by size, reopened on demand, never a reason to fail.

Each message is one `write` to a descriptor opened with O_APPEND, so lines of different processes do not mix. Whichever
process sees the file over its limit renames it to ``.old``; the others notice by the inode and follow.
A worker acts as its user most of the time: opening and renaming are done as root, writing needs no right any more.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from vfs.posix.credentials import as_root

_MODE: Final = 0o644
#: After a rotation that was not possible: so many messages to the next attempt.
_RETRY_AFTER: Final = 100


class LogFile:
    """One log file.

    Args:
        path: where it is; its directory is not created.
        max_size: bytes after which it is renamed to ``path.old``; 0 sets no limit.

    Attributes:
        lost: messages that could not be written since the last success (no space, no permission).
    """

    def __init__(self, path: str, max_size: int = 0) -> None:
        self._path = path
        self._path_of: Callable[[], str] | None = None
        self.max_size = max_size
        self.lost = 0
        self._skip_rotation = 0
        self._fd = -1
        self.reopen()

    @property
    def path(self) -> str:
        """Where it is."""
        if self._path_of is not None:
            self._path, self._path_of = self._path_of(), None
        return self._path

    @property
    def is_open(self) -> bool:
        """Whether messages go anywhere."""
        return self._fd >= 0

    def reopen(self) -> bool:
        """Open the file anew, as after somebody renamed it; False if that fails: the old file stays in use."""
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
            with as_root():
                fd = os.open(self.path, flags, _MODE)
        except OSError:
            return False
        self.close()
        self._fd = fd
        return True

    def move_to(self, path_of: Callable[[], str]) -> None:
        """Write to another file from now on; the first message asks which one, and opens it."""
        self.close()
        self._path_of = path_of

    def close(self) -> None:
        """Let the file go; the next message opens it again."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def write(self, data: bytes) -> None:
        """Append one message; a message that cannot be written is counted, nothing is raised."""
        try:
            if self._fd < 0 and not self.reopen():
                self.lost += 1
                return
            os.write(self._fd, data)
            self.lost = 0
            if self.max_size:
                self._rotate_if_large()
        except OSError:
            self.lost += 1

    def _rotate_if_large(self) -> None:
        if self._skip_rotation:
            self._skip_rotation -= 1
            return
        mine = os.fstat(self._fd)
        if mine.st_size <= self.max_size:
            return
        try:
            current = Path(self.path).lstat()
            if (current.st_dev, current.st_ino) == (mine.st_dev, mine.st_ino):
                with as_root():
                    Path(self.path).rename(f"{self.path}.old")
        except FileNotFoundError:
            pass  # renamed by another process, which will make the new one in a moment; or so do we
        except OSError:
            self._skip_rotation = _RETRY_AFTER
            return
        if not self.reopen():
            self._skip_rotation = _RETRY_AFTER
