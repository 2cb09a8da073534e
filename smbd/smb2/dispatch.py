"""From a message in the receive buffer to its handler: [MS-SMB2] 3.3.5.2.

What a command requires before its handler may run is data in one table, not code in the handlers.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable
from functools import partial
from types import CoroutineType
from typing import Any, Final

from messaging.waiter import Cancelled, Waiter
from smbd.smb2 import (
    change_notify,
    close,
    create,
    echo,
    flush,
    ioctl,
    lock,
    logoff,
    negotiate,
    oplock_break,
    query_directory,
    query_info,
    read,
    respond,
    session_setup,
    set_info,
    tree_connect,
    tree_disconnect,
    write,
)
from smbd.smb2.compound import Chain
from smbd.smb2.pending import Pending
from smbd.smb2.request import AsyncResult, Body, ProtocolViolation, Reply, Request, Result
from smbd.wire.constants import (
    SMB2_CANCEL,
    SMB2_FLAGS_ASYNC_COMMAND,
    SMB2_FLAGS_RELATED_OPERATIONS,
    SMB2_FLAGS_SERVER_TO_REDIR,
    SMB2_FLAGS_SIGNED,
    SMB2_HEADER_SIZE,
    SMB2_PROTOCOL_ID,
)
from smbd.wire.errors import WireError
from smbd.wire.header import unpack_header
from smbd.xsrv.connection import Connection
from smbd.xsrv.session import Session
from vfs.ntstatus import (
    STATUS_ACCESS_DENIED,
    STATUS_CANCELLED,
    STATUS_INTERNAL_ERROR,
    STATUS_INVALID_PARAMETER,
    STATUS_NETWORK_NAME_DELETED,
    STATUS_NETWORK_SESSION_EXPIRED,
    STATUS_SUCCESS,
    STATUS_USER_SESSION_DELETED,
    NTStatusError,
    from_oserror,
    status_name,
)
from vfs.posix import credentials

_log = logging.getLogger(__name__)

#: Seconds until a waiting request is told so: short enough for a client to see that it can cancel, long enough
#: that most waits end without a second message.
_GRACE: Final = 0.001
#: The same for waits that end by themselves: only when the disk is in trouble.
_BRIEF_GRACE: Final = 1.0


@dataclasses.dataclass(frozen=True, slots=True)
class Command:
    """What one opcode requires.

    Attributes:
        handler: plain or ``async`` function of the request.
        needs_session: a valid session.
        needs_tcon: a tree connect of it; the handler runs as its user.
        when_expired: allowed although the session has expired.
        grace: seconds before the interim response; None if there is none.
        as_root: runs as the server itself, not as whoever was served last.
        checks_signature: unsigned, it is refused where signatures are required; not for the making of a session.
    """

    handler: Callable[[Request], Result | AsyncResult | Waiter[bytes]]
    needs_session: bool = True
    needs_tcon: bool = True
    when_expired: bool = False
    grace: float | None = _GRACE
    as_root: bool = False
    checks_signature: bool = True


def _cancel_is_no_request(_request: Request) -> Result:
    """CANCEL has no response: it is handled before it gets here ([MS-SMB2] 3.3.5.16)."""
    raise NTStatusError(STATUS_INVALID_PARAMETER, "CANCEL in a compound")


#: Indexed by opcode, [MS-SMB2] 2.2.1.2.
COMMANDS: Final[tuple[Command, ...]] = (
    Command(negotiate.handle, needs_session=False, needs_tcon=False, grace=None, as_root=True, checks_signature=False),
    Command(
        session_setup.handle,
        needs_session=False,
        needs_tcon=False,
        when_expired=True,
        as_root=True,
        checks_signature=False,
    ),
    Command(logoff.handle, needs_tcon=False, when_expired=True, as_root=True),
    Command(tree_connect.handle, needs_tcon=False, as_root=True),
    Command(tree_disconnect.handle),
    Command(create.handle),
    Command(close.handle, when_expired=True),
    Command(flush.handle),
    Command(read.handle),
    Command(write.handle),
    Command(lock.handle, when_expired=True, grace=0),
    Command(ioctl.handle),
    Command(_cancel_is_no_request, needs_session=False, needs_tcon=False),
    Command(echo.handle, needs_session=False, needs_tcon=False),
    Command(query_directory.handle),
    Command(change_notify.handle, grace=0),
    Command(query_info.handle),
    Command(set_info.handle),
    Command(oplock_break.handle, when_expired=True),
)

_COMMAND_COUNT: Final = len(COMMANDS)
#: Where the field Status of a request of dialect 3.x holds the ChannelSequence.
_CHANNEL_SEQUENCE: Final = 0xFFFF


def on_message(
    connection: Connection, view: memoryview, start: int, length: int, sealed: Session | None
) -> None:
    """Handle one message, single or compound, plain or decrypted with the key of the session `sealed`.

    Raises:
        ProtocolViolation: the connection is to be closed.
    """
    if length < SMB2_HEADER_SIZE:
        raise ProtocolViolation(f"message of {length} bytes")
    header = unpack_header(view, start)
    if header[7]:
        _start_chain(connection, view, start, length, sealed)
        return
    request = _accept(connection, header, view[start : start + length], sealed, None)
    if request is not None:
        _run(request, None)


def _accept(
    connection: Connection, header: tuple[Any, ...], pdu: memoryview, sealed: Session | None, chain: Chain | None
) -> Request | None:
    """Check the header and take the credits ([MS-SMB2] 3.3.5.2.1 to .3); None for a CANCEL, which is done."""
    protocol_id, size, charge, status, command, wanted, flags, _, message_id, low, tree_id, session_id, _ = header
    if protocol_id != SMB2_PROTOCOL_ID or size != SMB2_HEADER_SIZE or flags & SMB2_FLAGS_SERVER_TO_REDIR:
        raise ProtocolViolation("not an SMB2 request header")
    request = Request(
        connection, pdu, sealed, chain,
        charge, status & _CHANNEL_SEQUENCE, command, wanted, flags, message_id, tree_id, session_id,
    )  # fmt: skip
    if command == SMB2_CANCEL:
        _cancel(request, low | tree_id << 32)
        return None
    if not connection.credits.take(message_id, charge or 1):
        window = connection.credits
        raise ProtocolViolation(
            f"message id {message_id} (charge {charge}) is outside of the window {window.low}..{window.high}"
        )
    return request


def _cancel(request: Request, async_id: int) -> None:
    """[MS-SMB2] 3.3.5.16: look the request up by AsyncId or MessageId and end its wait. No response."""
    connection = request.connection
    if request.flags & SMB2_FLAGS_ASYNC_COMMAND:
        found = next((p for p in connection.pending.values() if p.request.async_id == async_id), None)
    else:
        found = connection.pending.get(request.message_id)
    if found is None:
        return
    if request.flags & SMB2_FLAGS_SIGNED and not request.sealed:
        session = connection.session(request.session_id)
        if session is None or not session.verify(connection, request.pdu):
            _log.warning("%s: CANCEL with a wrong signature is ignored", connection)
            return
    found.cancel()


def _start_chain(
    connection: Connection, view: memoryview, start: int, length: int, sealed: Session | None
) -> None:
    """Split a compound ([MS-SMB2] 3.3.5.2.7) and run it."""
    chain = Chain()
    offset, end = start, start + length
    requests: list[Request] = []
    while True:
        if end - offset < SMB2_HEADER_SIZE:
            raise ProtocolViolation("truncated compound")
        header = unpack_header(view, offset)
        following = header[7]
        if following & 7 or (following and not SMB2_HEADER_SIZE <= following <= end - offset):
            raise ProtocolViolation("NextCommand out of range")
        stop = offset + following if following else end
        request = _accept(connection, header, view[offset:stop], sealed, chain)
        if request is not None:
            requests.append(request)
        if not following:
            break
        offset = stop
    requests.reverse()
    chain.rest = requests
    _run_chain(chain)


def _run_chain(chain: Chain) -> None:
    """Run the requests of a compound until one has to wait or all are done."""
    while chain.rest:
        request = chain.rest.pop()
        if not request.related:
            chain.last_open = None
        if not _run(request, chain):
            return
    chain.send()


def _run(request: Request, chain: Chain | None) -> bool:
    """Run one request as far as it goes; False if it waits."""
    try:
        command = _authorise(request)
        if request.connection.overlapped is not None:
            request.connection.overlapped.finish()
        handle = command.handler
        result = handle(request)
    except ProtocolViolation:
        raise
    except Exception as error:  # noqa: BLE001 - every failure becomes a response
        _finish(request, *_failure(request, error))
        return True
    kind = type(result)
    if kind is bytes or kind is int:
        if chain is None:
            respond.send(request, STATUS_SUCCESS, result)  # type: ignore[arg-type]  # a body
        else:
            chain.finish(request, STATUS_SUCCESS, result)  # type: ignore[arg-type]  # a body
    elif kind is CoroutineType:
        return _step(request, result, command.grace, chain)  # type: ignore[arg-type]  # as it says
    elif kind is Waiter:
        result.add_done_callback(partial(_answer, request))  # type: ignore[union-attr]  # as it says
    else:
        _complete(request, result)  # type: ignore[arg-type]  # neither a coroutine nor a Waiter
    return True


def _answer(request: Request, waiter: Waiter[Any]) -> None:
    """Send what another thread has done meanwhile."""
    try:
        result = waiter.result()
    except Exception as error:  # noqa: BLE001 - every failure becomes a response
        _finish(request, *_failure(request, error))
    else:
        _complete(request, result)
    request.connection.transport.flush()


def _step(request: Request, coroutine: AsyncResult, grace: float | None, chain: Chain | None) -> bool:
    """Start the coroutine of a handler; False if it suspends."""
    try:
        waiter = coroutine.send(None)
        if chain is not None and chain.rest and grace == 0 and not waiter.brief:
            # What may wait for ever goes asynchronous, and that only the last request of a compound can.
            waiter.set_exception(NTStatusError(STATUS_INTERNAL_ERROR, "would wait in the middle of a compound"))
            waiter = coroutine.send(None)
    except StopIteration as stop:
        _complete(request, stop.value)
        return True
    except Exception as error:  # noqa: BLE001 - every failure becomes a response
        _finish(request, *_failure(request, error))
        return True
    if chain is not None:
        for waiting in chain.rest:
            waiting.keep()
    if waiter.brief:
        grace = _BRIEF_GRACE
    # In the middle of a compound no interim response may be sent: the final ones must stay in order.
    may_tell = None if chain is not None and chain.rest else grace
    Pending(request, coroutine, waiter, _resume, may_tell).wait()
    return False


def _resume(pending: Pending) -> None:
    """Run a suspended handler on, and whatever came behind it in its compound."""
    request = pending.request
    chain = request.chain
    together = pending.waiter.brief  # what waits for the disk has company
    if pending.user is not None:
        credentials.impersonate(pending.user)  # others were served while it waited
    else:
        credentials.become_root()
    try:
        pending.waiter = pending.coroutine.send(None)
    except StopIteration as stop:
        pending.done()
        _complete(request, stop.value)
    except Exception as error:  # noqa: BLE001 - every failure becomes a response
        pending.done()
        _finish(request, *_failure(request, error))
    else:
        pending.wait()
        return
    if chain is not None and chain is request.chain:
        _run_chain(chain)
    transport = request.connection.transport
    if together:
        transport.flush_soon()
    else:
        transport.flush()


def _complete(request: Request, result: Result) -> None:
    if isinstance(result, Reply):
        if result.status and _log.isEnabledFor(logging.DEBUG):
            _tell(request, status_name(result.status))
        _finish(request, result.status, result.body, result)
    else:
        _finish(request, STATUS_SUCCESS, result)


def _finish(request: Request, status: int, body: Body, reply: Reply | None = None) -> None:
    if request.chain is None:
        respond.send(request, status, body, reply.preauth if reply is not None else None)
    else:
        request.chain.finish(request, status, body)


def _failure(request: Request, error: Exception) -> tuple[int, bytes]:
    """Turn what a handler raised into status and body; our own bugs into STATUS_INTERNAL_ERROR and a traceback."""
    if isinstance(error, NTStatusError):
        failed = error
    elif isinstance(error, Cancelled):
        failed = NTStatusError(STATUS_CANCELLED)
    elif isinstance(error, WireError):
        failed = NTStatusError(STATUS_INVALID_PARAMETER, str(error))
    elif isinstance(error, OSError):
        failed = from_oserror(error)
        _log.warning("%s: %s failed without a mapping of its own: %s", request.connection, request.name, error)
    else:
        _log.error("InternalError: %s: %s", request.connection, request.name, exc_info=error)
        failed = NTStatusError(STATUS_INTERNAL_ERROR, "bug")
    if _log.isEnabledFor(logging.DEBUG):
        _tell(request, str(failed))
    return failed.status, respond.error_body(failed)


def _tell(request: Request, outcome: str) -> None:
    _log.debug("%s: %s mid %d: %s", request.connection, request.name, request.message_id, outcome)


def _authorise(request: Request) -> Command:
    """Find session and tree connect and check what the command requires ([MS-SMB2] 3.3.5.2.4, .9, .11).

    Raises:
        NTStatusError: the status of the first check that fails.
    """
    number = request.command
    if number >= _COMMAND_COUNT:
        raise NTStatusError(STATUS_INVALID_PARAMETER, "unknown command")
    command = COMMANDS[number]
    connection = request.connection
    flags = request.flags
    if flags & SMB2_FLAGS_RELATED_OPERATIONS:
        _inherit(request)
    session = connection.sessions.get(request.session_id)
    sealed = request.sealed
    if session is None:
        if request.session_id and flags & SMB2_FLAGS_SIGNED:
            _sign_refusal(request)
        if sealed is not None or command.needs_session:
            raise NTStatusError(STATUS_USER_SESSION_DELETED)
    elif sealed is not None and sealed is not session:
        raise NTStatusError(STATUS_ACCESS_DENIED, "encrypted with the key of another session")
    else:
        request.session = session
        if sealed is None and command.checks_signature:
            if flags & SMB2_FLAGS_SIGNED:
                _verify(request, session)
            elif session.signing_required:
                raise NTStatusError(STATUS_ACCESS_DENIED, "not signed")
            elif session.encryption_required:
                raise NTStatusError(STATUS_ACCESS_DENIED, "not encrypted")
        if command.needs_session:
            if not session.valid:
                raise NTStatusError(STATUS_USER_SESSION_DELETED)
            if session.encryption_required and sealed is None:
                raise NTStatusError(STATUS_ACCESS_DENIED, "not encrypted")
            if session.expires is not None and session.expired and not command.when_expired:
                request.sign = request.sign or session.signing_required
                raise NTStatusError(STATUS_NETWORK_SESSION_EXPIRED)
            connection.active = True
        if command.needs_tcon:
            tcon = session.tcons.get(request.tree_id)
            if tcon is None:
                raise NTStatusError(STATUS_NETWORK_NAME_DELETED)
            if tcon.encryption_required and sealed is None:
                raise NTStatusError(STATUS_ACCESS_DENIED, "not encrypted")
            request.tcon = tcon
            credentials.impersonate(tcon.token.unix)
            return command
    if command.as_root:
        credentials.become_root()
    return command


def _verify(request: Request, session: Session) -> None:
    """See that the signature of a message is that of the session's channel; the response bears one, too."""
    connection = request.connection
    request.signer = signer = session.channels.get(connection) or session.signer(connection)
    if not signer.verify(request.pdu):
        raise NTStatusError(STATUS_ACCESS_DENIED, "wrong signature")
    request.sign = True


def _sign_refusal(request: Request) -> None:
    """Sign what is said of a session that has no channel on this connection: the client would not believe it else."""
    connection = request.connection
    signer = connection.ended.get(request.session_id)
    if signer is None:
        session = connection.client.sessions.get(request.session_id)
        if session is None or not session.signing_key:
            return
        signer = session.first_signer()
    if signer.verify(request.pdu):
        request.signer, request.sign = signer, True


def _inherit(request: Request) -> None:
    """Give a related request the session and tree connect of the one before it ([MS-SMB2] 3.3.5.2.7.2)."""
    previous = request.chain.previous if request.chain is not None else None
    if previous is None or previous.session is None:
        raise NTStatusError(STATUS_INVALID_PARAMETER, "related to nothing, or to a request without a session")
    request.session_id = previous.session_id
    request.tree_id = previous.tree_id
