"""One request from its arrival to its response, and what handlers may return.

A handler is a function of a `Request`, plain or ``async``. It returns the body of a successful response, or
a `Reply` that also names a status; it raises `NTStatusError` to fail. The dispatcher alone writes responses.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from messaging.waiter import Waiter
from smbd.smb2 import channel_sequence
from smbd.wire.constants import (
    COMMAND_NAMES,
    SMB2_FLAGS_RELATED_OPERATIONS,
    SMB2_FLAGS_REPLAY_OPERATION,
    SMB2_RELATED_FILE_ID,
)
from vfs.ntstatus import (
    STATUS_CANCELLED,
    STATUS_FILE_CLOSED,
    STATUS_INVALID_PARAMETER,
    STATUS_SUCCESS,
    NTStatusError,
)
from vfs.posix import credentials

if TYPE_CHECKING:
    from smbd.crypto.preauth import PreauthHash
    from smbd.crypto.signing import Signer
    from smbd.smb2.compound import Chain
    from smbd.smb2.pending import Pending
    from smbd.xsrv.connection import Connection
    from smbd.xsrv.open import Open
    from smbd.xsrv.session import Session
    from smbd.xsrv.tcon import Tcon


class ProtocolViolation(Exception):  # noqa: N818 - the peer broke the rules, the server is well
    """The peer sent what costs it the connection; the text goes to the log."""


class FileRange:
    """A response body whose payload is sent straight from a file.

    Attributes:
        head: the bytes of the body before the payload.
        fd: descriptor of the file.
        offset: where the payload begins in it.
        count: its length; the caller has made sure that it exists.
    """

    __slots__ = ("count", "fd", "head", "offset")

    def __init__(self, head: bytes, fd: int, offset: int, count: int) -> None:
        self.head = head
        self.fd = fd
        self.offset = offset
        self.count = count


#: A body: bytes, or the number of bytes that lie in place already (`respond.reserve`), or a file range.
Body: TypeAlias = "bytes | bytearray | memoryview | int | FileRange"


class Reply:
    """A response with a status other than success, or with side effects on its way out.

    Attributes:
        status: NTSTATUS of the header.
        body: see `Body`.
        preauth: a hash that this response is to be chained into, once it is built.
    """

    __slots__ = ("body", "preauth", "status")

    def __init__(self, body: Body, status: int = STATUS_SUCCESS, preauth: PreauthHash | None = None) -> None:
        self.body = body
        self.status = status
        self.preauth = preauth


Result: TypeAlias = "Body | Reply"
AsyncResult: TypeAlias = Coroutine[Waiter[Any], None, Result]
#: A response, at once if nobody has to be waited for.
MaybeAsync: TypeAlias = "bytes | Reply | Coroutine[Waiter[Any], None, bytes | Reply]"


class Request(msgspec.Struct, eq=False):
    """One SMB2 request.

    Attributes:
        connection: where it came from and where its response goes.
        pdu: the message from its SMB2 header on. It lies in the receive buffer: whoever suspends must copy
            what is needed later, or call `keep`.
        sealed: the session under whose key it arrived encrypted; None if it came in the clear.
        chain: the compound it belongs to, None when it came alone.
        credit_charge ... session_id: of the header.
        session: set by the dispatcher for commands that need one, and whenever the session id is known.
        tcon: likewise for the tree connect.
        sign: the response is to be signed.
        signer: by what; None for the session's channel on this connection.
        pending: set while a suspended handler owns it.
        async_id: non-zero once an interim response went out, with all the credits of the request.
        target: the open that it names or makes; None if it does not count as outstanding there.
        outlives_channel: it goes on when its connection is lost, as long as its session has another one.
        waits_on: set by a handler before it suspends: the open whose closing ends the wait.
        status_on_close: the status that it ends with then.
    """

    connection: Connection
    pdu: memoryview
    sealed: Session | None
    chain: Chain | None
    credit_charge: int
    channel_sequence: int
    command: int
    credit_request: int
    flags: int
    message_id: int
    tree_id: int
    session_id: int
    session: Session | None = None
    tcon: Tcon | None = None
    sign: bool = False
    signer: Signer | None = None
    pending: Pending | None = None
    async_id: int = 0
    target: Open | None = None
    outlives_channel: bool = False
    waits_on: Open | None = None
    status_on_close: int = STATUS_CANCELLED

    @property
    def name(self) -> str:
        """The command's name for the log."""
        return COMMAND_NAMES[self.command] if self.command < len(COMMAND_NAMES) else str(self.command)

    @property
    def related(self) -> bool:
        """Whether it takes session, tree and file from the request before it in the compound."""
        return bool(self.flags & SMB2_FLAGS_RELATED_OPERATIONS)

    def keep(self) -> None:
        """Copy the message out of the receive buffer, before the handler suspends."""
        self.pdu = memoryview(bytes(self.pdu))

    def open(self, persistent_id: int, volatile_id: int) -> Open:
        """Return the open that the request names ([MS-SMB2] 3.3.5.2.10 and, in a compound, 3.3.5.2.7.2).

        Raises:
            NTStatusError: STATUS_FILE_CLOSED if there is no such open of this session and tree connect; the
                status of the failed CREATE for a related request behind one; STATUS_FILE_NOT_AVAILABLE for what
                comes too late over another channel.
        """
        if self.chain is not None and self.related and volatile_id == SMB2_RELATED_FILE_ID:
            related = self.chain.related_open(self)
            self._go_on_as(related, related=True)
            return related
        if self.session is None:
            raise NTStatusError(STATUS_INVALID_PARAMETER, "no session to look for the file in")
        found = self.session.opens.get(volatile_id)
        if found is None or found.persistent_id != persistent_id or found.tcon is not self.tcon:
            raise NTStatusError(STATUS_FILE_CLOSED)
        if self.chain is not None:
            self.chain.last_open = found
        if (
            self.channel_sequence != found.channel_sequence
            or self.flags & SMB2_FLAGS_REPLAY_OPERATION
            or found.token is not found.tcon.token
        ):
            self._go_on_as(found, related=False)
        else:
            self.target = found
        return found

    def _go_on_as(self, opened: Open, *, related: bool) -> None:
        """See that the request does not come too late; go on as who opened the file.

        The session may have been authenticated again as somebody else meanwhile.
        """
        self.target = opened
        if self.channel_sequence != opened.channel_sequence or self.flags & SMB2_FLAGS_REPLAY_OPERATION:
            channel_sequence.verify(self, opened, related=related)
        if self.tcon is not None and opened.token is not self.tcon.token:
            credentials.impersonate(opened.token.unix)
