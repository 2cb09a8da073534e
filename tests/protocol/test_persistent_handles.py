"""Persistent handles ([MS-SMB2] 3.3.5.9.10, .12): who gets one, who gets it back, and what others see meanwhile."""

from __future__ import annotations

import os
import signal
import time

import pytest

from messaging.server_id import read_unique_id
from smbd.wire.constants import (
    SMB2_CREATE,
    SMB2_DHANDLE_FLAG_PERSISTENT,
    SMB2_DIALECT_300,
    SMB2_DIALECT_302,
    SMB2_DIALECT_311,
    SMB2_FLAGS_REPLAY_OPERATION,
    SMB2_GLOBAL_CAP_PERSISTENT_HANDLES,
    SMB2_LEASE_FLAG_BREAK_IN_PROGRESS,
    SMB2_LOCKFLAG_UNLOCK,
    SMB2_OPLOCK_LEVEL_BATCH,
    SMB2_OPLOCK_LEVEL_II,
    SMB2_OPLOCK_LEVEL_NONE,
    SMB2_SHARE_CAP_CONTINUOUS_AVAILABILITY,
)
from smbd.wire.create import CreateRequest, CreateResponse
from smbd.wire.lock import LockElement
from tests.protocol.durable import eventually, is_durable, lose_connection, new_guid, open_durable, reopen, request
from tests.protocol.leases import H, R, W, answer, assert_no_break, lease_of, next_lease_break, state_of
from tests.protocol.persistent import SHARE, is_persistent, open_persistent, response_of, take_up
from tests.protocol.test_durable_handles import EXCLUSIVE, assert_refused
from tests.servers import unlike_samba
from tests.smbxcli import File, Offer, Session
from tests.smbxcli.tree import SHARE_ALL
from vfs.access import FILE_READ_ATTRIBUTES, GENERIC_ALL, GENERIC_READ
from vfs.constants import (
    FILE_CREATED,
    FILE_DELETE_ON_CLOSE,
    FILE_DIRECTORY_FILE,
    FILE_OPEN,
    FILE_OPEN_IF,
    FILE_SHARE_READ,
)
from vfs.ntstatus import (
    STATUS_ACCESS_DENIED,
    STATUS_DUPLICATE_OBJECTID,
    STATUS_FILE_NOT_AVAILABLE,
    STATUS_INVALID_PARAMETER,
    STATUS_LOCK_NOT_GRANTED,
    STATUS_OBJECT_NAME_NOT_FOUND,
    STATUS_SHARING_VIOLATION,
    STATUS_SUCCESS,
)

pytestmark = [pytest.mark.slow, unlike_samba]

UNLOCK = SMB2_LOCKFLAG_UNLOCK
RWH = R | W | H
LOCKED = LockElement(0, 10, EXCLUSIVE)


@pytest.fixture
def ca(login):
    """A tree connect to the share that is continuously available."""
    return login().tree_connect(SHARE)


@pytest.fixture
def name(request, server):
    chosen = "".join(letter if letter.isalnum() else "-" for letter in request.node.name)
    yield chosen
    for path in server.share_path(SHARE).glob(f"{chosen}*"):
        path.rmdir() if path.is_dir() else path.unlink()


def kill_worker(server, tree):
    """Kill the process that serves a client, and wait until it is gone; its connection with it."""
    os.kill(tree.worker, signal.SIGKILL)
    eventually(lambda: read_unique_id(str(server.directory / "lock"), tree.worker) is None)
    tree.session.connection.close(reset=True)


@pytest.fixture
def killable(server, login):
    """Makes tree connects whose process `kill_worker` can find."""

    def make(**offer):
        others = set(server.worker_pids())
        tree = login(**offer).tree_connect(SHARE)
        (tree.worker,) = set(server.worker_pids()) - others
        return tree

    return make


@pytest.mark.parametrize("dialect", [SMB2_DIALECT_300, SMB2_DIALECT_302, SMB2_DIALECT_311])
def test_server_and_share_say_so(login, dialect):
    session = login(dialects=[dialect], capabilities=Offer().capabilities | SMB2_GLOBAL_CAP_PERSISTENT_HANDLES)
    assert session.connection.agreement.response.capabilities & SMB2_GLOBAL_CAP_PERSISTENT_HANDLES
    assert not login(dialects=[dialect]).connection.agreement.response.capabilities & SMB2_GLOBAL_CAP_PERSISTENT_HANDLES
    assert session.tree_connect(SHARE).response.capabilities & SMB2_SHARE_CAP_CONTINUOUS_AVAILABILITY
    assert not session.tree_connect("tmp").response.capabilities & SMB2_SHARE_CAP_CONTINUOUS_AVAILABILITY


@pytest.mark.parametrize("level", [SMB2_OPLOCK_LEVEL_NONE, SMB2_OPLOCK_LEVEL_II, SMB2_OPLOCK_LEVEL_BATCH])
def test_caching_does_not_matter(ca, name, level):
    with open_persistent(ca, name, new_guid(), oplock=level) as file:
        assert is_persistent(file)


@pytest.mark.parametrize(("asked", "granted"), [(0, 60_000), (1_000, 1_000), (900_000, 300_000)])
def test_the_server_limits_the_time_out(ca, name, asked, granted):
    with open_persistent(ca, name, new_guid(), timeout=asked) as file:
        assert response_of(file).timeout == granted


def test_other_shares_grant_durable_handles(login, name):
    tree = login().tree_connect("tmp")
    with open_persistent(tree, name, new_guid(), oplock=SMB2_OPLOCK_LEVEL_BATCH) as file:
        assert is_durable(file)
        assert not is_persistent(file)
    with open_persistent(tree, name, new_guid()) as file:
        assert not is_durable(file)
    tree.delete(name)


def test_what_cannot_be_persistent(ca, name):
    with open_persistent(ca, name, new_guid(), options=FILE_DIRECTORY_FILE) as file:
        assert not is_durable(file)
    with open_persistent(ca, f"{name}2", new_guid(), options=FILE_DELETE_ON_CLOSE) as file:
        assert not is_durable(file)


def test_a_lost_connection(server, ca, login, name):
    guid = new_guid()
    lost = open_persistent(ca, name, guid)
    lost.write(b"kept")
    lose_connection(server, ca)
    with take_up(login().tree_connect(SHARE), name, lost, guid) as file:
        assert file.persistent == lost.persistent
        assert file.read(10) == b"kept"


@pytest.mark.parametrize("times", [1, 3])
def test_a_killed_worker(server, killable, name, times):
    guid = new_guid()
    tree = killable()
    file = open_persistent(tree, name, guid)
    for _ in range(times):
        kill_worker(server, tree)
        tree = killable()
        file = take_up(tree, name, file, guid)
    file.write(b"still open")
    file.close()
    tree.create(name).close()


def test_a_killed_worker_is_not_waited_for(server, killable, login, name):
    """Nobody gets in before cleanupd has seen what happened."""
    guid = new_guid()
    tree = killable()
    lost = open_persistent(tree, name, guid, share_access=0)
    other = login().tree_connect(SHARE)
    os.kill(tree.worker, signal.SIGKILL)
    for _ in range(10):
        with pytest.raises(Exception) as refused:
            other.create(name)
        assert refused.value.status in {STATUS_FILE_NOT_AVAILABLE, STATUS_SHARING_VIOLATION}
    take_up(other, name, lost, guid).close()


def test_the_guid_finds_a_handle_whose_number_never_arrived(server, ca, login, name):
    client, guid = new_guid(), new_guid()
    tree = login(client_guid=client).tree_connect(SHARE)
    lost = open_persistent(tree, name, guid)
    number = lost.persistent
    lose_connection(server, tree)
    lost.persistent = 0xFFFFFFFFFFFFFFFF
    assert_refused(STATUS_OBJECT_NAME_NOT_FOUND, take_up, ca, name, lost, guid)  # another client's
    again = login(client_guid=client).tree_connect(SHARE)
    assert_refused(STATUS_OBJECT_NAME_NOT_FOUND, take_up, again, name, lost, new_guid())
    with take_up(again, name, lost, guid) as file:
        assert file.persistent == number


def test_it_is_taken_up_as_what_it_is(server, ca, login, name):
    guid = new_guid()
    lost = open_persistent(ca, name, guid)
    lose_connection(server, ca)
    again = login().tree_connect(SHARE)
    assert_refused(
        STATUS_OBJECT_NAME_NOT_FOUND, reopen, again, name, lost, guid=guid, oplock=SMB2_OPLOCK_LEVEL_NONE
    )
    assert_refused(STATUS_OBJECT_NAME_NOT_FOUND, take_up, again, name, lost, new_guid())
    take_up(again, name, lost, guid).close()
    # A durable handle of the same share is none.
    guid = new_guid()
    lost = open_durable(again, name, guid=guid)
    lose_connection(server, again)
    again = login().tree_connect(SHARE)
    assert_refused(STATUS_INVALID_PARAMETER, take_up, again, name, lost, guid)
    reopen(again, name, lost, guid=guid).close()


def test_another_user_does_not_get_it(server, ca, connect, login, name):
    others = [pair for pair in server.users.items() if pair[0] != server.user]
    if not others:
        pytest.skip("needs a second user, so a server of root's")
    guid = new_guid()
    lost = open_persistent(ca, name, guid)
    lose_connection(server, ca)
    other = Session.login(connect(), *others[0]).tree_connect(SHARE)
    assert_refused(STATUS_ACCESS_DENIED, take_up, other, name, lost, guid)
    take_up(login().tree_connect(SHARE), name, lost, guid).close()


@pytest.mark.parametrize("how", ["lost", "killed"])
def test_others_have_to_come_again(server, killable, login, name, how):
    guid = new_guid()
    tree = killable()
    lost = open_persistent(tree, name, guid, share_access=FILE_SHARE_READ)
    lose_connection(server, tree) if how == "lost" else kill_worker(server, tree)
    other = login().tree_connect(SHARE)
    assert_refused(STATUS_FILE_NOT_AVAILABLE, other.create, name)
    assert_refused(STATUS_FILE_NOT_AVAILABLE, other.create, name, access=FILE_READ_ATTRIBUTES)
    assert_refused(STATUS_FILE_NOT_AVAILABLE, other.delete, name)
    again = login().tree_connect(SHARE)
    with take_up(again, name, lost, guid):
        assert_refused(STATUS_SHARING_VIOLATION, other.create, name)
    other.create(name).close()


def test_what_caches_the_handle_lets_in_who_disturbs_nothing(server, login, name):
    client, guid, key = new_guid(), new_guid(), new_guid()
    tree = login(client_guid=client).tree_connect(SHARE)
    lost = open_persistent(tree, name, guid, key=key, state=R | H)
    lose_connection(server, tree)
    other = login(client_guid=new_guid()).tree_connect(SHARE)
    other.create(name, access=FILE_READ_ATTRIBUTES).close()
    other.create(name).close()
    assert_refused(STATUS_FILE_NOT_AVAILABLE, other.delete, name)
    again = login(client_guid=client).tree_connect(SHARE)
    with take_up(again, name, lost, guid, key=key, state=R | H) as file:
        assert state_of(file) == R | H


def test_write_caching_keeps_others_out(server, login, name):
    client, guid, key = new_guid(), new_guid(), new_guid()
    tree = login(client_guid=client).tree_connect(SHARE)
    lost = open_persistent(tree, name, guid, key=key, state=RWH)
    lose_connection(server, tree)
    other = login(client_guid=new_guid()).tree_connect(SHARE)
    assert_refused(STATUS_FILE_NOT_AVAILABLE, other.create, name)
    again = login(client_guid=client).tree_connect(SHARE)
    with take_up(again, name, lost, guid, key=key, state=RWH) as file:
        assert state_of(file) == RWH


def test_it_ends_in_time(server, killable, login, name):
    guid = new_guid()
    tree = killable()
    lost = open_persistent(tree, name, guid, timeout=500, share_access=0)
    kill_worker(server, tree)
    other = login().tree_connect(SHARE)
    assert_refused(STATUS_FILE_NOT_AVAILABLE, other.create, name)
    time.sleep(1.0)
    assert_refused(STATUS_OBJECT_NAME_NOT_FOUND, take_up, other, name, lost, guid)
    other.create(name).close()


def test_a_closed_handle_is_gone(server, killable, name):
    guid = new_guid()
    tree = killable()
    lost = open_persistent(tree, name, guid, share_access=0)
    lost.close()
    kill_worker(server, tree)
    again = killable()
    again.create(name).close()
    assert_refused(STATUS_OBJECT_NAME_NOT_FOUND, take_up, again, name, lost, guid)


@pytest.mark.parametrize("how", ["lost", "killed"])
def test_locks_are_kept(server, killable, login, name, how):
    client, guid, key = new_guid(), new_guid(), new_guid()
    tree = killable(client_guid=client)
    lost = open_persistent(tree, name, guid, key=key, state=R | H)
    other = login(client_guid=new_guid()).tree_connect(SHARE).create(name)
    assert lost.send_lock(LOCKED, sequence=1 << 4 | 3).recv().status == STATUS_SUCCESS
    lose_connection(server, tree) if how == "lost" else kill_worker(server, tree)
    assert other.send_lock(LockElement(5, 1, EXCLUSIVE)).recv().status == STATUS_LOCK_NOT_GRANTED
    again = login(client_guid=client).tree_connect(SHARE)
    file = take_up(again, name, lost, guid, key=key, state=R | H)
    # The answer to the repeated request is that it was granted already.
    assert file.send_lock(LOCKED, sequence=1 << 4 | 3).recv().status == STATUS_SUCCESS
    assert file.send_lock(LockElement(0, 10, UNLOCK)).recv().status == STATUS_SUCCESS
    assert other.send_lock(LockElement(5, 1, EXCLUSIVE)).recv().status == STATUS_SUCCESS


def test_the_state_of_the_lease_is_kept(server, killable, login, name):
    client, guid, key = new_guid(), new_guid(), new_guid()
    tree = killable(client_guid=client)
    lost = open_persistent(tree, name, guid, key=key, state=RWH)
    other = login(client_guid=new_guid()).tree_connect(SHARE)
    waiting = other.send(SMB2_CREATE, CreateRequest(name, GENERIC_READ, 0, SHARE_ALL, FILE_OPEN))
    assert next_lease_break(tree.session.connection).new_lease_state == R | H
    assert answer(tree, key, R | H).status == STATUS_SUCCESS
    assert waiting.recv().status == STATUS_SUCCESS
    kill_worker(server, tree)
    again = login(client_guid=client).tree_connect(SHARE)
    with take_up(again, name, lost, guid, key=key, state=R | H) as file:
        assert state_of(file) == R | H


@pytest.mark.parametrize("how", ["lost", "killed"])
def test_a_lease_break_under_way_comes_again(server, killable, login, name, how):
    client, guid, key = new_guid(), new_guid(), new_guid()
    tree = killable(client_guid=client)
    lost = open_persistent(tree, name, guid, key=key, state=RWH)
    other = login(client_guid=new_guid()).tree_connect(SHARE)
    message = CreateRequest(name, GENERIC_READ, 0, SHARE_ALL, FILE_OPEN)
    waiting = other.send(SMB2_CREATE, message)
    told = next_lease_break(tree.session.connection)
    lose_connection(server, tree) if how == "lost" else kill_worker(server, tree)
    # What it caches for writing is not written yet, so nobody gets to see the file.
    assert waiting.recv().status == STATUS_FILE_NOT_AVAILABLE
    assert_refused(STATUS_FILE_NOT_AVAILABLE, other.create, name)
    again = login(client_guid=client).tree_connect(SHARE)
    with take_up(again, name, lost, guid, key=key, state=RWH) as file:
        assert state_of(file) == RWH
        assert lease_of(file).lease_flags & SMB2_LEASE_FLAG_BREAK_IN_PROGRESS
        waiting = other.send(SMB2_CREATE, message)
        assert next_lease_break(again.session.connection) == told
        assert_no_break(again.session.connection)
        assert answer(again, key, R | H).status == STATUS_SUCCESS
        assert waiting.recv().status == STATUS_SUCCESS
        assert_no_break(again.session.connection)


def test_several_handles_of_a_lease_are_told_once(server, login, name):
    client, key = new_guid(), new_guid()
    tree = login(client_guid=client).tree_connect(SHARE)
    guids = [new_guid(), new_guid()]
    lost = [open_persistent(tree, name, guid, key=key, state=RWH) for guid in guids]
    other = login(client_guid=new_guid()).tree_connect(SHARE)
    waiting = other.send(SMB2_CREATE, CreateRequest(name, GENERIC_READ, 0, SHARE_ALL, FILE_OPEN))
    next_lease_break(tree.session.connection)
    lose_connection(server, tree)
    assert waiting.recv().status == STATUS_FILE_NOT_AVAILABLE
    again = login(client_guid=client).tree_connect(SHARE)
    files = [take_up(again, name, *one, key=key, state=RWH) for one in zip(lost, guids, strict=True)]
    assert next_lease_break(again.session.connection).new_lease_state == R | H
    assert_no_break(again.session.connection)
    assert answer(again, key, R | H).status == STATUS_SUCCESS
    for file in files:
        file.close()


def test_ten_at_once_share_a_commit(ca, name):
    """What is sent in one go is answered, every one of it, and nothing of it is lost."""
    guids = [new_guid() for _ in range(10)]
    sent = [
        ca.send(
            SMB2_CREATE,
            CreateRequest(
                f"{name}{number}",
                GENERIC_ALL,
                0,
                SHARE_ALL,
                FILE_OPEN_IF,
                contexts=request(guid, 0, SMB2_DHANDLE_FLAG_PERSISTENT),
            ),
        )
        for number, guid in enumerate(guids)
    ]
    files = [File(ca, one.recv().body(CreateResponse)) for one in sent]
    assert all(is_persistent(file) for file in files)
    assert not any(one.interim for one in sent)
    for file in files:
        file.close()


def create(tree, name, guid, **fields):
    """Send a CREATE for a persistent handle; ``flags`` of the header make it a replay."""
    body = CreateRequest(
        name,
        GENERIC_ALL,
        0,
        SHARE_ALL,
        FILE_OPEN_IF,
        contexts=request(guid, 0, SMB2_DHANDLE_FLAG_PERSISTENT),
    )
    return tree.send(SMB2_CREATE, body, **fields)


@pytest.mark.parametrize("how", ["lost", "killed"])
def test_a_create_that_is_sent_again_finds_what_it_made(server, killable, login, name, how):
    client, guid = new_guid(), new_guid()
    tree = killable(client_guid=client)
    lost = File(tree, create(tree, name, guid).recv().body(CreateResponse))
    lose_connection(server, tree) if how == "lost" else kill_worker(server, tree)
    again = login(client_guid=client).tree_connect(SHARE)
    assert create(again, name, guid).recv().status == STATUS_DUPLICATE_OBJECTID
    file = File(again, create(again, name, guid, flags=SMB2_FLAGS_REPLAY_OPERATION).recv().body(CreateResponse))
    assert file.persistent == lost.persistent
    assert file.response.create_action == FILE_CREATED
    assert is_persistent(file)
    file.close()


def test_it_can_be_sent_again_while_the_handle_is_in_use(ca, name):
    guid = new_guid()
    file = File(ca, create(ca, name, guid).recv().body(CreateResponse))
    file.write(b"used")
    again = File(ca, create(ca, name, guid, flags=SMB2_FLAGS_REPLAY_OPERATION).recv().body(CreateResponse))
    assert (again.persistent, again.volatile) == (file.persistent, file.volatile)
    assert is_persistent(again)
    assert create(ca, name, guid).recv().status == STATUS_DUPLICATE_OBJECTID
    file.close()


def test_who_used_it_cannot_make_it_again(server, killable, login, name):
    """Not even where share mode and lease would let another open of the client in."""
    client, guid, key = new_guid(), new_guid(), new_guid()
    tree = killable(client_guid=client)
    lost = open_persistent(tree, name, guid, key=key, state=R | H)
    lost.write(b"used")
    kill_worker(server, tree)
    again = login(client_guid=client).tree_connect(SHARE)
    assert_refused(STATUS_DUPLICATE_OBJECTID, open_persistent, again, name, guid, key=key, state=R | H)
    file = take_up(again, name, lost, guid, key=key, state=R | H)
    assert_refused(STATUS_DUPLICATE_OBJECTID, open_persistent, again, name, guid, key=key, state=R | H)
    file.close()
    open_persistent(again, name, guid, key=key, state=R | H).close()


def test_the_guid_is_the_client_s(server, ca, login, name):
    guid = new_guid()
    open_persistent(ca, name, guid)
    lose_connection(server, ca)
    other = login(client_guid=new_guid()).tree_connect(SHARE)
    open_persistent(other, f"{name}-2", guid).close()
