"""What comes back: one response of the server, and the request that waits for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, Self, TypeVar

from smbd.wire.constants import SMB2_FLAGS_SIGNED
from smbd.wire.header import Header
from tests.smbxcli.errors import StatusError
from vfs.ntstatus import STATUS_SUCCESS

if TYPE_CHECKING:
    from tests.smbxcli.connection import Connection
    from tests.smbxcli.session import Session


class _Unpackable(Protocol):
    @classmethod
    def unpack(cls, pdu: memoryview) -> Self: ...


_Body = TypeVar("_Body", bound=_Unpackable)


class Response:
    """One message of the server.

    Attributes:
        header: its SMB2 header.
        pdu: the whole message, from the header to its end.
        sealed: it came encrypted.
        verified: its signature was checked and is right; None if it was not signed or there was no key yet.
    """

    def __init__(self, header: Header, pdu: memoryview, *, sealed: bool) -> None:
        self.header = header
        self.pdu = pdu
        self.sealed = sealed
        self.verified: bool | None = None

    @property
    def status(self) -> int:
        """The NTSTATUS."""
        return self.header.status

    @property
    def signed(self) -> bool:
        """Whether the SIGNED flag is set."""
        return bool(self.header.flags & SMB2_FLAGS_SIGNED)

    @property
    def body_bytes(self) -> memoryview:
        """Everything after the header."""
        return self.pdu[64:]

    def check(self, *allowed: int) -> Response:
        """Return the response itself if its status is success or one of ``allowed``.

        Raises:
            StatusError: it is not.
        """
        if self.status != STATUS_SUCCESS and self.status not in allowed:
            raise StatusError(self.status, self.header.command)
        return self

    def body(self, kind: type[_Body], *allowed: int) -> _Body:
        """Unpack the body of a successful response.

        Raises:
            StatusError: its status is neither success nor one of ``allowed``.
            WireError: the body is malformed.
        """
        self.check(*allowed)
        return kind.unpack(self.pdu)


class Pending:
    """A request on its way.

    Attributes:
        message_id: its id.
        command: its command.
        session: the session it was sent in, if any.
        async_id: what the interim response said; 0 before.
        interim: the interim responses (STATUS_PENDING) so far.
        response: the final response, or None.
    """

    def __init__(self, connection: Connection, header: Header, session: Session | None) -> None:
        self._connection = connection
        self.message_id = header.message_id
        self.command = header.command
        self.session = session
        self.signed = bool(header.flags & SMB2_FLAGS_SIGNED)
        self.async_id = 0
        self.interim: list[Response] = []
        self.response: Response | None = None

    def recv(self, timeout: float | None = None) -> Response:
        """Return the final response, reading from the connection until it is there.

        Raises:
            ConnectionLostError: the server closed the connection.
            ReplyTimeoutError: it did not come within ``timeout`` seconds (default: the connection's).
            ProtocolViolationError: the server broke the protocol while we read.
        """
        self._connection.pump_until(lambda: self.response is not None, timeout)
        if self.response is None:
            raise AssertionError("pump_until returned too early")
        return self.response

    def recv_interim(self, timeout: float | None = None) -> Response | None:
        """Wait for an interim response; None if the final one came instead.

        Raises:
            ConnectionLostError: the server closed the connection.
            ReplyTimeoutError: neither came within ``timeout`` seconds.
        """
        self._connection.pump_until(lambda: bool(self.interim or self.response), timeout)
        return self.interim[0] if self.interim else None

    def cancel(self) -> None:
        """Send CANCEL for this request ([MS-SMB2] 3.2.4.24)."""
        self._connection.cancel(self)
