"""Handing an open descriptor to another process of the server.

The receiver has a datagram socket beside its place on the bus, ``<directory>/msg/<pid>.fd``; the giver sends one
datagram with the descriptor (SCM_RIGHTS) and whatever belongs to it. Three things keep strangers out: nobody but
the server's own user may enter the directory, the kernel tells who sent each datagram (SCM_CREDENTIALS), and the
receiver takes only what a process has announced over the bus.

The datagram is in the receiver's queue when `give` returns, so the announcement never comes before it.
"""

from __future__ import annotations

import array
import os
import socket
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec

from messaging.endpoint import EndpointDirectory
from messaging.errors import MessagingError

MAX_DATA: Final = 64 * 1024
"""Bytes that may go along with a descriptor."""

PATIENCE_S: Final = 2.0
"""How long a receiver may leave its queue full."""

_UCRED: Final = struct.Struct("iII")
_MAX_FDS: Final = 4  # one is expected; room for more, so that none can be lost unnoticed
_FD_SIZE: Final = array.array("i").itemsize
_ANCILLARY: Final = socket.CMSG_SPACE(_UCRED.size) + socket.CMSG_SPACE(_MAX_FDS * _FD_SIZE)


class Passed(msgspec.Struct, frozen=True, gc=False):
    """What arrived.

    Attributes:
        fd: the descriptor; whoever takes this owns it.
        data: what the giver sent along.
    """

    fd: int
    data: bytes


def inbox_path(directory: str, pid: int) -> Path:
    """Return the path of the inbox of process `pid`."""
    return Path(directory).absolute() / "msg" / _inbox_name(pid)


def _inbox_name(pid: int) -> str:
    return f"{pid}.fd"


class FdInbox:
    """Where this process receives descriptors.

    Args:
        directory: the lock directory, as for `messaging.bus.Bus`.

    Raises:
        MessagingError: if somebody else could write into the directory.
        OSError: if the socket cannot be made.
    """

    def __init__(self, directory: str) -> None:
        self._pid = os.getpid()
        self._uid = os.geteuid()  # who serves a client may be somebody else when `take` is called
        self._path = inbox_path(directory, self._pid)
        self._arrived: dict[int, Passed] = {}
        endpoints = EndpointDirectory(directory)
        try:
            self._path.unlink(missing_ok=True)  # of a dead process with our pid
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
            try:
                # From the first datagram on, the kernel says who sent it.
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
                self._socket.bind(endpoints.local_path(_inbox_name(self._pid)))
                self._path.chmod(0o600)
            except BaseException:
                self._socket.close()
                raise
        finally:
            endpoints.close()

    def take(self, pid: int) -> Passed | None:
        """Return what process `pid` has given, None if nothing has arrived from it."""
        while self._receive():
            pass
        return self._arrived.pop(pid, None)

    def _receive(self) -> bool:
        try:
            data, ancillary, flags, _ = self._socket.recvmsg(MAX_DATA, _ANCILLARY, socket.MSG_CMSG_CLOEXEC)
        except BlockingIOError:
            return False
        fds = array.array("i")
        pid = uid = -1
        for level, kind, content in ancillary:
            if level != socket.SOL_SOCKET:
                continue
            if kind == socket.SCM_RIGHTS:
                fds.frombytes(content[: len(content) - len(content) % _FD_SIZE])
            elif kind == socket.SCM_CREDENTIALS and len(content) == _UCRED.size:
                pid, uid, _gid = _UCRED.unpack(content)
        whole = not flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC)
        if len(fds) != 1 or uid != self._uid or not whole:
            _close_all(fds)
            return True
        former = self._arrived.pop(pid, None)
        if former is not None:
            os.close(former.fd)
        self._arrived[pid] = Passed(fds[0], data)
        return True

    def close(self) -> None:
        """Receive no more; what was not taken is closed."""
        if self._pid != os.getpid():
            return
        while self._receive():
            pass
        _close_all(passed.fd for passed in self._arrived.values())
        self._arrived.clear()
        self._socket.close()
        self._path.unlink(missing_ok=True)


def _close_all(fds: Iterable[int]) -> None:
    for fd in fds:
        os.close(fd)


def give(directory: str, pid: int, fd: int, data: bytes, patience: float = PATIENCE_S) -> None:
    """Send descriptor `fd` and `data` to process `pid`. The descriptor stays open here.

    The kernel keeps few datagrams for a receiver (`net.unix.max_dgram_qlen`), fewer than a client may have connections,
    so this waits for room, for `patience` seconds at most.

    Raises:
        MessagingError: that process takes no descriptors, or does not come to it.
        ValueError: more than `MAX_DATA` bytes.
    """
    if len(data) > MAX_DATA:
        raise ValueError(f"{len(data)} bytes with a descriptor, {MAX_DATA} are possible")
    endpoints = EndpointDirectory(directory)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.settimeout(patience)
            sender.connect(endpoints.local_path(_inbox_name(pid)))
            sender.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))])
    except OSError as error:
        raise MessagingError(f"cannot give a descriptor to process {pid}: {error}") from error
    finally:
        endpoints.close()
