"""One connection: requests in any number and order, responses sorted to them.

Nothing runs in the background. ``send`` puts a request on the wire and returns a ``Pending``; any ``recv``
reads frames and hands every response in them to its own pending request, so that many can be outstanding and
be asked for in any order.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, Unpack

from typing_extensions import TypedDict

from smbd.crypto.preauth import PreauthHash
from smbd.crypto.sealing import SealError
from smbd.wire.cancel import CancelRequest
from smbd.wire.constants import (
    SMB2_CANCEL,
    SMB2_DIALECT_2FF,
    SMB2_DIALECT_202,
    SMB2_ECHO,
    SMB2_FLAGS_ASYNC_COMMAND,
    SMB2_FLAGS_SERVER_TO_REDIR,
    SMB2_FLAGS_SIGNED,
    SMB2_NEGOTIATE,
    SMB2_PROTOCOL_ID,
    SMB2_RELATED_SESSION_ID,
    SMB2_TRANSFORM_HEADER_SIZE,
    SMB2_TRANSFORM_PROTOCOL_ID,
    SMB2_UNSOLICITED_MESSAGE_ID,
)
from smbd.wire.echo import EchoRequest
from smbd.wire.header import Header
from smbd.wire.negotiate import NegotiateResponse
from smbd.wire.smb1 import Smb1NegotiateRequest
from tests.smbxcli.errors import ProtocolViolationError, ReplyTimeoutError
from tests.smbxcli.message import Body, Message, Protection
from tests.smbxcli.negotiation import Agreement, Offer
from tests.smbxcli.response import Pending, Response
from tests.smbxcli.session import Session
from tests.smbxcli.transport import Transport
from tests.smbxcli.window import Window
from vfs.ntstatus import STATUS_PENDING

_SESSION_ID_AT: Final = 44  # in the transform header
_MAX_GAP: Final = 1024  # a wilder NextCommand is a lie that we do not fill up
_SPARE: Final = 16  # behind a sealed message, for the tag


class HeaderFields(TypedDict, total=False):
    """Header fields that a caller may set himself; all others are filled in."""

    credit_charge: int
    status: int
    credits: int
    flags: int
    next_command: int
    message_id: int
    process_id: int
    tree_id: int
    session_id: int


class Connection:
    """A client's end of one SMB2 connection.

    Attributes:
        transport: frames.
        window: message ids and credits.
        offer: what was or will be offered in NEGOTIATE.
        agreed: what came of it; None before.
        preauth: the hash over the negotiation (3.1.1).
        sessions: id to session; unsealing and checking of signatures look here.
        breaks: messages the server sent by itself (oplock and lease breaks), oldest first.
        timeout: default time to wait for a response.
    """

    def __init__(self, transport: Transport, offer: Offer | None = None, *, timeout: float = 20) -> None:
        self.transport = transport
        self.window = Window()
        self.offer = offer or Offer()
        self.agreed: Agreement | None = None
        self.preauth = PreauthHash()
        self.sessions: dict[int, Session] = {}
        self.breaks: deque[Response] = deque()
        self.timeout = timeout
        self._pending: dict[int, deque[Pending]] = {}

    @classmethod
    def open(cls, host: str, port: int, offer: Offer | None = None, *, timeout: float = 20) -> Connection:
        """Connect and negotiate."""
        connection = cls(Transport.connect(host, port), offer, timeout=timeout)
        connection.negotiate()
        return connection

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def close(self, *, reset: bool = False) -> None:
        """Drop the connection without further ado."""
        self.transport.close(reset=reset)

    @property
    def agreement(self) -> Agreement:
        """What was negotiated.

        Raises:
            ProtocolViolationError: nothing was, yet.
        """
        if self.agreed is None:
            raise ProtocolViolationError("not negotiated yet")
        return self.agreed

    @property
    def dialect(self) -> int:
        """The dialect revision in force."""
        return self.agreement.dialect

    # -- sending -------------------------------------------------------------------------------------------

    def prepare(
        self, command: int, body: Body, *, session: Session | None = None, **fields: Unpack[HeaderFields]
    ) -> Message:
        """Make a request: with the next message id and the usual header, unless ``fields`` say otherwise.

        A message id given by the caller does not move the window.
        """
        charge = fields.get("credit_charge", 1 if self.agreed and self.dialect > SMB2_DIALECT_202 else 0)
        header = Header(
            credit_charge=charge,
            command=command,
            credits=self.window.request(charge),
            session_id=session.session_id if session else 0,
        )
        if "message_id" not in fields and command != SMB2_CANCEL:
            header.message_id = self.window.take(charge)
        for name, value in fields.items():
            setattr(header, name, value)
        return Message(header, body, session)

    def send(
        self,
        command: int,
        body: Body,
        *,
        session: Session | None = None,
        protection: Protection = Protection.DEFAULT,
        **fields: Unpack[HeaderFields],
    ) -> Pending:
        """Send one request.

        Args:
            command: SMB2_*.
            body: an object of ``smbd.wire`` or plain bytes.
            session: for the session id and for protection.
            protection: how to sign or seal.
            fields: header fields, see ``HeaderFields``.

        Raises:
            ConnectionLostError: the server is gone.
        """
        return self.transmit([self.prepare(command, body, session=session, **fields)], protection)[0]

    def transmit(
        self, messages: Sequence[Message], protection: Protection = Protection.DEFAULT
    ) -> list[Pending]:
        """Send requests in one frame: more than one make a compound ([MS-SMB2] 3.2.4.1.4).

        NextCommand is filled in where it is zero and a message follows.

        Raises:
            ConnectionLostError: the server is gone.
        """
        frame = self.frame(messages, protection)
        pendings = []
        for message in messages:
            pending = Pending(self, message.header, message.session)
            if message.header.command != SMB2_CANCEL:
                self._pending.setdefault(pending.message_id, deque()).append(pending)
            pendings.append(pending)
        self.transport.send(frame)
        return pendings

    def frame(self, messages: Sequence[Message], protection: Protection = Protection.DEFAULT) -> bytearray:
        """The bytes of one frame: messages put together, signed or sealed."""
        session = messages[0].session
        if protection is Protection.DEFAULT:
            protection = session.protection if session else Protection.PLAIN
        out = bytearray()
        for index, message in enumerate(messages):
            last = index == len(messages) - 1
            size = 64 + len(message.body)
            if not last and not message.header.next_command:
                message.header.next_command = (size + 7) & ~7
            if protection in {Protection.SIGN, Protection.SIGN_BROKEN, Protection.SIGN_FLAG_ONLY}:
                message.header.flags |= SMB2_FLAGS_SIGNED
            packed = message.pack()
            if not last and 0 < message.header.next_command - size < _MAX_GAP:
                packed += bytes(message.header.next_command - size)
            signer = message.session or session
            if signer and protection in {Protection.SIGN, Protection.SIGN_BROKEN}:
                signer.signer(self).sign(memoryview(packed))
            if protection is Protection.SIGN_BROKEN:
                packed[48] ^= 1
            message.wire = packed
            out += packed
        if session and protection in {Protection.SEAL, Protection.SEAL_BROKEN}:
            out = session.seal(out)
            if protection is Protection.SEAL_BROKEN:
                out[-1] ^= 1
        return out

    def send_raw(self, message: bytes | bytearray) -> None:
        """Send one frame with any bytes in it; nothing is registered or accounted."""
        self.transport.send(message)

    def cancel(self, pending: Pending, **fields: Unpack[HeaderFields]) -> None:
        """Send CANCEL for a request, by its AsyncId once that is known ([MS-SMB2] 3.2.4.24)."""
        fields.setdefault("message_id", pending.message_id)
        fields.setdefault("credit_charge", 0)
        fields.setdefault("credits", 0)
        message = self.prepare(SMB2_CANCEL, CancelRequest(), session=pending.session, **fields)
        if pending.async_id:
            message.header.flags |= SMB2_FLAGS_ASYNC_COMMAND
            message.header.async_id = pending.async_id
        self.transmit([message])

    # -- receiving -----------------------------------------------------------------------------------------

    def pump_until(self, condition: Callable[[], object], timeout: float | None = None) -> None:
        """Read frames until the condition holds.

        Raises:
            ConnectionLostError: the server closed the connection.
            ReplyTimeoutError: the condition does not hold in time.
            ProtocolViolationError: the server broke the protocol.
        """
        deadline = time.monotonic() + (self.timeout if timeout is None else timeout)
        while not condition():
            self.pump(max(deadline - time.monotonic(), 0))

    def pump(self, timeout: float) -> None:
        """Read one frame and hand out the responses in it.

        Raises:
            ConnectionLostError: the server closed the connection.
            ReplyTimeoutError: there is no frame in time.
            ProtocolViolationError: the server broke the protocol.
        """
        message = self.transport.receive(timeout)
        sealed = message[:4] == SMB2_TRANSFORM_PROTOCOL_ID
        if sealed:
            message = self._unseal(message)
        view = memoryview(message)
        while True:
            if bytes(view[:4]) != SMB2_PROTOCOL_ID or len(view) < 64:
                raise ProtocolViolationError(f"no SMB2 message: {bytes(view[:16])!r}")
            header = Header.unpack(view)
            size = header.next_command or len(view)
            if size > len(view) or (header.next_command and size & 7):
                raise ProtocolViolationError(f"NextCommand {header.next_command} of {len(view)} bytes")
            self._deliver(Response(header, view[:size], sealed=sealed))
            if not header.next_command:
                return
            view = view[size:]

    def _unseal(self, message: bytearray) -> bytearray:
        length = len(message)
        session_id = int.from_bytes(message[_SESSION_ID_AT : _SESSION_ID_AT + 8], "little")
        session = self.sessions.get(session_id)
        if length < SMB2_TRANSFORM_HEADER_SIZE or session is None:
            raise ProtocolViolationError(f"sealed message for unknown session {session_id:#x}")
        message += bytes(_SPARE)
        try:
            session.opener.unseal(memoryview(message), 0, length)
        except SealError as error:
            raise ProtocolViolationError(str(error)) from error
        return message[SMB2_TRANSFORM_HEADER_SIZE:length]

    def _deliver(self, response: Response) -> None:
        header = response.header
        if not header.flags & SMB2_FLAGS_SERVER_TO_REDIR:
            raise ProtocolViolationError("the server sent a request")
        self.window.grant(header.credits)
        if header.message_id == SMB2_UNSOLICITED_MESSAGE_ID:
            self.breaks.append(response)
            return
        waiting = self._pending.get(header.message_id)
        if not waiting:
            raise ProtocolViolationError(f"response to message {header.message_id}, which nobody sent")
        pending = waiting[0]
        self.verify(response, pending.session)
        if header.command != pending.command:
            raise ProtocolViolationError(f"command {header.command} in the response to {pending.command}")
        if header.status == STATUS_PENDING and header.is_async:
            pending.async_id = header.async_id
            pending.interim.append(response)
            return
        waiting.popleft()
        if not waiting:
            del self._pending[header.message_id]
        pending.response = response

    def verify(self, response: Response, asked_by: Session | None = None) -> None:
        """Check the signature of a response if we have the key for it.

        Args:
            response: the response.
            asked_by: the session of the request; it counts where the header names none, as servers may do
                within a chain of related requests.

        Raises:
            ProtocolViolationError: it is wrong.
        """
        session = self.sessions.get(response.header.session_id)
        if response.header.session_id == SMB2_RELATED_SESSION_ID:
            session = asked_by
        if not response.signed or response.sealed or session is None or not session.has_signer(self):
            return
        response.verified = session.signer(self).verify(response.pdu)
        if not response.verified:
            raise ProtocolViolationError(f"wrong signature on the response to {response.header.command}")

    @property
    def outstanding(self) -> int:
        """How many requests wait for their final response."""
        return sum(map(len, self._pending.values()))

    # -- what needs no session -----------------------------------------------------------------------------

    def negotiate(self) -> NegotiateResponse:
        """Send NEGOTIATE with our offer and take over what the server chose.

        Raises:
            StatusError: the server refuses.
        """
        message = self.prepare(SMB2_NEGOTIATE, self.offer.request())
        (pending,) = self.transmit([message])
        response = pending.recv()
        body = response.body(NegotiateResponse)
        self.preauth.update(message.wire)
        self.preauth.update(response.pdu)
        self.agreed = Agreement.of(body)
        return body

    def negotiate_smb1(self, dialects: Sequence[str]) -> Response:
        """Send an SMB1 multi-protocol NEGOTIATE ([MS-SMB2] 3.2.4.2.1) and return the SMB2 response to it.

        ``agreed`` is set unless the server wants a second NEGOTIATE (SMB2_DIALECT_2FF).

        Raises:
            StatusError: the server refuses.
        """
        pending = Pending(self, Header(command=SMB2_NEGOTIATE, message_id=self.window.take(1)), None)
        self._pending.setdefault(pending.message_id, deque()).append(pending)
        self.transport.send(Smb1NegotiateRequest(list(dialects)).pack())
        response = pending.recv()
        body = response.body(NegotiateResponse)
        if body.dialect != SMB2_DIALECT_2FF:
            self.agreed = Agreement.of(body)
        return response

    def echo(self, session: Session | None = None, **fields: Unpack[HeaderFields]) -> Response:
        """ECHO and its response."""
        return self.send(SMB2_ECHO, EchoRequest(), session=session, **fields).recv()

    def drain(self, timeout: float = 0.1) -> None:
        """Read whatever comes within ``timeout`` seconds of silence."""
        try:
            while True:
                self.pump(timeout)
        except ReplyTimeoutError:
            pass
