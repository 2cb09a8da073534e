"""Side files: where the contents of streams live that an extended attribute cannot hold.

They lie in one hidden directory beneath the share's root that only the server may enter. The name of a side file
begins with the inode of the file it belongs to and ends in a random number; the extended attribute of the stream
holds that name, so whoever holds a name was allowed to read the attribute.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
from typing import TYPE_CHECKING, Final

from vfs.posix import credentials

if TYPE_CHECKING:
    from vfs.posix.backend import PosixBackend
    from vfs.posix.syscalls import Stat

DIRECTORY: Final = b".pysmbd.streams"
DIRECTORY_NAME: Final = DIRECTORY.decode()
_DIRECTORY_MODE: Final = 0o700
_FILE_MODE: Final = 0o600
_NAME: Final = re.compile(rb"([0-9a-f]{1,16})-[0-9a-f]{32}")
_FLAGS: Final = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def hides(path: bytes) -> bool:
    """Tell whether the share-relative `path`, in any spelling, leads to the directory of the side files."""
    return path[:1] == b"." and path.partition(b"/")[0].lower() == DIRECTORY


def owner_of(name: bytes) -> int | None:
    """Return the inode of the file that the side file `name` was made for; None if that is no such name."""
    match = _NAME.fullmatch(name)
    return int(match[1], 16) if match is not None else None


class SideFiles:
    """The side files of one share; access is decided by the file they belong to, so all happens as root."""

    __slots__ = ("_backend",)

    def __init__(self, backend: PosixBackend) -> None:
        self._backend = backend

    def open(self, name: bytes) -> int:
        """Return a descriptor for reading and writing.

        Raises:
            OSError: as the kernel says, ENOENT if it is not there.
        """
        with credentials.as_root():
            return self._backend.open(DIRECTORY + b"/" + name, os.O_RDWR | _FLAGS)

    def stat(self, name: bytes) -> Stat | None:
        """Return the status of a side file, None if it is not there.

        Raises:
            OSError: any other failure.
        """
        with credentials.as_root():
            try:
                return self._backend.stat_path(DIRECTORY + b"/" + name)
            except FileNotFoundError:
                return None

    def create(self, base: Stat) -> tuple[bytes, int]:
        """Make an empty side file for the file with status `base`; its owner pays for the space.

        Returns:
            Its name and a descriptor for reading and writing.

        Raises:
            OSError: as the kernel says.
        """
        name = b"%x-%s" % (base.ino, secrets.token_hex(16).encode())
        path = DIRECTORY + b"/" + name
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | _FLAGS
        with credentials.as_root():
            try:
                fd = self._backend.open(path, flags, _FILE_MODE)
            except FileNotFoundError:
                with contextlib.suppress(FileExistsError):
                    self._backend.mkdir(DIRECTORY, _DIRECTORY_MODE)
                fd = self._backend.open(path, flags, _FILE_MODE)
            if credentials.can_switch():
                os.fchown(fd, base.uid, base.gid)
        return name, fd

    def remove(self, name: bytes) -> None:
        """Remove a side file, which may be gone already.

        Raises:
            OSError: as the kernel says.
        """
        with credentials.as_root(), contextlib.suppress(FileNotFoundError):
            self._backend.unlink(DIRECTORY + b"/" + name)
