"""Learning of the death of another process at once, by pidfd."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable

from messaging.reactor import Reactor
from messaging.server_id import ServerId, server_id_exists

_log = logging.getLogger(__name__)


class PidWatch:
    """A watch on one process: it calls back once, unless cancelled before."""

    __slots__ = ("_callback", "_fd", "_reactor")

    def __init__(self, reactor: Reactor, fd: int, callback: Callable[[], None]) -> None:
        self._reactor = reactor
        self._fd = fd
        self._callback: Callable[[], None] | None = callback
        if fd >= 0:
            reactor.add_reader(fd, self._died)
        else:
            reactor.call_later(0, self._died)  # not at once: no caller expects it inside of the call

    def _died(self) -> None:
        callback = self._callback
        self.cancel()
        if callback is not None:
            try:
                callback()
            except Exception:  # noqa: BLE001 - a callback's bug must not stop the loop
                _log.exception("action on the death of a process failed")

    def cancel(self) -> None:
        """Do not call back any more."""
        self._callback = None
        if self._fd >= 0:
            self._reactor.remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1


def watch_pid(reactor: Reactor, pid: int, callback: Callable[[], None]) -> PidWatch:
    """Call `callback` from the loop when process `pid` has died, at once if there is none.

    Raises:
        OSError: if no descriptor is left.
    """
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        fd = -1
    return PidWatch(reactor, fd, callback)


def watch_server(
    reactor: Reactor, lock_dir: str, server_id: ServerId, callback: Callable[[], None]
) -> PidWatch:
    """Call `callback` from the loop when the very process `server_id` has died, told apart from a successor.

    Raises:
        OSError: if no descriptor is left or the process cannot be checked.
    """
    if server_id.is_disconnected():
        return PidWatch(reactor, -1, callback)
    try:
        fd = os.pidfd_open(server_id.pid)
    except ProcessLookupError:
        fd = -1
    else:
        # Only now: what exists after the descriptor was opened is what the descriptor stands for.
        try:
            alive = server_id_exists(lock_dir, server_id)
        except BaseException:
            os.close(fd)
            raise
        if not alive:
            os.close(fd)
            fd = -1
    return PidWatch(reactor, fd, callback)
