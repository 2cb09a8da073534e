"""How responses are written: header, body, signature, encryption, into the batch of the transport.

The fast path builds a response where it will be sent from; nothing is concatenated. A payload that a handler
filled in place (`reserve`) or that a file provides (`FileRange`) is never copied.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from smbd.crypto.sealing import TRANSFORM_LENGTH
from smbd.smb2.request import Body, FileRange, Request
from smbd.transport.tcp import PREFIX_SIZE
from smbd.wire.constants import (
    SMB2_FLAGS_ASYNC_COMMAND,
    SMB2_FLAGS_PRIORITY_MASK,
    SMB2_FLAGS_RELATED_OPERATIONS,
    SMB2_FLAGS_REPLAY_OPERATION,
    SMB2_FLAGS_SERVER_TO_REDIR,
    SMB2_FLAGS_SIGNED,
    SMB2_HEADER_SIZE,
    SMB2_PROCESS_ID,
    SMB2_PROTOCOL_ID,
    SMB2_UNSOLICITED_MESSAGE_ID,
)
from smbd.wire.header import NO_SIGNATURE, pack_header_into
from vfs.ntstatus import STATUS_PENDING, NTStatusError

if TYPE_CHECKING:
    from smbd.crypto.preauth import PreauthHash
    from smbd.xsrv.connection import Connection
    from smbd.xsrv.session import Session

_ERROR_FIXED: Final = struct.Struct("<HBBI")
_ERROR_STRUCTURE_SIZE: Final = 9
#: Flags of a request that its response has, too.
_ECHOED_FLAGS: Final = SMB2_FLAGS_RELATED_OPERATIONS | SMB2_FLAGS_PRIORITY_MASK | SMB2_FLAGS_REPLAY_OPERATION
#: ERROR Response without data ([MS-SMB2] 2.2.2): what nearly every failure is answered with.
EMPTY_ERROR: Final = _ERROR_FIXED.pack(_ERROR_STRUCTURE_SIZE, 0, 0, 0) + b"\0"


def error_body(error: NTStatusError) -> bytes:
    """Return the ERROR Response for `error`."""
    data = error.error_data
    if not data:
        return EMPTY_ERROR
    return _ERROR_FIXED.pack(_ERROR_STRUCTURE_SIZE, error.error_contexts, 0, len(data)) + data


def reserve(request: Request, size: int) -> memoryview | None:
    """Return the memory where the response will lie, `size` bytes from its SMB2 header on, to be filled in place.

    A handler that uses it returns the length of the body that it filled in, and sends nothing and does not
    suspend in between. None where that is impossible: in a compound, or once it went asynchronous.
    """
    if request.chain is not None or request.pending is not None:
        return None
    out = request.connection.transport.buffer(TRANSFORM_LENGTH + size)
    at = out.end + PREFIX_SIZE
    if request.sealed:
        at += TRANSFORM_LENGTH
    return out.view[at : at + size]


def can_send_file(request: Request) -> bool:
    """Tell whether a `FileRange` may be the response: alone, neither signed nor encrypted."""
    return not (request.sealed or request.sign or request.chain is not None or request.pending is not None)


def send(request: Request, status: int, body: Body, preauth: PreauthHash | None = None) -> None:
    """Write the response of a request that came alone."""
    transport = request.connection.transport
    if transport.closed:
        return
    kind = type(body)
    if kind is int:
        length = SMB2_HEADER_SIZE + body  # type: ignore[operator]  # as it says
    elif kind is FileRange:
        _send_file(request, status, body)  # type: ignore[arg-type]  # it is one
        return
    else:
        length = SMB2_HEADER_SIZE + len(body)  # type: ignore[arg-type]  # bytes
    out = transport.buffer(TRANSFORM_LENGTH + length)
    view = out.view
    at = frame = out.end + PREFIX_SIZE
    sealed = request.sealed
    if sealed is not None:
        at += TRANSFORM_LENGTH
    _write_header(request, status, view, at, 0)
    end = at + length
    if kind is not int:
        view[at + SMB2_HEADER_SIZE : end] = body  # type: ignore[assignment]
    if request.sign:
        _sign(request, view[at:end])
    if preauth is not None:
        preauth.update(view[at:end])
    if sealed is not None:
        length = sealed.sealer.seal(view, frame, length, sealed.wire_id)  # type: ignore[union-attr]  # it has keys
    transport.commit(length)


def _send_file(request: Request, status: int, body: FileRange) -> None:
    head = bytearray(SMB2_HEADER_SIZE)
    _write_header(request, status, head, 0, 0)
    request.connection.transport.send_file(bytes(head) + body.head, body.fd, body.offset, body.count)


def send_chain(responses: Sequence[tuple[Request, int, bytes]]) -> None:
    """Write the responses of one compound as one message, each padded to eight bytes.

    That holds for the last one, too: [MS-SMB2] 3.3.4.1.3 leaves it open, Windows and Samba pad it.
    """
    first = responses[0][0]
    connection = first.connection
    if connection.transport.closed:
        return
    total = 0
    for _, _, body in responses:
        total += (SMB2_HEADER_SIZE + len(body) + 7) & ~7
    out = connection.transport.buffer(TRANSFORM_LENGTH + total)
    view = out.view
    frame = out.end + PREFIX_SIZE
    start = at = frame + (TRANSFORM_LENGTH if first.sealed else 0)
    last = responses[-1][0]
    for request, status, body in responses:
        length = SMB2_HEADER_SIZE + len(body)
        end = at + length
        view[at + SMB2_HEADER_SIZE : end] = body
        if length & 7:
            padding = -length & 7
            view[end : end + padding] = bytes(padding)
            end += padding
        _write_header(request, status, view, at, 0 if request is last else end - at)
        if request.sign:
            _sign(request, view[at:end])
        at = end
    length = at - start
    if first.sealed:
        length = first.sealed.seal(view, frame, length)
    connection.transport.commit(length)


def send_interim(request: Request) -> None:
    """Write the interim response ([MS-SMB2] 3.3.4.2); it is not signed. `request.async_id` is set."""
    sign, request.sign = request.sign, False
    send(request, STATUS_PENDING, EMPTY_ERROR)
    request.sign = sign


def send_notification(
    connection: Connection, session: Session | None, command: int, body: bytes, *, sign: bool = False
) -> None:
    """Write a message nobody asked for ([MS-SMB2] 3.3.4.6, 3.3.4.7).

    With a session that encrypts it goes out encrypted under it; otherwise plainly, signed if `sign`.
    """
    if connection.transport.closed:
        return
    sealed = session is not None and session.encrypts
    length = SMB2_HEADER_SIZE + len(body)
    out = connection.transport.buffer(TRANSFORM_LENGTH + length)
    at = frame = out.end + PREFIX_SIZE
    if sealed:
        at += TRANSFORM_LENGTH
    view = out.view
    flags = SMB2_FLAGS_SERVER_TO_REDIR | (SMB2_FLAGS_SIGNED if sign else 0)
    session_id = session.wire_id if session is not None and (sealed or sign) else 0
    pack_header_into(
        view, at, SMB2_PROTOCOL_ID, SMB2_HEADER_SIZE, 0, 0, command, 0, flags, 0,
        SMB2_UNSOLICITED_MESSAGE_ID, 0, 0, session_id, NO_SIGNATURE,
    )  # fmt: skip
    view[at + SMB2_HEADER_SIZE : at + length] = body
    if session is not None and sign and not sealed:
        session.signer(connection).sign(view[at : at + length])
    if session is not None and sealed:
        length = session.seal(view, frame, length)
    connection.transport.commit(length)


def _sign(request: Request, message: memoryview) -> None:
    if request.signer is not None:
        request.signer.sign(message)
    elif request.session is not None:
        request.session.signer(request.connection).sign(message)


def _write_header(request: Request, status: int, view: memoryview | bytearray, at: int, following: int) -> None:
    flags = SMB2_FLAGS_SERVER_TO_REDIR | request.flags & _ECHOED_FLAGS
    if request.sign:
        flags |= SMB2_FLAGS_SIGNED
    command, charge, async_id = request.command, request.credit_charge, request.async_id
    if not async_id or status == STATUS_PENDING:
        granted = request.connection.credits.grant(command, status, request.credit_request, charge or 1)
    else:
        granted = 0  # all credits of an asynchronous request went out with its interim response
    if not async_id:
        low, high = SMB2_PROCESS_ID, request.tree_id
    else:
        flags |= SMB2_FLAGS_ASYNC_COMMAND
        low, high = async_id & 0xFFFFFFFF, async_id >> 32
    pack_header_into(
        view, at, SMB2_PROTOCOL_ID, SMB2_HEADER_SIZE, charge, status, command, granted,
        flags, following, request.message_id, low, high, request.session_id, NO_SIGNATURE,
    )  # fmt: skip


def send_smb1_reply(connection: Connection, body: bytes) -> None:
    """Write the SMB2 NEGOTIATE response to an SMB1 request, which has no SMB2 header to answer."""
    length = SMB2_HEADER_SIZE + len(body)
    out = connection.transport.buffer(length)
    at = out.end + PREFIX_SIZE
    pack_header_into(
        out.view, at, SMB2_PROTOCOL_ID, SMB2_HEADER_SIZE, 0, 0, 0, 1, SMB2_FLAGS_SERVER_TO_REDIR, 0, 0,
        SMB2_PROCESS_ID, 0, 0, NO_SIGNATURE,
    )  # fmt: skip
    out.view[at + SMB2_HEADER_SIZE : at + length] = body
    connection.transport.commit(length)
