"""SESSION_SETUP ([MS-SMB2] 3.3.5.5): authentication, keys, re-authentication."""

from __future__ import annotations

import logging

from smbd.auth.session_info import SessionInfo
from smbd.config.enums import DESIRED, REQUIRED
from smbd.crypto.kdf import derive_session_keys
from smbd.gensec import start_acceptor
from smbd.smb2 import session_bind, tree_connect
from smbd.smb2.request import AsyncResult, Reply, Request, Result
from smbd.wire.constants import (
    SMB2_FLAGS_SIGNED,
    SMB2_NEGOTIATE_SIGNING_REQUIRED,
    SMB2_SESSION_FLAG_BINDING,
    SMB2_SESSION_FLAG_ENCRYPT_DATA,
    SMB2_SESSION_FLAG_IS_GUEST,
    SMB2_SESSION_FLAG_IS_NULL,
)
from smbd.wire.session import SessionSetupRequest, SessionSetupResponse
from smbd.xsrv.connection import Connection, Setup
from smbd.xsrv.previous_session import close_previous_session
from smbd.xsrv.session import Session
from vfs.ntstatus import (
    STATUS_ACCESS_DENIED,
    STATUS_INVALID_PARAMETER,
    STATUS_MORE_PROCESSING_REQUIRED,
    STATUS_SUCCESS,
    STATUS_USER_SESSION_DELETED,
    NTStatusError,
)

_log = logging.getLogger(__name__)


def handle(request: Request) -> Result | AsyncResult:
    """Take one token of an authentication.

    Raises:
        NTStatusError: the authentication failed (the session is gone then), or the session is not known.
    """
    connection = request.connection
    if not connection.negotiated:
        raise NTStatusError(STATUS_INVALID_PARAMETER, "SESSION_SETUP before NEGOTIATE")
    message = SessionSetupRequest.unpack(request.pdu)
    token = bytes(message.security_buffer)
    binding = bool(message.flags & SMB2_SESSION_FLAG_BINDING)
    if binding:
        found = session_bind.find(request)
        if not isinstance(found, Session):
            return found
        session = found
    elif request.session_id and request.session is None:
        return session_bind.refuse_foreign(request, binding=False)
    else:
        session = _find_session(request)
    request.session = session
    setup = _find_setup(connection, session, token, binding=binding)
    if setup.preauth is not None:
        setup.preauth.update(request.pdu)
    try:
        step = setup.acceptor.update(token)
        if not step.done:
            body = SessionSetupResponse(step.token).pack()
            return Reply(body, STATUS_MORE_PROCESSING_REQUIRED, preauth=setup.preauth)
        if binding:
            session_bind.finish(request, session, setup)
            flags = SMB2_SESSION_FLAG_ENCRYPT_DATA if session.encryption_desired else 0
        else:
            flags = _finish(request, session, setup, message.security_mode)
    except NTStatusError:
        connection.setups.pop(session.wire_id, None)
        if not binding:
            session.close()  # also one whose re-authentication fails: [MS-SMB2] 3.3.5.5.3
        raise
    del connection.setups[session.wire_id]
    reply = Reply(SessionSetupResponse(step.token, flags).pack(), STATUS_SUCCESS)
    previous = message.previous_session_id
    if previous and not binding and previous != session.wire_id:
        return _replace(session, previous, reply)
    return reply


async def _replace(session: Session, previous: int, reply: Reply) -> Reply:
    await close_previous_session(session.client, previous, session)
    return reply


def _find_session(request: Request) -> Session:
    """Return the session that the request sets up or authenticates again."""
    connection = request.connection
    if not request.session_id:
        session = Session(connection.client)
        connection.client.sessions[session.wire_id] = session
        session.begin_on(connection)
        request.session_id = session.wire_id
        return session
    found = request.session
    if found is None:
        raise NTStatusError(STATUS_USER_SESSION_DELETED)
    if found.signing_key and found.signing_algorithm != connection.signing_algorithm:
        request.sign = not request.sealed
        raise NTStatusError(STATUS_ACCESS_DENIED, "this channel does not sign as the session does")
    if request.flags & SMB2_FLAGS_SIGNED and not request.sealed:
        if not found.verify(connection, request.pdu):
            raise NTStatusError(STATUS_ACCESS_DENIED, "wrong signature")
        request.sign = True
    return found


def _find_setup(connection: Connection, session: Session, token: bytes, *, binding: bool) -> Setup:
    """Return the authentication that the request belongs to."""
    setup = connection.setups.get(session.wire_id)
    if setup is None:
        preauth = connection.preauth.copy() if connection.preauth is not None else None
        acceptor = start_acceptor(connection.auth_context(), token)
        setup = Setup(acceptor, preauth, reauthentication=session.valid and not binding)
        connection.setups[session.wire_id] = setup
    return setup


def _finish(request: Request, session: Session, setup: Setup, security_mode: int) -> int:
    """Put a successful authentication in force and return the SessionFlags ([MS-SMB2] 3.3.5.5.3)."""
    connection = request.connection
    info = setup.acceptor.session_info
    parameters = connection.ctx.config.globals
    with_keys = bool(info.session_key) and not (info.is_guest or info.is_anonymous)
    if not setup.reauthentication:
        if with_keys:
            preauth = setup.preauth.value if setup.preauth is not None else b""
            session.set_keys(
                connection,
                derive_session_keys(connection.dialect, info.session_key, preauth, connection.cipher),
            )
        _decide_encryption(connection, session, info, with_keys=with_keys)
    wanted = parameters.server_signing == REQUIRED or security_mode & SMB2_NEGOTIATE_SIGNING_REQUIRED
    if session.has_keys and wanted:
        session.signing_required = True
    session.authenticated(connection, info)
    if setup.reauthentication:
        tree_connect.change_user(request, session, info)
    if session.has_keys:
        # The client can only believe the final response if it is signed with the new key.
        request.sign = not request.sealed
    _log.info(
        "%s: session %#x: %s%s logged on",
        connection, session.wire_id, info.user_name, " (guest)" if info.is_guest else "",
    )  # fmt: skip
    flags = SMB2_SESSION_FLAG_ENCRYPT_DATA if session.encryption_desired else 0
    if info.is_guest:
        flags |= SMB2_SESSION_FLAG_IS_GUEST
    if info.is_anonymous:
        flags |= SMB2_SESSION_FLAG_IS_NULL
    return flags


def _decide_encryption(connection: Connection, session: Session, info: SessionInfo, *, with_keys: bool) -> None:
    """Apply `server smb encrypt` and `server signing` of [global] to a new session.

    Raises:
        NTStatusError: STATUS_ACCESS_DENIED if the client cannot do what is required.
    """
    parameters = connection.ctx.config.globals
    if parameters.server_signing == REQUIRED and not with_keys and not info.is_anonymous:
        raise NTStatusError(STATUS_ACCESS_DENIED, "signing is required, a guest cannot sign")
    level = parameters.smb_encrypt
    if level == REQUIRED:
        if not session.can_seal:
            raise NTStatusError(STATUS_ACCESS_DENIED, "encryption is required, the client cannot")
        session.encryption_required = True
    session.encryption_desired = session.can_seal and level in {DESIRED, REQUIRED}
