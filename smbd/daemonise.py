"""Becoming a daemon, in such a way that the command that started it tells whether that worked.

The first process waits until the daemon says that it is ready, then ends with 0; if the daemon ends before, the first
process ends with its exit code. Until it is ready the daemon keeps standard error, so that its complaints are seen.
"""

from __future__ import annotations

import os
from typing import Final

_READY: Final = b"\0"
_EXIT_UNKNOWN: Final = 1


class Readiness:
    """The daemon's side: what to call when the start has worked or failed.

    Args:
        fd: write end of the pipe to the waiting process, -1 if there is none.
    """

    def __init__(self, fd: int = -1) -> None:
        self._fd = fd

    def ready(self) -> None:
        """Let the waiting process end well, and let the terminal go."""
        if self._fd < 0:
            return
        null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        for standard in (0, 1, 2):
            os.dup2(null, standard)
        os.close(null)
        os.write(self._fd, _READY)
        os.close(self._fd)
        self._fd = -1


def daemonise() -> Readiness:
    """Go on in a new process without terminal; return in the daemon only.

    The process that called ends when the daemon has called `Readiness.ready`, or has ended.

    Raises:
        OSError: a process cannot be made.
    """
    read_end, write_end = os.pipe2(os.O_CLOEXEC)
    pid = os.fork()
    if pid:
        os.close(write_end)
        os._exit(_wait_for(read_end, pid))
    os.close(read_end)
    os.setsid()
    os.chdir("/")
    null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    os.dup2(null, 0)
    os.close(null)
    return Readiness(write_end)


def _wait_for(read_end: int, pid: int) -> int:
    if os.read(read_end, 1) == _READY:
        return 0
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status) or _EXIT_UNKNOWN
