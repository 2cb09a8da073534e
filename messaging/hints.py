"""Small messages that may overtake others, straight from one process to another.

A message over ZeroMQ passes a thread at either end: two threads more wake up, and some thirty system calls are made. Of
an oplock break, for which two clients wait, that is a third. But its messages only say where to look again, and need no
order. So they go as datagrams: one call to send, one to receive. What cannot go that way (the receiver's queue is full,
or it has none) goes over ZeroMQ.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

from messaging.endpoint import EndpointDirectory
from messaging.errors import MessagingError
from messaging.peers import Peers
from messaging.reactor import Reactor
from messaging.server_id import ServerId

MAX_HINT: Final = 4096
"""Bytes of the longest one."""

_MAX_CONNECTIONS: Final = 32  # a descriptor each
_KIND: Final = socket.SOCK_DGRAM | socket.SOCK_NONBLOCK


def hint_path(endpoints: EndpointDirectory, pid: int) -> Path:
    """Return the path of the socket of process `pid`."""
    return endpoints.path / _name(pid)


def _name(pid: int) -> str:
    return f"{pid}.hint"


class Hints:
    """The sockets for hints of this process.

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
        self._connected: dict[ServerId, socket.socket] = {}
        self._path = hint_path(endpoints, me.pid)
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
            data = self._inbox.recv(MAX_HINT)
        except BlockingIOError:
            return
        self._receive(data)

    def send(self, dest: ServerId, data: bytes) -> bool:
        """Send `data` to `dest`; False if it cannot go this way now. Never blocks."""
        peer = self._connected.get(dest)
        if peer is None:
            peer = self._connect(dest)
            if peer is None:
                return False
        if len(data) > MAX_HINT:
            return False
        try:
            peer.send(data)
        except BlockingIOError:
            return False
        except OSError:  # it has died
            self._connected.pop(dest).close()
            return False
        return True

    def _connect(self, dest: ServerId) -> socket.socket | None:
        peer = socket.socket(socket.AF_UNIX, _KIND)
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
        if len(self._connected) >= _MAX_CONNECTIONS:
            self._connected.pop(next(iter(self._connected))).close()
        self._connected[dest] = peer
        return peer

    def close(self) -> None:
        """Neither send nor receive any more."""
        self._reactor.remove_reader(self._inbox.fileno())
        self._inbox.close()
        self._path.unlink(missing_ok=True)
        for peer in self._connected.values():
            peer.close()
        self._connected.clear()
