"""Sessions that are authenticated again, as the same user or another ([MS-SMB2] 3.3.5.5.3)."""

from __future__ import annotations

import os

import pytest

from smbd.wire.constants import SMB2_DIALECT_311
from tests.smbxcli import StatusError
from vfs.constants import FILE_CREATE, FILE_OPEN
from vfs.ntstatus import STATUS_ACCESS_DENIED, STATUS_LOGON_FAILURE, STATUS_USER_SESSION_DELETED

pytestmark = pytest.mark.slow


@pytest.fixture
def other(server):
    """Name and password of another account than `server.user`."""
    others = [pair for pair in server.users.items() if pair[0] != server.user]
    if not others:
        pytest.skip("there is only one account")
    return others[0]


def test_another_user_goes_on(server, tree, name, other):
    path = server.share_path("tmp") / name
    with tree.create(name, disposition=FILE_CREATE) as file:
        owner = path.stat().st_uid
        tree.session.authenticate(*other)
        assert file.write(b"as before") == 9
        with tree.create(f"{name}-2", disposition=FILE_CREATE):
            assert (server.share_path("tmp") / f"{name}-2").stat().st_uid != owner
        assert file.write(b"and again", 9) == 9
        tree.session.authenticate(server.user, server.password)
        with tree.create(f"{name}-3", disposition=FILE_CREATE):
            assert (server.share_path("tmp") / f"{name}-3").stat().st_uid == owner


def test_nobody_can_only_use_what_is_open(tree, name):
    with tree.create(name, disposition=FILE_CREATE) as file:
        tree.session.authenticate(None)
        assert file.write(b"still mine") == 10
        with pytest.raises(StatusError) as caught:
            tree.create(name, disposition=FILE_OPEN)
        assert caught.value.status == STATUS_ACCESS_DENIED


def test_a_failure_ends_the_session(server, tree):
    session = tree.session
    with pytest.raises(StatusError) as caught:
        session.authenticate(server.user, "wrong")
    assert caught.value.status == STATUS_LOGON_FAILURE
    with pytest.raises(StatusError) as caught:
        session.tree_connect("tmp")
    assert caught.value.status == STATUS_USER_SESSION_DELETED


def test_over_another_channel(server, login, connect, name):
    guid = os.urandom(16)
    session = login(client_guid=guid, dialects=[SMB2_DIALECT_311])
    second = connect(client_guid=guid, dialects=[SMB2_DIALECT_311])
    session.bind(second, server.user, server.password)
    tree = session.tree_connect("tmp")
    with tree.create(name, disposition=FILE_CREATE) as file:
        session.authenticate(server.user, server.password, on=second)
        assert file.write(b"both") == 4


def test_a_channel_of_another_user_is_refused(login, connect, other):
    guid = os.urandom(16)
    session = login(client_guid=guid)
    with pytest.raises(StatusError) as caught:
        session.bind(connect(client_guid=guid), *other)
    assert caught.value.status == STATUS_ACCESS_DENIED
    assert session.tree_connect("tmp")
