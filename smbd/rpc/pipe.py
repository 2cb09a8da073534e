"""A named pipe in message mode ([MS-SMB2] 3.3.5.12, 3.3.5.13): DCE/RPC requests are written, answers are read."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from messaging.waiter import Waiter
from smbd.rpc.association import Association
from smbd.rpc.handles import HandleTable
from smbd.rpc.service import Call, Service
from vfs.ntstatus import (
    STATUS_BUFFER_OVERFLOW,
    STATUS_PIPE_BUSY,
    STATUS_PIPE_DISCONNECTED,
    STATUS_PIPE_EMPTY,
    STATUS_SUCCESS,
    NTStatusError,
)
from vfs.posix import credentials

if TYPE_CHECKING:
    from collections.abc import Iterable

    from smbd.auth.session_info import SessionInfo
    from smbd.rpc.context import RpcContext

#: FILE_PIPE_CONNECTED_STATE and FILE_PIPE_CLOSING_STATE ([MS-FSCC] 2.4.37).
_CONNECTED: Final = 3
_CLOSING: Final = 4
#: A client that asks on without reading is cut off when this much waits for it; no single answer is as long.
MAX_UNREAD: Final = 16 * 1024 * 1024


class Pipe:
    """One open of a pipe: every open has a conversation of its own.

    Each PDU that the services answer is one message: a read takes from the first one only.
    """

    def __init__(self, services: Iterable[Service], name: str, context: RpcContext, session: SessionInfo) -> None:
        call = Call(context, session, HandleTable())
        self._association = Association(services, f"\\PIPE\\{name}", call)
        self._messages: deque[bytes] = deque()
        self._unread = 0
        self._readers: list[Waiter[None]] = []

    def write(self, data: bytes) -> None:
        """Take bytes of requests; complete ones are answered before this returns.

        Raises:
            NTStatusError: STATUS_PIPE_DISCONNECTED after a violation of the protocol, STATUS_PIPE_BUSY if too much
                waits to be read.
        """
        if self._association.broken:
            raise NTStatusError(STATUS_PIPE_DISCONNECTED)
        # Services ask the databases and accounts of the server, which are not the caller's to open.
        credentials.become_root()
        try:
            self._association.feed(data, self._send)
        except NTStatusError:
            # An answer is lost: what follows could not be understood.
            self._association.broken = True
            raise
        if self._messages or self._association.broken:
            self._wake_readers()

    def _send(self, message: bytes) -> None:
        if self._unread > MAX_UNREAD:
            raise NTStatusError(STATUS_PIPE_BUSY, "answers are not read")
        self._messages.append(message)
        self._unread += len(message)

    def read(self, max_length: int) -> tuple[bytes, int]:
        """Return at most `max_length` bytes of the first message.

        Returns:
            The bytes, and STATUS_BUFFER_OVERFLOW if more of the message remains, else STATUS_SUCCESS.

        Raises:
            NTStatusError: STATUS_PIPE_EMPTY if there is no message, STATUS_PIPE_DISCONNECTED if there never will be.
        """
        if not self._messages:
            raise NTStatusError(STATUS_PIPE_DISCONNECTED if self._association.broken else STATUS_PIPE_EMPTY)
        message = self._messages.popleft()
        data, rest = message[:max_length], message[max_length:]
        self._unread -= len(data)
        if not rest:
            return data, STATUS_SUCCESS
        self._messages.appendleft(rest)
        return data, STATUS_BUFFER_OVERFLOW

    def readable(self) -> Waiter[None]:
        """Return what completes when `read` would not say STATUS_PIPE_EMPTY any more, or the pipe is closed.

        For clients that ask for an answer before they have asked the question, as asynchronous ones do. Another
        reader may have been faster: read again, and wait again if the pipe is still empty.
        """
        waiter: Waiter[None] = Waiter()
        if self._messages or self._association.broken:
            waiter.set_result(None)
        else:
            self._readers.append(waiter)
        return waiter

    def _wake_readers(self) -> None:
        readers, self._readers = self._readers, []
        for waiter in readers:
            waiter.set_result(None)

    def available(self) -> int:
        """Return how many bytes wait to be read."""
        return self._unread

    def peek(self) -> tuple[int, int, int, int]:
        """Return state, bytes, messages and length of the first message ([MS-FSCC] 2.3.46)."""
        state = _CLOSING if self._association.broken else _CONNECTED
        first = len(self._messages[0]) if self._messages else 0
        return state, self._unread, len(self._messages), first

    def close(self) -> None:
        """Forget what was not read."""
        self._messages.clear()
        self._unread = 0
        self._wake_readers()
