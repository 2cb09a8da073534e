"""Sessions and trees: their ids, misuse of them, re-authentication and logoff ([MS-SMB2] 3.3.5.2.9 on)."""

from __future__ import annotations

import pytest

from smbd.wire.close import CloseRequest
from smbd.wire.constants import (
    SMB2_CLOSE,
    SMB2_CREATE,
    SMB2_DIALECT_210,
    SMB2_DIALECT_300,
    SMB2_ECHO,
    SMB2_TREE_CONNECT,
)
from smbd.wire.create import CreateRequest
from smbd.wire.echo import EchoRequest
from smbd.wire.tree import TreeConnectRequest
from tests.smbxcli import Protection, Session, StatusError
from vfs.constants import FILE_CREATE
from vfs.ntstatus import (
    STATUS_BAD_NETWORK_NAME,
    STATUS_FILE_CLOSED,
    STATUS_LOGON_FAILURE,
    STATUS_NETWORK_NAME_DELETED,
    STATUS_SUCCESS,
    STATUS_USER_SESSION_DELETED,
)

pytestmark = pytest.mark.slow

_SHARE = TreeConnectRequest(r"\\127.0.0.1\tmp")


@pytest.mark.parametrize("mechanism", ["negotiate", "ntlm"])
def test_login_by_spnego_and_raw_ntlmssp(server, connect, mechanism):
    session = Session(connect())
    response = session.authenticate(server.user, server.password, mechanism=mechanism)
    assert response.verified
    assert session.tree_connect("tmp")


@pytest.mark.parametrize("mechanism", ["negotiate", "ntlm"])
def test_wrong_password(server, connect, mechanism):
    connection = connect()
    with pytest.raises(StatusError) as caught:
        Session(connection).authenticate(server.user, "wrong", mechanism=mechanism)
    assert caught.value.status == STATUS_LOGON_FAILURE
    Session.login(connection, server.user, server.password)


def test_unknown_user(connect):
    with pytest.raises(StatusError) as caught:
        Session.login(connect(), "nobody-of-that-name", "x")
    assert caught.value.status == STATUS_LOGON_FAILURE


def test_any_domain_will_do(server, connect):
    assert Session.login(connect(), server.user, server.password, "ELSEWHERE").session_id


def test_user_names_are_not_case_sensitive(server, connect):
    assert Session.login(connect(), server.user.upper(), server.password).session_id


def test_two_sessions_on_one_connection(server, connect):
    connection = connect()
    first = Session.login(connection, server.user, server.password)
    second = Session.login(connection, server.user, server.password)
    assert first.session_id != second.session_id
    second.logoff()
    assert first.tree_connect("tmp")


def test_reauthentication_keeps_keys_trees_and_files(server, tree, name):
    session = tree.session
    with tree.create(name, disposition=FILE_CREATE) as file:
        session.authenticate(server.user, server.password)
        assert file.write(b"still here") == 10


def test_requests_without_a_session(connect):
    assert connect().send(SMB2_TREE_CONNECT, _SHARE).recv().status == STATUS_USER_SESSION_DELETED


def test_requests_with_a_session_that_never_was(login):
    session = login()
    pending = session.connection.send(SMB2_TREE_CONNECT, _SHARE, session_id=session.session_id ^ 0xFF00)
    assert pending.recv().status == STATUS_USER_SESSION_DELETED


def test_a_session_of_another_connection(login, connect):
    session = login(dialects=[SMB2_DIALECT_210])
    pending = connect(dialects=[SMB2_DIALECT_210]).send(
        SMB2_TREE_CONNECT, _SHARE, session_id=session.session_id
    )
    assert pending.recv().status == STATUS_USER_SESSION_DELETED


def test_logoff_closes_everything(tree, name):
    file = tree.create(name, disposition=FILE_CREATE)
    session = tree.session
    session.logoff()
    session.protection = Protection.PLAIN
    request = CloseRequest(file.persistent, file.volatile)
    pending = tree.send(SMB2_CLOSE, request)
    assert pending.recv().status == STATUS_USER_SESSION_DELETED


def test_echo_needs_no_session(connect):
    assert connect().send(SMB2_ECHO, EchoRequest()).recv().status == STATUS_SUCCESS


def test_unknown_share(login):
    with pytest.raises(StatusError) as caught:
        login().tree_connect("no such share")
    assert caught.value.status == STATUS_BAD_NETWORK_NAME


def test_share_names_are_not_case_sensitive(login):
    assert login().tree_connect("TMP")


def test_unknown_tree(tree, name):
    pending = tree.send(SMB2_CREATE, CreateRequest(name), tree_id=tree.tree_id ^ 0xFF00)
    assert pending.recv().status == STATUS_NETWORK_NAME_DELETED


def test_tree_disconnect_closes_its_files(tree, name):
    file = tree.create(name, disposition=FILE_CREATE)
    other = tree.session.tree_connect("tmp")
    tree.disconnect()
    request = CloseRequest(file.persistent, file.volatile)
    assert tree.send(SMB2_CLOSE, request).recv().status == STATUS_NETWORK_NAME_DELETED
    assert other.send(SMB2_CLOSE, request).recv().status == STATUS_FILE_CLOSED


def test_files_belong_to_their_tree(tree, name):
    with tree.create(name, disposition=FILE_CREATE) as file:
        other = tree.session.tree_connect("tmp")
        request = CloseRequest(file.persistent, file.volatile)
        assert other.send(SMB2_CLOSE, request).recv().status == STATUS_FILE_CLOSED


def test_a_new_session_replaces_the_one_it_names(server, login, connect):
    old = login(dialects=[SMB2_DIALECT_300])
    new = Session(connect(dialects=[SMB2_DIALECT_300]))
    new.authenticate(server.user, server.password, previous_session_id=old.session_id)
    old.protection = Protection.PLAIN
    response = old.send(SMB2_TREE_CONNECT, _SHARE).recv()
    assert response.status == STATUS_USER_SESSION_DELETED
