"""Binding a further connection to a session ([MS-SMB2] 3.3.5.5, point 4, and 3.3.5.5.3): multi-channel.

A session has its connections in one process (`smbd.xsrv.handover`). A binding that names a session of another
process is therefore always refused, but like every other refusal it has to be signed with the session's key, or
the client takes it for an attack. So the key is asked for.
"""

from __future__ import annotations

import logging
import struct
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from messaging.errors import MessagingError
from messaging.server_id import ServerId
from smbd.crypto.kdf import derive_channel_signing_key
from smbd.crypto.signing import make_signer
from smbd.smb2.request import AsyncResult, Reply, Request
from smbd.wire.constants import SMB2_DIALECT_300, SMB2_FLAGS_SIGNED, SMB2_SIGNING_AES_GMAC
from smbd.xsrv.connection import Connection, Setup
from smbd.xsrv.session import Session
from smbd.xsrv.table import MAX_ID
from vfs.ntstatus import (
    STATUS_ACCESS_DENIED,
    STATUS_INSUFFICIENT_RESOURCES,
    STATUS_INVALID_PARAMETER,
    STATUS_NETWORK_SESSION_EXPIRED,
    STATUS_NOT_SUPPORTED,
    STATUS_REQUEST_NOT_ACCEPTED,
    STATUS_REQUEST_OUT_OF_SEQUENCE,
    STATUS_USER_SESSION_DELETED,
    NTStatusError,
)

if TYPE_CHECKING:
    from smbd.xsrv.client import Client

_log = logging.getLogger(__name__)

OPERATION: Final = "smbXsrv_session_signing_key"
_SESSION_ID: Final = struct.Struct("<Q")
#: As Windows allows ([MS-SMB2] 3.3.5.5, product note).
_MAX_CHANNELS: Final = 32
#: Seconds that another worker gets to tell the key.
_PATIENCE: Final = 2.0


class _Terms(NamedTuple):
    """What was agreed on where the session began; its further connections have to have agreed on the same."""

    dialect: int
    signing_algorithm: int
    cipher: int


class SigningKey(msgspec.Struct, array_like=True, gc=False):
    """The signing key of a session, as one worker tells it another."""

    algorithm: int
    key: bytes


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(SigningKey).decode


def register(client: Client) -> None:
    """Tell other workers the signing keys of sessions that live here."""

    def tell(_source: ServerId, payload: bytes) -> bytes:
        (session_id,) = _SESSION_ID.unpack(payload)
        session = client.sessions.get(session_id)
        if session is None or not session.signing_key:
            raise LookupError(f"no session {session_id:#x} with a key")
        return _encode(SigningKey(session.signing_algorithm, session.signing_key))

    client.ctx.irpc.register(OPERATION, tell)


def find(request: Request) -> Session | AsyncResult:
    """Return the session that the request may bind its connection to.

    If it lives in another process, that is a coroutine which raises the refusal.

    Raises:
        NTStatusError: the first rule that the request breaks; the response is signed with the session's key.
    """
    connection = request.connection
    session = connection.client.sessions.get(request.session_id)
    if session is None:
        return refuse_foreign(request, binding=True)
    bound = connection.session(request.session_id) is session
    signed = bool(request.flags & SMB2_FLAGS_SIGNED) and not request.sealed
    if session.signing_key:
        request.session = session
        request.sign = signed
        if not bound:
            request.signer = session.first_signer()
    terms = _Terms(session.dialect, session.signing_algorithm, session.cipher)
    _check_terms(request, terms)
    if session.client_guid != connection.client_guid:
        raise NTStatusError(STATUS_USER_SESSION_DELETED, "session of another client")
    if not session.valid or session.info is None:
        raise NTStatusError(STATUS_REQUEST_NOT_ACCEPTED, "the session is not authenticated yet")
    if session.expired:
        raise NTStatusError(STATUS_NETWORK_SESSION_EXPIRED)
    if session.info.is_guest or session.info.is_anonymous:
        raise NTStatusError(STATUS_NOT_SUPPORTED, "sessions of guests have one connection")
    if bound:
        raise NTStatusError(STATUS_REQUEST_NOT_ACCEPTED, "the connection has a channel of the session already")
    if signed and request.signer is not None and not request.signer.verify(request.pdu):
        request.sign = False
        raise NTStatusError(STATUS_ACCESS_DENIED, "wrong signature")
    if len(session.channels) >= _MAX_CHANNELS:
        raise NTStatusError(STATUS_INSUFFICIENT_RESOURCES, f"the session has {_MAX_CHANNELS} channels")
    return session


def _check_terms(request: Request, session: _Terms) -> None:
    """Compare what was negotiated on both connections, with the statuses that Windows and Samba give."""
    connection = request.connection
    if session.signing_algorithm != connection.signing_algorithm:
        # A key for GMAC serves no other algorithm: these two come before all other rules.
        if session.signing_algorithm == SMB2_SIGNING_AES_GMAC:
            raise NTStatusError(STATUS_REQUEST_OUT_OF_SEQUENCE, "the session signs with GMAC")
        if connection.signing_algorithm == SMB2_SIGNING_AES_GMAC:
            raise NTStatusError(STATUS_NOT_SUPPORTED, "the session does not sign with GMAC")
    multi_channel = connection.ctx.config.globals.server_multi_channel_support
    if connection.dialect < SMB2_DIALECT_300 or not multi_channel:
        raise NTStatusError(STATUS_REQUEST_NOT_ACCEPTED, "no multi-channel on this connection")
    if connection.dialect != session.dialect:
        raise NTStatusError(STATUS_INVALID_PARAMETER, "the session has another dialect")
    if not (request.flags & SMB2_FLAGS_SIGNED or request.sealed):
        raise NTStatusError(STATUS_INVALID_PARAMETER, "a binding has to be signed")
    if connection.cipher != session.cipher:
        raise NTStatusError(STATUS_INVALID_PARAMETER, "the session has another cipher")


async def refuse_foreign(request: Request, *, binding: bool) -> Reply:
    """Refuse to bind to a session that does not live in this process, or to authenticate it again.

    Raises:
        NTStatusError: always; the response is signed if the session's process tells the key.
    """
    ctx = request.connection.ctx
    session_id = request.session_id
    record = ctx.databases.sessions.get(session_id) if session_id <= MAX_ID else None
    if record is None or not record.channels:
        raise NTStatusError(STATUS_USER_SESSION_DELETED)
    channel = record.channels[0]
    if request.flags & SMB2_FLAGS_SIGNED:
        request.keep()
        try:
            payload = _SESSION_ID.pack(session_id)
            told = _decode(await ctx.irpc.call(channel.server_id, OPERATION, payload, timeout=_PATIENCE))
        except (MessagingError, msgspec.DecodeError) as error:
            _log.info("session %#x: no key to refuse a binding with: %s", session_id, error)
        else:
            request.signer = make_signer(told.algorithm, told.key)
            request.sign = True
    if binding:
        _check_terms(
            request, _Terms(channel.connection_dialect, channel.signing_algorithm, channel.encryption_cipher)
        )
    raise NTStatusError(STATUS_USER_SESSION_DELETED, "session of another client")


def finish(request: Request, session: Session, setup: Setup) -> None:
    """Make the connection a channel of the session: the same user has proved that he is behind it.

    Raises:
        NTStatusError: STATUS_ACCESS_DENIED if it was somebody else.
    """
    connection: Connection = request.connection
    info = setup.acceptor.session_info
    if not session.valid or info.is_guest or info.is_anonymous or str(info.token.user_sid) != session.user_sid:
        raise NTStatusError(STATUS_ACCESS_DENIED, "a session has one user")
    preauth = setup.preauth.value if setup.preauth is not None else b""
    key = derive_channel_signing_key(connection.dialect, info.session_key, preauth)
    session.add_channel(connection, make_signer(connection.signing_algorithm, key))
    request.signer = None  # the last response proves that the server has the channel's own key
    request.sign = not request.sealed
    _log.info("%s: session %#x: one more channel", connection, session.wire_id)
