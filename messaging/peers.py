"""The processes that this one deals with: whether they live, and learning of their death at once.

To ask the lock file of a process (`messaging.server_id`) takes four system calls. A process that one sends messages to,
or waits for, is asked about again and again: it is looked at through a pidfd that stays open, which takes one.
"""

from __future__ import annotations

import logging
import os
import select
from collections.abc import Callable
from typing import Final

from messaging.reactor import Reactor
from messaging.server_id import ServerId, server_id_exists

_log = logging.getLogger(__name__)

MAX_PEERS: Final = 32  # one descriptor each; as many as the bus has connections


class PeerWatch:
    """A watch on one process: it calls back once, unless cancelled before."""

    __slots__ = ("_callback", "_watches")

    def __init__(self, watches: list[PeerWatch], callback: Callable[[], None]) -> None:
        self._watches = watches
        self._callback: Callable[[], None] | None = callback
        watches.append(self)

    def died(self) -> None:
        """Call back, from the loop."""
        callback, self._callback = self._callback, None
        if callback is not None:
            try:
                callback()
            except Exception:  # noqa: BLE001 - a callback's bug must not stop the loop
                _log.exception("action on the death of a process failed")

    def cancel(self) -> None:
        """Do not call back any more."""
        if self._callback is not None:
            self._callback = None
            self._watches.remove(self)


class _Peer:
    """A known process: the descriptor it is looked at through, and who wants to know of its death."""

    __slots__ = ("fd", "has_ended", "watches")

    def __init__(self, fd: int) -> None:
        self.fd = fd
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        self.has_ended = poll.poll
        self.watches: list[PeerWatch] = []


class Peers:
    """What this process knows of others.

    Args:
        reactor: tells of deaths.
        directory: the lock directory.
        server_id: this process.
    """

    __slots__ = ("_directory", "_known", "_me", "_reactor")

    def __init__(self, reactor: Reactor, directory: str, server_id: ServerId) -> None:
        self._reactor = reactor
        self._directory = directory
        self._me = server_id
        self._known: dict[ServerId, _Peer] = {}

    def is_alive(self, server_id: ServerId) -> bool:
        """Tell whether the very process that `server_id` names lives.

        Raises:
            OSError: that cannot be found out.
        """
        peer = self._known.get(server_id)
        if peer is not None:
            return not peer.has_ended(0)
        return server_id == self._me or server_id_exists(self._directory, server_id)

    def know(self, server_id: ServerId) -> _Peer | None:
        """Keep an eye on a process from now on; None if it is dead.

        Raises:
            OSError: no descriptor is left, or it cannot be checked.
        """
        peer = self._known.get(server_id)
        if peer is not None or server_id.is_disconnected():
            return peer
        try:
            fd = os.pidfd_open(server_id.pid)
        except ProcessLookupError:
            return None
        # Only now: what exists after the descriptor was opened is what the descriptor stands for.
        try:
            alive = server_id_exists(self._directory, server_id)
        except BaseException:
            os.close(fd)
            raise
        if not alive:
            os.close(fd)
            return None
        self._make_room()
        peer = self._known[server_id] = _Peer(fd)
        self._reactor.add_reader(fd, lambda: self._ended(server_id))
        return peer

    def watch(self, server_id: ServerId, callback: Callable[[], None]) -> PeerWatch:
        """Call `callback` from the loop when the very process `server_id` has died, at once if it is dead.

        Raises:
            OSError: as `know`.
        """
        peer = self._known.get(server_id) or self.know(server_id)
        if peer is not None:
            return PeerWatch(peer.watches, callback)
        watch = PeerWatch([], callback)
        self._reactor.call_later(0, watch.died)  # not at once: no caller expects it inside of the call
        return watch

    def _make_room(self) -> None:
        if len(self._known) >= MAX_PEERS:
            idle = next((one for one, peer in self._known.items() if not peer.watches), None)
            if idle is not None:
                self._forget(idle)

    def _forget(self, server_id: ServerId) -> list[PeerWatch]:
        peer = self._known.pop(server_id)
        self._reactor.remove_reader(peer.fd)
        os.close(peer.fd)
        return peer.watches

    def _ended(self, server_id: ServerId) -> None:
        for watch in list(self._forget(server_id)):
            watch.died()

    def close(self) -> None:
        """Look at nobody any more."""
        for server_id in list(self._known):
            self._forget(server_id)
