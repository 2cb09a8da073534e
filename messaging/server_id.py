"""Who a process is to the others: the server id, and the lock file that proves that it still lives.

A pid alone is not an identity: it is reused. So each process draws a random 64-bit unique id, writes it
into ``<lock directory>/msg.lock/<pid>`` and holds a lock on that file as long as it lives. The kernel drops
the lock at its death, however it dies; a successor with the same pid writes another unique id. Every shared
entry names its owner by `ServerId`, the number of its cluster node included, so that clustering changes no
format.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from pathlib import Path
from typing import Final

import msgspec

NONCLUSTER_VNN: Final = 0xFFFFFFFF
"""Node number of a process that belongs to no cluster."""

UNIQUE_ID_NOT_TO_VERIFY: Final = 0xFFFFFFFFFFFFFFFF
"""Unique id of an id whose process need not be checked."""

LOCK_SUBDIRECTORY: Final = "msg.lock"

_LOCK_FILE_MAX: Final = 64
_FLOCK: Final = struct.Struct("hhqqi4x")  # struct flock of 64-bit Linux: type, whence, start, length, pid
_PROBE: Final = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)


class ServerId(msgspec.Struct, frozen=True, array_like=True, order=True, gc=False):
    """Identity of one process (or one task in it) among all nodes and all times.

    Attributes:
        pid: process id on its node.
        task_id: a task inside the process, 0 for the process itself.
        vnn: node number, `NONCLUSTER_VNN` outside of a cluster.
        unique_id: random number drawn at the start of the process; 0 when it is not known.
    """

    pid: int
    task_id: int = 0
    vnn: int = NONCLUSTER_VNN
    unique_id: int = 0

    def is_disconnected(self) -> bool:
        """Whether this stands for the owner of a disconnected durable handle: no process at all."""
        return self.pid == DISCONNECTED.pid and self.task_id == DISCONNECTED.task_id

    def verifiable_unique_id(self) -> int:
        """Return the unique id that the process must show, 0 if any will do."""
        return 0 if self.unique_id == UNIQUE_ID_NOT_TO_VERIFY else self.unique_id

    def same_process(self, other: ServerId) -> bool:
        """Whether both ids name the same process, whatever the tasks."""
        return self.pid == other.pid and self.unique_id == other.unique_id and self.vnn == other.vnn

    def __str__(self) -> str:
        if self.is_disconnected():
            return "disconnected"
        text = str(self.pid) if self.vnn == NONCLUSTER_VNN else f"{self.vnn}:{self.pid}"
        return f"{text}.{self.task_id}" if self.task_id else text


DISCONNECTED: Final = ServerId(
    pid=0xFFFFFFFFFFFFFFFF, task_id=0xFFFFFFFF, vnn=NONCLUSTER_VNN, unique_id=UNIQUE_ID_NOT_TO_VERIFY
)
"""Owner of the entries of a durable handle whose client is away."""


def parse_server_id(text: str) -> ServerId:
    """Read the printed form: ``pid``, ``pid.task``, ``vnn:pid`` or ``vnn:pid.task``.

    Raises:
        ValueError: if `text` has none of these forms.
    """
    if text == "disconnected":
        return DISCONNECTED
    node, colon, rest = text.rpartition(":")
    pid, dot, task = rest.partition(".")
    numbers = [pid, *([node] if colon else []), *([task] if dot else [])]
    if not all(part.isascii() and part.isdigit() for part in numbers):
        raise ValueError(f"not a server id: {text!r}")
    return ServerId(
        pid=int(pid), task_id=int(task) if dot else 0, vnn=int(node) if colon else NONCLUSTER_VNN
    )


def new_server_id(vnn: int = NONCLUSTER_VNN) -> ServerId:
    """Draw the identity of the calling process; call it once in each process, after the fork."""
    unique_id = 0
    while unique_id in {0, UNIQUE_ID_NOT_TO_VERIFY}:
        unique_id = int.from_bytes(os.urandom(8), "little")
    return ServerId(pid=os.getpid(), vnn=vnn, unique_id=unique_id)


def _lock_path(lock_dir: str, pid: int) -> str:
    return f"{lock_dir}/{LOCK_SUBDIRECTORY}/{pid}"


class LockFile:
    """The proof of life of the calling process: held from construction to `close` or death.

    Taking it has two steps, so that nobody sees the identity before its owner can be reached: the constructor
    locks the file, `publish` writes the unique id into it.

    POSIX locks belong to the process and fall with *any* close of the file by it: nothing else in this
    process may open its own lock file (`server_id_exists` answers for the own pid without opening).

    Raises:
        OSError: if the file cannot be made.
    """

    __slots__ = ("_fd", "_pid", "path", "server_id")

    def __init__(self, lock_dir: str, server_id: ServerId) -> None:
        self.server_id = server_id
        self._pid = os.getpid()
        directory = Path(lock_dir, LOCK_SUBDIRECTORY)
        if not directory.is_dir():
            directory.mkdir(parents=True, exist_ok=True)
            # Whatever the umask: a worker that acts as its user must be able to check others.
            directory.chmod(0o755)
        self.path = _lock_path(lock_dir, server_id.pid)
        self._fd = self._take()
        _own[self.path] = server_id.unique_id

    def _take(self) -> int:
        while True:
            fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
            try:
                fcntl.lockf(fd, fcntl.LOCK_EX)  # only a sweep of dead files can be in the way, for an instant
                os.ftruncate(fd, 0)
                os.fchmod(fd, 0o644)  # the content is no secret
                if os.fstat(fd).st_nlink:
                    return fd
            except BaseException:
                os.close(fd)
                raise
            os.close(fd)  # the sweep removed the file between our open and our lock

    def publish(self) -> None:
        """Write the unique id: from now on the process exists for the others."""
        os.pwrite(self._fd, b"%d\n" % self.server_id.unique_id, 0)

    def close(self) -> None:
        """Remove the file and let the lock go; in a forked child only close the inherited descriptor."""
        if self._fd < 0:
            return
        if os.getpid() == self._pid:
            _own.pop(self.path, None)
            Path(self.path).unlink(missing_ok=True)
        os.close(self._fd)
        self._fd = -1


_own: dict[str, int] = {}
"""Lock files held by this process, which must not be opened again (see `LockFile`)."""


def _forget_own() -> None:
    _own.clear()


os.register_at_fork(after_in_child=_forget_own)


def read_unique_id(lock_dir: str, pid: int) -> int | None:
    """Return the unique id of the living process `pid`; None if it is dead or has not published one.

    Raises:
        OSError: for anything but a missing file (a check that cannot be made must not pass for a death).
    """
    path = _lock_path(lock_dir, pid)
    if path in _own:
        return _own[path]
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    try:
        holder = _FLOCK.unpack(fcntl.fcntl(fd, fcntl.F_GETLK, _PROBE))
        if holder[0] == fcntl.F_UNLCK or holder[4] != pid:
            return None
        text = os.pread(fd, _LOCK_FILE_MAX, 0).strip()
    finally:
        os.close(fd)
    return int(text) if text.isdigit() else None


def server_id_exists(lock_dir: str, server_id: ServerId) -> bool:
    """Whether the very process that `server_id` names is alive.

    Args:
        lock_dir: the directory that holds ``msg.lock``.
        server_id: with unique id 0 or `UNIQUE_ID_NOT_TO_VERIFY` any process of that pid will do.
    """
    if server_id.is_disconnected():
        return False
    found = read_unique_id(lock_dir, server_id.pid)
    if found is None:
        return False
    wanted = server_id.verifiable_unique_id()
    return wanted in {0, found}


def living_processes(lock_dir: str) -> list[ServerId]:
    """List all processes that have published themselves, the caller included, in order of pid."""
    try:
        names = [entry.name for entry in Path(lock_dir, LOCK_SUBDIRECTORY).iterdir()]
    except FileNotFoundError:
        return []
    found = []
    for pid in sorted(int(name) for name in names if name.isdigit()):
        unique_id = read_unique_id(lock_dir, pid)
        if unique_id is not None:
            found.append(ServerId(pid=pid, unique_id=unique_id))
    return found


def remove_dead_lock_file(lock_dir: str, pid: int, *also: str | Path) -> bool:
    """Remove the lock file of the dead process `pid` and the paths `also`; False if the process lives.

    The lock is held meanwhile: a new process of the same pid waits, then finds its file unlinked and makes
    another.

    Raises:
        OSError: if the files cannot be removed.
    """
    path = _lock_path(lock_dir, pid)
    if path in _own:
        return False
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return True
    try:
        fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(fd).st_nlink:
            for dead in (*also, path):
                Path(dead).unlink(missing_ok=True)
    except OSError as error:
        if error.errno in {errno.EAGAIN, errno.EACCES}:
            return False
        raise
    finally:
        os.close(fd)
    return True
