"""Messages between processes, over ZeroMQ, the small and frequent ones as datagrams (`messaging.datagrams`).

Each process binds one PULL socket and connects a PUSH socket to a peer when it first writes to it. ZeroMQ
gives framing, queues that never block the sender, and reconnection; it does not tell that nobody is there.
So it is checked before each message whether the receiver lives (`messaging.peers`): a message to a dead
process is an error at once. A message is a hint all the same, as its receiver may die
with it unread: who waits for an answer also watches the peer (`Peers.watch`) or sets a time-out.

ZeroMQ costs a process two threads, eight descriptors, 0.6 MB and more than a millisecond, and most workers never
exchange a message. So a process only listens at first, on a plain socket: its first caller waits in the backlog
until ZeroMQ is made and takes that socket over (``ZMQ_USE_FD``). A context does not survive a fork, and a bus
belongs to the process that made it.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Any, Final

import msgspec
import zmq

from messaging import fdpass
from messaging.datagrams import MAX_DATAGRAM, QUEUE_LENGTH, Datagrams, datagram_path
from messaging.endpoint import EndpointDirectory
from messaging.errors import MessagingError, PeerBusy, PeerGone
from messaging.msg_types import message_name
from messaging.peers import Peers
from messaging.reactor import Reactor
from messaging.server_id import LockFile, ServerId, living_processes, remove_dead_lock_file

__all__ = ["Bus", "Handler", "MessagingError", "PeerBusy", "PeerGone", "remove_dead_process"]

_log = logging.getLogger(__name__)

Handler = Callable[[ServerId, bytes], None]

ENVELOPE_VERSION: Final = 1
MAX_POST: Final = MAX_DATAGRAM - 256  # bytes of payload, beside the envelope
MAX_MESSAGE: Final = 16 << 20  # far above any payload of ours; a damaged length must not take all memory
MAX_CONNECTIONS: Final = 32  # a connection costs two descriptors and 26 KiB
EVICTION_LINGER_MS: Final = 1000  # what is queued in a connection that has to make room is still sent
CLOSE_LINGER_MS: Final = 200  # an orderly exit waits that long for its last messages to leave
RETRY_SECONDS: Final = 1.0  # after descriptors had run out
RECONNECT_MS: Final = 20
RECONNECT_MAX_MS: Final = 2000
BACKLOG: Final = 4096
BATCH: Final = 256  # messages handled before other events get their turn
# Plain numbers: arithmetic with those of the zmq module costs more than receiving a message.
_EVENTS: Final = int(zmq.EVENTS)
_POLLIN: Final = int(zmq.POLLIN)
_NOBLOCK: Final = int(zmq.NOBLOCK)


class Envelope(msgspec.Struct, array_like=True, gc=False):
    """What travels: `receiver` is the unique id meant, so that a successor of the same pid drops it."""

    version: int
    msg_type: int
    source: ServerId
    receiver: int
    payload: bytes


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Envelope).decode


class Bus:
    """The place of this process on the bus.

    Args:
        directory: the lock directory of the server: holds ``msg/`` (sockets) and ``msg.lock/`` (lock files).
        server_id: identity of this process (`messaging.server_id.new_server_id`).
        reactor: the event loop that delivers what arrives.
        as_server: gives the calling thread the identity of the server for a while: ZeroMQ's threads, which open the
            others' sockets, keep that of the thread that made them.

    Attributes:
        others: what is known of other processes.
        exists: tells whether the very process of a server id lives.

    Raises:
        MessagingError: if the directory or the identity is not fit.
        OSError: if files cannot be made.
    """

    def __init__(
        self,
        directory: str,
        server_id: ServerId,
        reactor: Reactor,
        as_server: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        if server_id.pid != os.getpid() or not server_id.verifiable_unique_id():
            raise MessagingError("a bus wants the identity of its own process, with a unique id")
        self.directory = directory
        self.server_id = server_id
        self.reactor = reactor
        self.others = Peers(reactor, directory, server_id)
        self.exists = self.others.is_alive
        self._handlers: dict[int, Handler] = {}
        # Connections by pid and unique id, least recently used first.
        self._peers: dict[tuple[int, int], zmq.Socket[bytes]] = {}
        self._open = True
        # First the lock (nobody sweeps our socket away any more), then the socket, then the identity (whoever
        # finds us can reach us).
        self._endpoints = EndpointDirectory(directory)
        self._lock_file = LockFile(directory, server_id)
        self._as_server = as_server
        self._context: zmq.Context[zmq.Socket[bytes]] | None = None
        self._inbox: zmq.Socket[bytes] | None = None
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            self._listen()
            self._datagrams = Datagrams(self._endpoints, server_id, reactor, self.others, self._received, as_server)
        except BaseException:
            self.close()
            raise
        self._fd = self._listener.fileno()
        self._await_caller()
        self._lock_file.publish()

    def _listen(self) -> None:
        path = self._endpoints.socket_path(self.server_id.pid)
        path.unlink(missing_ok=True)  # of a dead process with our pid
        try:
            self._listener.bind(self._endpoints.local_path(str(self.server_id.pid)))
        except OSError as error:
            raise MessagingError(f"cannot listen on {path}: {error}") from error
        path.chmod(0o600)
        self._listener.listen(BACKLOG)

    def _zeromq(self) -> zmq.Context[zmq.Socket[bytes]]:
        """Return the context of this process, made at its first message in either direction.

        Raises:
            MessagingError: there are no descriptors for it.
        """
        if self._context is None:
            with self._as_server():
                context: zmq.Context[zmq.Socket[bytes]] = zmq.Context(io_threads=1)
                try:
                    context.socket(zmq.PUSH).close(0)  # the threads start with the first socket
                except zmq.ZMQError as error:
                    raise MessagingError(f"cannot start ZeroMQ: {error}") from error
            self._context = context
        return self._context

    def _await_caller(self) -> None:
        if self._open:
            self.reactor.add_reader(self._fd, self._first_caller)

    def _first_caller(self) -> None:
        """Somebody has connected: ZeroMQ takes the listening socket over, and whoever waits in its backlog."""
        self.reactor.remove_reader(self._fd)
        try:
            inbox = self._zeromq().socket(zmq.PULL)
        except (MessagingError, zmq.ZMQError) as error:
            _log.error("a message has to wait: %s", error)
            self.reactor.call_later(RETRY_SECONDS, self._await_caller)
            return
        self._inbox = inbox
        inbox.setsockopt(zmq.LINGER, 0)
        inbox.setsockopt(zmq.RCVHWM, QUEUE_LENGTH)
        inbox.setsockopt(zmq.MAXMSGSIZE, MAX_MESSAGE)
        inbox.setsockopt(zmq.USE_FD, self._listener.detach())
        inbox.bind(self._endpoints.address(self.server_id.pid))
        self._fd = int(inbox.getsockopt(zmq.FD))
        self.reactor.add_reader(self._fd, self._readable)
        self.reactor.call_later(0, self._readable)  # the descriptor tells of changes only

    # -- handlers ----------------------------------------------------------------------------------------

    def register(self, msg_type: int, handler: Handler) -> None:
        """Call ``handler(source, payload)`` for each message of `msg_type`; one handler a type.

        Raises:
            MessagingError: if the type has a handler.
        """
        if msg_type in self._handlers:
            raise MessagingError(f"{message_name(msg_type)} has a handler")
        self._handlers[msg_type] = handler

    def deregister(self, msg_type: int) -> None:
        """Ignore messages of `msg_type` from now on."""
        self._handlers.pop(msg_type, None)

    # -- sending -----------------------------------------------------------------------------------------

    def send(self, dest: ServerId, msg_type: int, payload: bytes = b"") -> None:
        """Queue a message for `dest`; never blocks.

        Raises:
            PeerGone: if that process is dead.
            PeerBusy: if it does not read.
            MessagingError: if this bus is closed or was inherited over a fork, or the check failed.
        """
        mine = self.server_id
        if not self._open or mine.pid != os.getpid():
            raise MessagingError("the bus is closed, or does not survive a fork")
        receiver = dest.verifiable_unique_id()
        if dest.pid == mine.pid and receiver in {0, mine.unique_id}:
            self.reactor.call_later(0, lambda: self._dispatch(msg_type, mine, payload))
            return
        try:
            alive = self.others.is_alive(dest)
        except OSError as error:
            raise MessagingError(f"cannot find out whether process {dest} lives: {error}") from error
        if not alive:
            self._drop(dest)
            raise PeerGone(dest)
        peer = self._peer(dest)
        try:
            peer.send(self._envelope(dest, msg_type, payload), _NOBLOCK)
        except zmq.Again:
            raise PeerBusy(dest) from None

    def hint(self, dest: ServerId, msg_type: int, payload: bytes = b"") -> None:
        """Send a small message that may overtake others; cheaper than `send`.

        Raises:
            PeerGone, PeerBusy, MessagingError: as `send`.
        """
        other = dest.pid != self.server_id.pid and self._open
        if not other or not self._datagrams.send(dest, self._envelope(dest, msg_type, payload)):
            self.send(dest, msg_type, payload)

    def post(self, dest: ServerId, msg_type: int, payload: bytes = b"") -> None:
        """Send a message that overtakes no other one posted to `dest`; cheaper than `send`.

        The order holds as long as it is not longer than `MAX_POST`, and a socket can be made.

        Raises:
            PeerGone, PeerBusy, MessagingError: as `send`.
        """
        other = dest.pid != self.server_id.pid and self._open
        if not other or not self._datagrams.post(dest, self._envelope(dest, msg_type, payload)):
            self.send(dest, msg_type, payload)

    def _envelope(self, dest: ServerId, msg_type: int, payload: bytes) -> bytes:
        return _encode(Envelope(ENVELOPE_VERSION, msg_type, self.server_id, dest.verifiable_unique_id(), payload))

    def broadcast(self, msg_type: int, payload: bytes = b"") -> int:
        """Send to every living process but this one; return how many were sent to."""
        sent = 0
        for peer in self.peers():
            try:
                self.send(peer, msg_type, payload)
            except PeerGone:
                continue  # died just now: nobody to tell
            except MessagingError as error:
                _log.warning("broadcast of %s: %s", message_name(msg_type), error)
                continue
            sent += 1
        return sent

    def peers(self) -> list[ServerId]:
        """List the living processes on the bus, without this one."""
        return [peer for peer in living_processes(self.directory) if peer.pid != self.server_id.pid]

    def _peer(self, dest: ServerId) -> zmq.Socket[bytes]:
        key = (dest.pid, dest.unique_id)
        peer = self._peers.pop(key, None)
        if peer is None:
            if len(self._peers) >= MAX_CONNECTIONS:
                self._peers.pop(next(iter(self._peers))).close(EVICTION_LINGER_MS)
            with suppress(OSError):  # then it is asked about the long way
                self.others.know(dest)
            peer = self._connect(dest.pid)
        self._peers[key] = peer
        return peer

    def _connect(self, pid: int) -> zmq.Socket[bytes]:
        peer = self._zeromq().socket(zmq.PUSH)
        peer.setsockopt(zmq.LINGER, 0)
        peer.setsockopt(zmq.SNDHWM, QUEUE_LENGTH)
        peer.setsockopt(zmq.RECONNECT_IVL, RECONNECT_MS)
        peer.setsockopt(zmq.RECONNECT_IVL_MAX, RECONNECT_MAX_MS)
        peer.connect(self._endpoints.address(pid))
        return peer

    def _drop(self, dest: ServerId) -> None:
        peer = self._peers.pop((dest.pid, dest.unique_id), None)
        if peer is not None:
            peer.close(0)

    # -- receiving ---------------------------------------------------------------------------------------

    def _readable(self) -> None:
        # ZeroMQ's descriptor signals changes of state, not messages: read until nothing is left.
        inbox = self._inbox
        for _ in range(BATCH):
            if inbox is None or not self._open:
                return
            try:
                data = inbox.recv(_NOBLOCK)
            except zmq.Again:
                return
            self._received(data)
            if inbox.closed or not int(inbox.getsockopt(_EVENTS)) & _POLLIN:
                return
        self.reactor.call_later(0, self._readable)

    def _received(self, data: bytes) -> None:
        try:
            envelope = _decode(data)
        except msgspec.DecodeError as error:
            _log.error("message that is none of ours dropped: %s", error)
            return
        if envelope.version != ENVELOPE_VERSION:
            _log.error("message of version %d from %s dropped", envelope.version, envelope.source)
        elif envelope.receiver not in {0, self.server_id.unique_id}:
            _log.info("message from %s to a former process of our pid dropped", envelope.source)
        else:
            self._dispatch(envelope.msg_type, envelope.source, envelope.payload)

    def _dispatch(self, msg_type: int, source: ServerId, payload: bytes) -> None:
        handler = self._handlers.get(msg_type) if self._open else None
        if handler is None:
            _log.debug("%s from %s: no handler", message_name(msg_type), source)
            return
        try:
            handler(source, payload)
        except Exception:  # noqa: BLE001 - a handler's bug must not stop the loop
            _log.exception("handling %s from %s failed", message_name(msg_type), source)

    # -- end ---------------------------------------------------------------------------------------------

    def statistics(self) -> dict[str, Any]:
        """Return figures for status tools."""
        return {"connections": len(self._peers), "handlers": len(self._handlers)}

    def close(self, linger_ms: int = CLOSE_LINGER_MS) -> None:
        """Leave the bus. Last messages to living processes get `linger_ms` to go out."""
        if not self._open or self.server_id.pid != os.getpid():
            return
        self._open = False
        self._lock_file.close()
        if hasattr(self, "_fd"):
            self.reactor.remove_reader(self._fd)
        self._listener.close()
        if hasattr(self, "_datagrams"):
            self._datagrams.close()
        if self._inbox is not None:
            self._inbox.close(0)
        for (pid, unique_id), peer in self._peers.items():
            alive = self.exists(ServerId(pid=pid, unique_id=unique_id))
            peer.close(linger_ms if alive else 0)
        self._peers.clear()
        self.others.close()
        if self._context is not None:
            self._context.term()
        self._endpoints.socket_path(self.server_id.pid).unlink(missing_ok=True)
        self._endpoints.close()


def remove_dead_process(directory: str, pid: int) -> bool:
    """Remove what a dead process left on the bus: its lock file and its socket; False if it lives.

    Raises:
        OSError, MessagingError: if the directory cannot be used.
    """
    endpoints = EndpointDirectory(directory)
    try:
        return remove_dead_lock_file(
            directory, pid, endpoints.socket_path(pid), fdpass.inbox_path(directory, pid), datagram_path(endpoints, pid)
        )
    finally:
        endpoints.close()
