"""Oplocks that local programs break, too: `kernel oplocks = yes`.

An exclusive or batch oplock is backed by a write lease of the kernel on the descriptor (fcntl(2), F_SETLEASE). When
anybody else opens the file the kernel makes him wait, or refuses if he does not want to, and sends a signal. It is
read from a signalfd in the event loop, the client is told to go down to nothing, and as soon as it has, the lease is
given back and the other's open goes on. If all that takes too long the kernel takes the lease (lease-break-time).

There is no such thing for what several may hold, so level II oplocks and leases are not granted on such a share.
Opens through the server meet the kernel's lease as well, before they come to the share modes: `wait_for_owner`. Those
of local programs they wait for, too: `KernelOplocks.pause`.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import logging
import os
import signal
import struct
from typing import TYPE_CHECKING, Final

from messaging.waiter import Waiter
from vfs.file_id import FileId
from vfs.locking import breaks
from vfs.locking.oplock import LEASE_NONE, LEASE_WRITE, OPLOCK_LEASE, STATE_OF_LEVEL, Break
from vfs.posix import credentials

if TYPE_CHECKING:
    from messaging.dbwrap.watch import Watch
    from messaging.reactor import Reactor
    from vfs.fsa.file_object import FileObject
    from vfs.volume import Volume

_log = logging.getLogger(__name__)

SIGNAL_LEASE: Final = signal.SIGRTMIN + 1
SIGNALS: Final = frozenset({SIGNAL_LEASE, signal.SIGIO})
"""What the kernel sends; SIGIO says that the queue of the other was full. No thread may have them let in."""

_INFO_SIZE: Final = 128
_INFO: Final = struct.Struct("=I16xi")
"""signalfd_siginfo: ssi_signo and ssi_fd."""
_MAX_INFOS: Final = 32
_SIGSET_SIZE: Final = 128
_FIRST_PAUSE_S: Final = 0.25

_signalfd = ctypes.CDLL(None, use_errno=True).signalfd
_signalfd.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_int)


def _open_signalfd() -> int:
    """Return a descriptor from which `SIGNALS` are read.

    Raises:
        OSError: there is none left.
    """
    mask = sum(1 << number - 1 for number in SIGNALS).to_bytes(_SIGSET_SIZE, "little")
    fd: int = _signalfd(-1, mask, os.O_NONBLOCK | os.O_CLOEXEC)
    if fd < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return fd


class KernelOplocks:
    """The kernel leases of this process.

    Args:
        reactor: where signals are waited for.

    Raises:
        OSError: no descriptor is left.
    """

    __slots__ = ("_fd", "_held", "_reactor")

    def __init__(self, reactor: Reactor) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        self._reactor = reactor
        self._held: dict[int, FileObject] = {}
        self._fd = _open_signalfd()
        reactor.add_reader(self._fd, self._signalled)

    def acquire(self, fo: FileObject) -> bool:
        """Back the oplock that `fo` is about to get; False if it cannot be had: others have the file open.

        A named stream needs no backing: local programs know nothing of it.
        """
        if fo.stream is not None:
            return True
        if fo.path_only or fo.is_directory:
            return False
        try:
            with credentials.as_root():  # the file may belong to somebody else
                fcntl.fcntl(fo.fd, fcntl.F_SETSIG, SIGNAL_LEASE)
                fcntl.fcntl(fo.fd, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        except OSError as error:
            _log.debug("%s: no kernel lease: %s", fo.name, error)
            return False
        self._held[fo.fd] = fo
        return True

    def release(self, fo: FileObject) -> None:
        """Give the lease of `fo` back, if it has one. Before others see in the share modes that the oplock is gone."""
        if self._held.get(fo.fd) is not fo:
            return
        del self._held[fo.fd]
        try:
            with credentials.as_root():
                fcntl.fcntl(fo.fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)
        except OSError as error:
            # The kernel has taken it back already, as its patience is shorter than the server's was.
            _log.debug("%s: the kernel lease is gone: %s", fo.name, error)

    def pause(self, earlier: int) -> Waiter[None]:
        """Return what to wait on before opening a file again that a local program has a lease on.

        The kernel does not say when such a lease is gone, but it is within lease-break-time. An open is given up
        after eight tries (`vfs.fsa.open`): these are 64 seconds.

        Args:
            earlier: how often the open has waited so; each time it waits twice as long.
        """
        waiter: Waiter[None] = Waiter()

        def over() -> None:
            waiter.set_result(None)

        self._reactor.call_later(_FIRST_PAUSE_S * 2**earlier, over)
        return waiter

    def close(self) -> None:
        """Wait for signals no longer."""
        self._reactor.remove_reader(self._fd)
        os.close(self._fd)

    def _signalled(self) -> None:
        try:
            infos = os.read(self._fd, _MAX_INFOS * _INFO_SIZE)
        except BlockingIOError:
            return
        for offset in range(0, len(infos), _INFO_SIZE):
            number, fd = _INFO.unpack_from(infos, offset)
            for candidate in [fd] if number == SIGNAL_LEASE else list(self._held):
                self._look_at(candidate)

    def _look_at(self, fd: int) -> None:
        """Ask the holder to give way if the lease on `fd` is being broken.

        The descriptor may have been closed since, and its number used again.
        """
        fo = self._held.get(fd)
        if fo is None or fo.fd != fd:
            return
        try:
            if fcntl.fcntl(fd, fcntl.F_GETLEASE) == fcntl.F_WRLCK:
                return
        except OSError:
            return  # the open failed after it was given the lease
        _log.debug("%s: somebody opens it beside the server", fo.name)
        breaks.ask_owner(fo, LEASE_NONE)


def is_leased(error: OSError) -> bool:
    """Tell whether an open failed because somebody has a lease of the kernel on the file."""
    return error.errno == errno.EAGAIN


def wait_for_owner(volume: Volume, path: bytes, before: Watch | None) -> Watch | None:
    """Ask who has an oplock on the file, which the kernel just refused to open, to give way.

    Args:
        volume: where the file is.
        path: on-disk spelling, relative to the share.
        before: the watch that the opener has waited on already.

    Returns:
        What to wait on; None if no open of the server is in the way any longer.

    Raises:
        OSError: the file is gone.
        DbError: the database cannot be watched.
    """
    stat = volume.backend.stat_path(path)
    file_id = FileId(stat.dev, stat.ino)
    modes = volume.share_modes
    with modes.lock(file_id) as lock:
        for entry in lock.record.entries if lock.record is not None else ():
            if entry.oplock_level == OPLOCK_LEASE or not modes.is_alive(entry.server_id):
                continue
            if STATE_OF_LEVEL.get(entry.oplock_level, LEASE_NONE) & LEASE_WRITE:
                watch = lock.watch(entry.server_id, breaks.WAIT_LIMIT_S, before)
                break
        else:
            return None
    breaks.send(modes, file_id, [Break(entry, LEASE_NONE)])
    return watch
