"""Durable handles ([MS-SMB2] 3.3.5.9.6, .7, .10, .12): who gets one, who gets it back, and what it keeps."""

from __future__ import annotations

import pytest

from smbd.wire.constants import (
    SMB2_CREATE_DURABLE_HANDLE_REQUEST_V2,
    SMB2_DHANDLE_FLAG_PERSISTENT,
    SMB2_LOCKFLAG_EXCLUSIVE_LOCK,
    SMB2_LOCKFLAG_FAIL_IMMEDIATELY,
    SMB2_LOCKFLAG_UNLOCK,
    SMB2_OPLOCK_LEVEL_BATCH,
    SMB2_OPLOCK_LEVEL_II,
)
from smbd.wire.create_context_durable import DurableHandleResponseV2
from smbd.wire.lock import LockElement
from tests.protocol.durable import is_durable, lose_connection, new_guid, open_durable, reopen, request
from tests.protocol.leases import H, R, W, state_of
from tests.servers import unlike_samba
from tests.smbxcli import Session, StatusError
from vfs.constants import FILE_CREATE, FILE_DIRECTORY_FILE, FILE_OPEN_IF
from vfs.ntstatus import (
    STATUS_ACCESS_DENIED,
    STATUS_INVALID_PARAMETER,
    STATUS_LOCK_NOT_GRANTED,
    STATUS_OBJECT_NAME_NOT_FOUND,
    STATUS_SUCCESS,
)

pytestmark = pytest.mark.slow

EXCLUSIVE = SMB2_LOCKFLAG_EXCLUSIVE_LOCK | SMB2_LOCKFLAG_FAIL_IMMEDIATELY
RWH = R | W | H


def assert_refused(status, attempt, *args, **how):
    with pytest.raises(StatusError) as refused:
        attempt(*args, **how)
    assert refused.value.status == status


def test_only_who_may_cache_the_handle_gets_one(tree, name):
    with tree.create(
        name, disposition=FILE_CREATE, oplock=SMB2_OPLOCK_LEVEL_II, contexts=request()
    ) as file:
        assert not is_durable(file)
    with open_durable(tree, name, key=new_guid(), state=R | W) as file:
        assert not is_durable(file)
    with open_durable(tree, name, key=new_guid(), state=R | H) as file:
        assert is_durable(file)
    with open_durable(tree, name, guid=new_guid()) as file:
        assert is_durable(file)
    with open_durable(tree, name + "-dir", key=new_guid(), state=R | H, options=FILE_DIRECTORY_FILE) as directory:
        assert not is_durable(directory)


@pytest.mark.parametrize(("asked", "granted"), [(0, 60_000), (1_000, 1_000), (900_000, 300_000)])
def test_the_server_limits_the_time_out(tree, name, asked, granted):
    with open_durable(tree, name, guid=new_guid(), timeout=asked) as file:
        answer = file.response.contexts[SMB2_CREATE_DURABLE_HANDLE_REQUEST_V2]
        assert DurableHandleResponseV2.unpack(answer).timeout == granted


def test_contexts_that_exclude_each_other(tree, name):
    both = request() | request(new_guid())
    how = {"disposition": FILE_OPEN_IF, "oplock": SMB2_OPLOCK_LEVEL_BATCH, "contexts": both}
    assert_refused(STATUS_INVALID_PARAMETER, tree.create, name, **how)


@pytest.mark.parametrize("version", [1, 2])
def test_a_handle_comes_back_as_it_was(server, tree, login, name, version):
    guid = new_guid() if version > 1 else b""
    lost = open_durable(tree, name, guid=guid)
    lost.write(b"kept")
    lose_connection(server, tree)
    again = login().tree_connect("tmp")
    file = reopen(again, name, lost, guid=guid)
    assert file.persistent == lost.persistent
    assert file.response.oplock_level == SMB2_OPLOCK_LEVEL_BATCH
    assert not is_durable(file)
    assert file.read(10) == b"kept"
    file.write(b"more", 4)
    # It survives the next loss as well.
    lose_connection(server, again)
    third = login().tree_connect("tmp")
    with reopen(third, name, file, guid=guid) as file:
        assert file.read(10) == b"keptmore"


def test_only_the_client_that_has_the_lease_gets_it_back(server, connect, name):
    guid, key, client = new_guid(), new_guid(), new_guid()

    def login(client_guid):
        return Session.login(connect(client_guid=client_guid), server.user, server.password).tree_connect("tmp")

    first = login(client)
    lost = open_durable(first, name, guid=guid, key=key, state=RWH)
    lose_connection(server, first)
    stranger = login(new_guid())
    assert_refused(STATUS_OBJECT_NAME_NOT_FOUND, reopen, stranger, name, lost, guid=guid, key=key, state=RWH)
    second = login(client)
    assert_refused(STATUS_OBJECT_NAME_NOT_FOUND, reopen, second, name, lost, guid=guid, key=new_guid(), state=RWH)
    assert_refused(STATUS_OBJECT_NAME_NOT_FOUND, reopen, second, name, lost, guid=guid)
    assert_refused(STATUS_OBJECT_NAME_NOT_FOUND, reopen, second, name, lost, guid=new_guid(), key=key, state=RWH)
    assert_refused(STATUS_INVALID_PARAMETER, reopen, second, name + "x", lost, guid=guid, key=key, state=RWH)
    with reopen(second, name, lost, guid=guid, key=key, state=RWH) as file:
        assert state_of(file) == RWH


def test_another_user_does_not_get_it(server, tree, connect, login, name):
    others = [pair for pair in server.users.items() if pair[0] != server.user]
    if not others:
        pytest.skip("needs a second user, so a server of root's")
    guid = new_guid()
    lost = open_durable(tree, name, guid=guid)
    lose_connection(server, tree)
    other = Session.login(connect(), *others[0]).tree_connect("tmp")
    assert_refused(STATUS_ACCESS_DENIED, reopen, other, name, lost, guid=guid)
    reopen(login().tree_connect("tmp"), name, lost, guid=guid).close()


@unlike_samba  # as Windows before 10
def test_it_cannot_be_taken_up_as_a_persistent_one(server, tree, login, name):
    guid = new_guid()
    lost = open_durable(tree, name, guid=guid)
    lose_connection(server, tree)
    again = login().tree_connect("tmp")
    flags = SMB2_DHANDLE_FLAG_PERSISTENT
    assert_refused(STATUS_INVALID_PARAMETER, reopen, again, name, lost, guid=guid, flags=flags)
    reopen(again, name, lost, guid=guid).close()


def test_a_handle_that_is_in_use_cannot_be_taken(tree, login, name):
    guid = new_guid()
    with open_durable(tree, name, guid=guid) as file:
        other = login().tree_connect("tmp")
        assert_refused(STATUS_OBJECT_NAME_NOT_FOUND, reopen, other, name, file, guid=guid)


def test_a_tree_disconnect_closes_it(tree, name):
    guid = new_guid()
    lost = open_durable(tree, name, guid=guid)
    session = tree.session
    tree.disconnect()
    assert_refused(STATUS_OBJECT_NAME_NOT_FOUND, reopen, session.tree_connect("tmp"), name, lost, guid=guid)


def test_a_changed_file_is_not_taken_up_again(server, tree, login, name):
    guid = new_guid()
    lost = open_durable(tree, name, guid=guid)
    lose_connection(server, tree)
    (server.share_path("tmp") / name).write_bytes(b"changed by a local program")
    again = login().tree_connect("tmp")
    assert_refused(STATUS_OBJECT_NAME_NOT_FOUND, reopen, again, name, lost, guid=guid)


def test_byte_range_locks_survive(server, tree, login, name):
    guid = new_guid()
    lost = open_durable(tree, name, guid=guid)
    assert lost.send_lock(LockElement(0, 10, EXCLUSIVE)).recv().status == STATUS_SUCCESS
    lose_connection(server, tree)
    with reopen(login().tree_connect("tmp"), name, lost, guid=guid) as file:
        # An exclusive lock excludes its owner's next one, and only its owner can unlock it.
        assert file.send_lock(LockElement(0, 10, EXCLUSIVE)).recv().status == STATUS_LOCK_NOT_GRANTED
        assert file.send_lock(LockElement(0, 10, SMB2_LOCKFLAG_UNLOCK)).recv().status == STATUS_SUCCESS
        assert file.send_lock(LockElement(0, 10, EXCLUSIVE)).recv().status == STATUS_SUCCESS
