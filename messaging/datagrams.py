"""Small messages straight from one process to another.

A message over ZeroMQ passes a thread at either end: two threads more wake up, and some thirty system calls are made. Of
an oplock break, for which two clients wait, that is a third. A datagram on a connected unix socket takes one call to
send and one to receive, and all that reach a process stand in one queue, in the order in which they were sent. That
queue is short (net.unix.max_dgram_qlen, ten by default). When it is full, `Datagrams.send` gives up, for what may
overtake others goes over ZeroMQ then; `Datagrams.post` keeps what has an order until there is room.
"""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

from messaging.endpoint import EndpointDirectory
from messaging.errors import MessagingError, PeerBusy
from messaging.peers import Peers
from messaging.reactor import Reactor
from messaging.server_id import ServerId

MAX_DATAGRAM: Final = 32 * 1024
"""Bytes of the longest one."""
QUEUE_LENGTH: Final = 256  # messages for one receiver: hundreds unread mean that it is stuck

_MAX_CONNECTIONS: Final = 32  # a descriptor each
_KIND: Final = socket.SOCK_DGRAM | socket.SOCK_NONBLOCK


def datagram_path(endpoints: EndpointDirectory, pid: int) -> Path:
    """Return the path of the socket of process `pid`."""
    return endpoints.path / _name(pid)


def _name(pid: int) -> str:
    return f"{pid}.dgram"


class _Channel:
    """The way to one process, and what waits for room there."""

    __slots__ = ("socket", "waiting")

    def __init__(self, connected: socket.socket) -> None:
        self.socket = connected
        self.waiting: deque[bytes] = deque()


class Datagrams:
    """The sockets for datagrams of this process.

    Args:
        endpoints: where the sockets are.
        me: this process.
        reactor: delivers what arrives.
        others: tells who lives.
        receive: takes what arrives.
        as_server: gives the identity of the server for a while, which may connect to the others.

    Raises:
        MessagingError: the own socket cannot be made.
    """

    def __init__(
        self,
        endpoints: EndpointDirectory,
        me: ServerId,
        reactor: Reactor,
        others: Peers,
        receive: Callable[[bytes], None],
        as_server: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self._endpoints = endpoints
        self._others = others
        self._receive = receive
        self._as_server = as_server
        self._reactor = reactor
        self._channels: dict[ServerId, _Channel] = {}
        self._path = datagram_path(endpoints, me.pid)
        self._inbox = socket.socket(socket.AF_UNIX, _KIND)
        try:
            self._path.unlink(missing_ok=True)  # of a dead process with our pid
            self._inbox.bind(endpoints.local_path(_name(me.pid)))
            self._path.chmod(0o600)
        except OSError as error:
            self._inbox.close()
            raise MessagingError(f"cannot receive at {self._path}: {error}") from error
        reactor.add_reader(self._inbox.fileno(), self._readable)

    def _readable(self) -> None:
        try:
            data = self._inbox.recv(MAX_DATAGRAM)
        except BlockingIOError:
            return
        self._receive(data)

    def send(self, dest: ServerId, data: bytes) -> bool:
        """Send `data` to `dest` now; False if it cannot go this way. Never blocks."""
        channel = self._channels.get(dest) or self._connect(dest)
        if channel is None or len(data) > MAX_DATAGRAM:
            return False
        try:
            channel.socket.send(data)
        except BlockingIOError:
            return False
        except OSError:  # it has died
            self._drop(dest)
            return False
        return True

    def post(self, dest: ServerId, data: bytes) -> bool:
        """Send `data` to `dest` behind all that was posted before; False if it cannot go this way. Never blocks.

        Raises:
            PeerBusy: too much waits already.
        """
        channel = self._channels.get(dest) or self._connect(dest)
        if channel is None or len(data) > MAX_DATAGRAM:
            return False
        waiting = channel.waiting
        if not waiting:
            try:
                channel.socket.send(data)
            except BlockingIOError:
                self._reactor.add_writer(channel.socket.fileno(), lambda: self._writable(dest))
            except OSError:  # it has died
                self._drop(dest)
                return False
            else:
                return True
        elif len(waiting) >= QUEUE_LENGTH:
            raise PeerBusy(dest)
        waiting.append(data)
        return True

    def _writable(self, dest: ServerId) -> None:
        channel = self._channels[dest]
        try:
            while channel.waiting:
                channel.socket.send(channel.waiting[0])
                channel.waiting.popleft()
        except BlockingIOError:
            return
        except OSError:  # it has died
            self._drop(dest)
            return
        self._reactor.remove_writer(channel.socket.fileno())

    def _connect(self, dest: ServerId) -> _Channel | None:
        try:
            peer = socket.socket(socket.AF_UNIX, _KIND)
        except OSError:  # no descriptor is left
            return None
        try:
            with self._as_server():
                peer.connect(self._endpoints.local_path(_name(dest.pid)))
            # Only now: whose socket it is that lives after we have connected to it.
            alive = self._others.is_alive(dest)
        except OSError:
            alive = False
        if not alive:
            peer.close()
            return None
        if len(self._channels) >= _MAX_CONNECTIONS:
            channels = self._channels
            self._drop(next((one for one in channels if not channels[one].waiting), next(iter(channels))))
        channel = self._channels[dest] = _Channel(peer)
        return channel

    def _drop(self, dest: ServerId) -> None:
        channel = self._channels.pop(dest)
        if channel.waiting:
            self._reactor.remove_writer(channel.socket.fileno())
        channel.socket.close()

    def close(self) -> None:
        """Neither send nor receive any more."""
        self._reactor.remove_reader(self._inbox.fileno())
        self._inbox.close()
        self._path.unlink(missing_ok=True)
        for dest in list(self._channels):
            self._drop(dest)
