"""The pid file: says which process is the server, and keeps a second one from starting.

The proof is a lock on the file, which dies with its holder; the number in it is for people and scripts. So a file left
by a crash is never in the way, even if another program has its pid by now. The file is made under another name and
renamed: nobody ever reads it half written.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import signal
import time
from pathlib import Path
from typing import Final

_MODE: Final = 0o644
_MAX_LENGTH: Final = 32
#: Seconds between looks whether the holder has ended.
_PAUSE: Final = 0.05


class PidFileBusyError(Exception):
    """Another process holds the pid file.

    Attributes:
        pid: that process, 0 if it has not written its number yet.
    """

    def __init__(self, path: str, pid: int) -> None:
        who = f"process {pid}" if pid else "another process"
        super().__init__(f"already running: {who} holds {path}")
        self.pid = pid


class PidFile:
    """The pid file of this process, held from `acquire` to `release` or death.

    The lock belongs to the process: a daemon forks first and acquires then.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._fd = -1

    def acquire(self) -> None:
        """Take the file and write the own pid into it.

        Raises:
            PidFileBusyError: a living process holds it.
            OSError: the file cannot be made.
        """
        while self._fd < 0:
            old = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, _MODE)
            try:
                self._lock_or_refuse(old)
                # Another one may have replaced the file between our open and our lock: then look again.
                if _same_file(old, self.path):
                    self._fd = self._replace()
            finally:
                os.close(old)

    def inherit(self, holder: int, patience: float) -> None:
        """Stop the process that holds the file, and take it.

        Args:
            holder: the process.
            patience: seconds that it gets.

        Raises:
            PidFileBusyError: it does not end.
            OSError: it cannot be stopped, or the file cannot be made.
        """
        with contextlib.suppress(ProcessLookupError):
            os.kill(holder, signal.SIGTERM)
        deadline = time.monotonic() + patience
        while self._fd < 0:
            try:
                self.acquire()
            except PidFileBusyError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(_PAUSE)

    def _lock_or_refuse(self, fd: int) -> None:
        try:
            fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in {errno.EAGAIN, errno.EACCES}:
                raise
            raise PidFileBusyError(self.path, _parse(os.pread(fd, _MAX_LENGTH, 0))) from None

    def _replace(self) -> int:
        """Put a new, locked file in place of the one that is locked now."""
        temporary = f"{self.path}.{os.getpid()}"
        fd = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, _MODE)
        try:
            fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.write(fd, b"%d\n" % os.getpid())
            Path(temporary).rename(self.path)
        except BaseException:
            os.close(fd)
            Path(temporary).unlink(missing_ok=True)
            raise
        return fd

    def release(self) -> None:
        """Remove the file and let the lock go; harmless when it is not held."""
        if self._fd < 0:
            return
        if _same_file(self._fd, self.path):
            Path(self.path).unlink(missing_ok=True)
        self.close()

    def fileno(self) -> int:
        """Return the descriptor of the file; -1 while it is not held."""
        return self._fd

    def close(self) -> None:
        """Only close the descriptor: what a forked child does with the one it inherited."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def running_pid(path: str) -> int:
    """Return the pid of the living process that holds the pid file, 0 if there is none.

    Raises:
        OSError: if the file is there but cannot be read.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return 0
    try:
        pid = _parse(os.pread(fd, _MAX_LENGTH, 0))
        fcntl.lockf(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in {errno.EAGAIN, errno.EACCES}:
            return pid
        raise
    finally:
        os.close(fd)
    return 0


def _same_file(fd: int, path: str) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), Path(path).lstat())
    except FileNotFoundError:
        return False


def _parse(content: bytes) -> int:
    text = content.strip()
    return int(text) if text.isdigit() else 0
