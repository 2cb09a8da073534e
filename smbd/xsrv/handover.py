"""One process for all connections of a client: a connection is passed to the worker that serves its ClientGuid.

A session can run over several connections ([MS-SMB2] 3.3.5.5.2), so these have to end in one process. The fork
comes before the first byte, hence a worker may find in NEGOTIATE that another one has that client. It then gives
its socket away, together with the unanswered NEGOTIATE, and ends; the other answers. The order is:

1. the giver stops reading, and sends socket and message to the other's `FdInbox`;
2. it asks over the bus to take them;
3. the other takes them, if it still serves anybody, and says so;
4. the giver closes its socket, or serves the client itself.

If no answer comes, nobody knows who has the connection, and the giver closes it: two must never serve it.
"""

from __future__ import annotations

import logging
import socket
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import msgspec

from messaging import fdpass
from messaging.errors import MessagingError
from messaging.irpc import IrpcTimeout
from messaging.server_id import ServerId

if TYPE_CHECKING:
    from smbd.context import ServerContext
    from smbd.xsrv.connection import Connection

_log = logging.getLogger(__name__)

OPERATION: Final = "smbXsrv_connection_pass"
_TAKEN: Final = b"taken"
_REFUSED: Final = b"refused"
#: Seconds that the other worker gets; a worker that is not stuck answers within milliseconds.
_PATIENCE: Final = 5.0
_FRAME: Final = struct.Struct(">I")


class Handover(msgspec.Struct, array_like=True, gc=False):
    """What goes along with the socket.

    Attributes:
        message_id: of the NEGOTIATE; those before it were used.
        received: the frame with the NEGOTIATE, as it was received.
    """

    message_id: int
    received: bytes


#: Takes over a socket; False if there is nothing any more that it could be added to.
Adopt = Callable[[socket.socket, Handover], bool]

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Handover).decode


class Reception:
    """Receives the connections that other workers pass on.

    Args:
        ctx: of this worker.
        adopt: what becomes of them; None takes none.
    """

    def __init__(self, ctx: ServerContext, adopt: Adopt | None) -> None:
        self._ctx = ctx
        self._adopt = adopt
        self._inbox: fdpass.FdInbox | None = None
        ctx.irpc.register(OPERATION, self._take)

    def open(self) -> None:
        """Be reachable: to be called before others learn that this worker serves the client.

        Raises:
            MessagingError, OSError: the inbox cannot be made.
        """
        if self._inbox is None:
            self._inbox = fdpass.FdInbox(self._ctx.databases.lock_directory)

    def _take(self, source: ServerId, _payload: bytes) -> bytes:
        passed = self._inbox.take(source.pid) if self._inbox is not None else None
        if passed is None or self._adopt is None:
            return _REFUSED
        sock = socket.socket(fileno=passed.fd)
        try:
            taken = self._adopt(sock, _decode(passed.data))
        except (OSError, msgspec.DecodeError) as error:
            # The client went away meanwhile, or it is no connection at all.
            _log.info("connection passed on by process %s: %s", source, error)
            taken = False
        if not taken:
            sock.close()
        return _TAKEN if taken else _REFUSED

    def close(self) -> None:
        """Take no more."""
        self._ctx.irpc.deregister(OPERATION)
        if self._inbox is not None:
            self._inbox.close()
            self._inbox = None


async def pass_on(connection: Connection, owner: ServerId, message_id: int, negotiate: bytes) -> bool:
    """Pass `connection` with its unanswered NEGOTIATE to the worker `owner`.

    Returns:
        Whether the connection is gone from this process: closed here, and usually open there.
    """
    ctx, transport = connection.ctx, connection.transport
    handover = Handover(message_id, _FRAME.pack(len(negotiate)) + negotiate)
    transport.pause()
    try:
        fdpass.give(ctx.databases.lock_directory, owner.pid, transport.fileno(), _encode(handover))
        answer = await ctx.irpc.call(owner, OPERATION, timeout=_PATIENCE)
    except IrpcTimeout as error:
        _log.warning("%s: nobody knows whether process %s took it: %s", connection, owner, error)
        transport.close("lost on the way to another process")
        return True
    except (MessagingError, ValueError) as error:
        answer = _REFUSED
        _log.info("%s: process %s does not take it: %s", connection, owner, error)
    if transport.closed:
        return True
    if answer == _TAKEN:
        transport.close(f"passed on to process {owner}")
        return True
    transport.resume()
    return False
