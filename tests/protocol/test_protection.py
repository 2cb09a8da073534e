"""Signing and encryption: what is demanded, and what becomes of messages that were tampered with.

[MS-SMB2] 3.3.5.2.4 (verifying the signature), 3.3.5.2.1 (decrypting), 3.3.5.2.9 and 3.3.5.2.11 (encryption
that a session or a tree demands).
"""

from __future__ import annotations

import pytest

from smbd.wire.constants import (
    SMB2_DIALECT_202,
    SMB2_DIALECT_210,
    SMB2_DIALECT_300,
    SMB2_DIALECT_311,
    SMB2_ECHO,
    SMB2_NEGOTIATE_SIGNING_REQUIRED,
    SMB2_SHAREFLAG_ENCRYPT_DATA,
    SMB2_TREE_CONNECT,
)
from smbd.wire.echo import EchoRequest
from smbd.wire.tree import TreeConnectRequest
from tests.smbxcli import ConnectionLostError, Protection, Session, StatusError
from vfs.ntstatus import STATUS_ACCESS_DENIED, STATUS_SUCCESS, STATUS_USER_SESSION_DELETED

pytestmark = pytest.mark.slow

_SHARE = TreeConnectRequest(r"\\127.0.0.1\tmp")
_DIALECTS = pytest.mark.parametrize(
    "dialect", [SMB2_DIALECT_202, SMB2_DIALECT_300, SMB2_DIALECT_311], ids=hex
)
_SEALING = pytest.mark.parametrize("dialect", [SMB2_DIALECT_300, SMB2_DIALECT_311], ids=hex)


@_DIALECTS
def test_a_signed_request_gets_a_signed_response(login, dialect):
    session = login(dialects=[dialect])
    response = session.send(SMB2_ECHO, EchoRequest(), protection=Protection.SIGN).recv()
    assert response.verified


@_DIALECTS
@pytest.mark.parametrize("protection", [Protection.SIGN_BROKEN, Protection.SIGN_FLAG_ONLY])
def test_a_wrong_signature_is_refused(login, dialect, protection):
    session = login(dialects=[dialect])
    response = session.send(SMB2_TREE_CONNECT, _SHARE, protection=protection).recv()
    assert response.status == STATUS_ACCESS_DENIED


@_DIALECTS
def test_an_unsigned_request_is_refused_where_signing_was_required(server, connect, login, dialect):
    session = login(dialects=[dialect], security_mode=SMB2_NEGOTIATE_SIGNING_REQUIRED)
    session.authenticate(server.user, server.password, security_mode=SMB2_NEGOTIATE_SIGNING_REQUIRED)
    response = session.send(SMB2_TREE_CONNECT, _SHARE, protection=Protection.PLAIN).recv()
    # Dialects before 3.1.1 carry the demand in SESSION_SETUP only.
    assert response.status in {STATUS_ACCESS_DENIED, STATUS_SUCCESS}
    assert session.connection.echo(session).status == STATUS_SUCCESS


def test_an_unsigned_tree_connect_is_refused_by_311(login):
    """The specification wants a disconnect, Samba answers and denies."""
    session = login(dialects=[SMB2_DIALECT_311])
    pending = session.send(SMB2_TREE_CONNECT, _SHARE, protection=Protection.PLAIN)
    try:
        assert pending.recv().status == STATUS_ACCESS_DENIED
    except ConnectionLostError:
        pass


@_SEALING
def test_a_sealed_request_gets_a_sealed_response(login, dialect):
    session = login(dialects=[dialect])
    response = session.send(SMB2_TREE_CONNECT, _SHARE, protection=Protection.SEAL).recv()
    assert response.status == STATUS_SUCCESS
    assert response.sealed


@_SEALING
def test_broken_ciphertext_ends_the_connection(login, dialect):
    session = login(dialects=[dialect])
    with pytest.raises(ConnectionLostError):
        session.send(SMB2_ECHO, EchoRequest(), protection=Protection.SEAL_BROKEN).recv()


def test_a_sealed_message_of_an_unknown_session_ends_the_connection(login):
    session = login()
    session.session_id ^= 0xFFFF0000
    with pytest.raises(ConnectionLostError):
        session.send(SMB2_ECHO, EchoRequest(), protection=Protection.SEAL).recv()


def test_the_key_of_one_session_does_not_open_another(server, login):
    """The refusal is encrypted as the request was: `recv` could not read it otherwise."""
    session = login()
    other = Session.login(session.connection, server.user, server.password)
    for inner, status in (other.session_id, STATUS_ACCESS_DENIED), (0xDEAD, STATUS_USER_SESSION_DELETED):
        response = session.send(
            SMB2_TREE_CONNECT, _SHARE, protection=Protection.SEAL, session_id=inner
        ).recv()
        assert (response.status, response.sealed) == (status, True)
        assert session.connection.echo(session).status == STATUS_SUCCESS


@_SEALING
def test_a_share_that_demands_encryption(login, dialect, name):
    session = login(dialects=[dialect])
    session.protection = Protection.SEAL
    tree = session.tree_connect("sealed")
    assert tree.response.share_flags & SMB2_SHAREFLAG_ENCRYPT_DATA
    with pytest.raises(StatusError, match="OBJECT_NAME_NOT_FOUND"):
        tree.create(name)
    session.protection = Protection.SIGN
    with pytest.raises(StatusError, match="ACCESS_DENIED"):
        tree.create(name)


@pytest.mark.parametrize("dialect", [SMB2_DIALECT_202, SMB2_DIALECT_210], ids=hex)
def test_a_share_that_demands_encryption_is_closed_to_old_dialects(login, dialect):
    with pytest.raises(StatusError, match="ACCESS_DENIED"):
        login(dialects=[dialect]).tree_connect("sealed")
