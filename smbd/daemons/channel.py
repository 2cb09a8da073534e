"""What the parent and a helper daemon say to each other: small messages over a socket pair.

The parent has no place on the bus (a ZeroMQ context does not survive its forks); this is its only way to talk. One
message is one packet (SOCK_SEQPACKET), a msgpack array behind the name of its type. Neither side ever blocks.
"""

from __future__ import annotations

import errno
import logging
import socket
from collections.abc import Iterator
from typing import Final

import msgspec

_log = logging.getLogger(__name__)

_MAX_PACKET: Final = 16 * 1024
_BATCH: Final = 64
_BUFFER: Final = 1 << 20


class ChildEnded(msgspec.Struct, tag="child-ended", array_like=True, frozen=True):
    """Parent to cleanupd: a worker is gone; `clean` if it has removed its records itself."""

    pid: int
    clean: bool


class Question(msgspec.Struct, tag="question", array_like=True, frozen=True):
    """Control to parent: `topic` is one of the ``ASK_`` constants; to be answered under the same number."""

    number: int
    topic: str


class Answer(msgspec.Struct, tag="answer", array_like=True, frozen=True):
    """Parent to control: the answer to a question."""

    number: int
    text: str


class Order(msgspec.Struct, tag="order", array_like=True, frozen=True):
    """Control to parent: `what` is one of the ``ORDER_`` constants."""

    what: str
    argument: str = ""


ASK_PING: Final = "ping"
ASK_NUM_CHILDREN: Final = "num-children"
ASK_DEBUGLEVEL: Final = "debuglevel"

ORDER_RELOAD: Final = "reload-config"
ORDER_SHUTDOWN: Final = "shutdown"
ORDER_DEBUG: Final = "debug"

Message = ChildEnded | Question | Answer | Order

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Message).decode


class ChannelClosed(Exception):  # noqa: N818 - an event
    """The other side is gone."""


class Channel:
    """One end of the socket pair between parent and helper."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER)
        self._sock = sock

    @classmethod
    def pair(cls) -> tuple[Channel, Channel]:
        """Make the two ends."""
        one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        return cls(one), cls(other)

    def fileno(self) -> int:
        """Return the descriptor to watch."""
        return self._sock.fileno()

    def send(self, message: Message) -> bool:
        """Send a message; False if it was lost because the other side is dead or does not read."""
        try:
            self._sock.send(_encode(message))
        except OSError as error:
            if error.errno not in {errno.EPIPE, errno.ECONNRESET, errno.ENOTCONN}:
                _log.warning("%s was not sent: %s", message, error.strerror)
            return False
        return True

    def receive(self) -> Iterator[Message]:
        """Yield the messages that have arrived.

        Raises:
            ChannelClosed: the other side is gone and everything it said has been read.
        """
        for _ in range(_BATCH):
            try:
                data = self._sock.recv(_MAX_PACKET)
            except BlockingIOError:
                return
            except ConnectionError:
                raise ChannelClosed from None
            if not data:
                raise ChannelClosed
            try:
                yield _decode(data)
            except msgspec.DecodeError as error:
                _log.error("message of another version dropped: %s", error)

    def close(self) -> None:
        """Close this end."""
        self._sock.close()
