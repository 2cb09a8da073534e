"""Where a process is reached: one unix socket per process, ``<directory>/msg/<pid>``.

The directory is closed to everybody but the server's own user, because who can write there can give orders.
A unix socket's path is limited to 107 bytes; in a longer directory it is addressed through /proc/self/fd.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

from messaging.errors import MessagingError

SOCKET_SUBDIRECTORY: Final = "msg"

_SUN_PATH_MAX: Final = 107
_LONGEST_NAME: Final = 13  # a pid and a suffix


class EndpointDirectory:
    """The directory of the sockets, made if missing.

    Raises:
        MessagingError: if somebody else could write into it.
        OSError: if it cannot be made.
    """

    __slots__ = ("_fd", "_prefix", "path")

    def __init__(self, directory: str) -> None:
        self.path = Path(directory).absolute() / SOCKET_SUBDIRECTORY
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._fd = os.open(self.path, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        status = os.fstat(self._fd)
        if status.st_uid != os.geteuid() or stat.S_IMODE(status.st_mode) & 0o077:
            self.close()
            raise MessagingError(f"{self.path} must belong to the server's user alone (mode 0700)")
        if len(os.fsencode(self.path)) + 1 + _LONGEST_NAME <= _SUN_PATH_MAX:
            self._prefix = str(self.path)
            os.close(self._fd)
            self._fd = -1
        else:
            self._prefix = f"/proc/self/fd/{self._fd}"

    def address(self, pid: int) -> str:
        """Return the ZeroMQ address of process `pid`."""
        return f"ipc://{self.local_path(str(pid))}"

    def local_path(self, name: str) -> str:
        """Return a path of socket `name` that fits a socket address, valid until `close`."""
        return f"{self._prefix}/{name}"

    def socket_path(self, pid: int) -> Path:
        """Return the path of the socket of process `pid`."""
        return self.path / str(pid)

    def close(self) -> None:
        """Forget the directory; addresses given out cannot be used any more."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
