"""Creates that are sent again, by their CreateGuid ([MS-SMB2] 3.3.5.9.10), and the other requests of a lost channel."""

from __future__ import annotations

import msgspec
import pytest

from smbd.wire.constants import (
    SMB2_CREATE,
    SMB2_CREATE_DURABLE_HANDLE_REQUEST_V2,
    SMB2_FLAGS_REPLAY_OPERATION,
    SMB2_LOCKFLAG_EXCLUSIVE_LOCK,
    SMB2_LOCKFLAG_FAIL_IMMEDIATELY,
    SMB2_OPLOCK_BREAK,
    SMB2_OPLOCK_LEVEL_BATCH,
    SMB2_OPLOCK_LEVEL_LEASE,
    SMB2_OPLOCK_LEVEL_NONE,
)
from smbd.wire.create import CreateRequest, CreateResponse
from smbd.wire.create_context_durable import DurableHandleReconnectV2
from smbd.wire.lock import LockElement
from smbd.wire.oplock_break import OplockBreakAcknowledgment
from smbd.xsrv.databases import open_databases
from tests.protocol.channels import TwoChannels
from tests.protocol.durable import lose_connection, new_guid, reopen, request
from tests.protocol.leases import H, R, W, lease_contexts, next_break
from tests.servers import temporary_server, unlike_samba
from tests.smbxcli import Connection, File, Offer, Session
from tests.smbxcli.tree import SHARE_ALL
from vfs.access import GENERIC_ALL
from vfs.constants import FILE_CREATE, FILE_CREATED, FILE_OPEN, FILE_OPEN_IF
from vfs.locking.oplock import OPLOCK_LEVEL_II
from vfs.ntstatus import (
    STATUS_ACCESS_DENIED,
    STATUS_DUPLICATE_OBJECTID,
    STATUS_FILE_NOT_AVAILABLE,
    STATUS_INVALID_PARAMETER,
    STATUS_LOCK_NOT_GRANTED,
    STATUS_SUCCESS,
)

pytestmark = pytest.mark.slow


class Creates:
    """CREATEs of one file with one CreateGuid."""

    def __init__(self, tree, name):
        self.tree = tree
        self.name = name
        self.guid = new_guid()

    def send(
        self, *, replay=False, on=None, oplock=SMB2_OPLOCK_LEVEL_BATCH, key=b"", disposition=FILE_OPEN_IF, tree=None
    ):
        message = CreateRequest(
            self.name,
            desired_access=GENERIC_ALL,
            share_access=SHARE_ALL,
            create_disposition=disposition,
            requested_oplock_level=SMB2_OPLOCK_LEVEL_LEASE if key else oplock,
            contexts=request(self.guid) | (lease_contexts(key, R | W | H) if key else {}),
        )
        flags = SMB2_FLAGS_REPLAY_OPERATION if replay else 0
        return (tree or self.tree).send(SMB2_CREATE, message, on=on, flags=flags)

    def answer(self, **how):
        return self.send(**how).recv().body(CreateResponse)

    def status(self, **how):
        return self.send(**how).recv().status


def file_id(response):
    return response.file_id_persistent, response.file_id_volatile


@pytest.fixture
def creates(tree, name):
    return Creates(tree, name)


@pytest.fixture
def two(server, connect):
    return TwoChannels(server, connect)


def test_a_replay_gets_the_same_open(creates):
    first = creates.answer(disposition=FILE_CREATE)
    again = creates.answer(disposition=FILE_CREATE, replay=True)
    assert file_id(again) == file_id(first)
    assert again.create_action == first.create_action == FILE_CREATED
    assert again.oplock_level == SMB2_OPLOCK_LEVEL_BATCH
    assert again.contexts.keys() == first.contexts.keys()


def test_without_the_flag_it_is_refused(creates):
    creates.answer()
    assert creates.status() == STATUS_DUPLICATE_OBJECTID


def test_a_used_open_is_not_replayed(creates):
    file = File(creates.tree, creates.answer(disposition=FILE_CREATE, oplock=SMB2_OPLOCK_LEVEL_NONE))
    file.write(b"used")
    other = creates.answer(oplock=SMB2_OPLOCK_LEVEL_NONE, replay=True)
    assert file_id(other) != (file.persistent, file.volatile)


def test_a_closed_open_is_not_replayed(creates):
    first = creates.answer()
    File(creates.tree, first).close()
    assert file_id(creates.answer()) != file_id(first)


def test_a_failed_create_can_be_repeated(creates):
    assert creates.status(disposition=FILE_OPEN) != STATUS_SUCCESS
    creates.answer(disposition=FILE_CREATE)


def test_another_lease_is_refused(creates):
    key = new_guid()
    first = creates.answer(key=key)
    assert creates.status(key=new_guid(), replay=True) == STATUS_ACCESS_DENIED
    assert file_id(creates.answer(key=key, replay=True)) == file_id(first)


def test_a_lease_for_an_oplock_is_refused(creates):
    creates.answer()
    assert creates.status(key=new_guid(), replay=True) == STATUS_ACCESS_DENIED


def test_another_level_is_answered_as_asked(creates):
    first = creates.answer()
    assert SMB2_CREATE_DURABLE_HANDLE_REQUEST_V2 in first.contexts
    again = creates.answer(oplock=OPLOCK_LEVEL_II, replay=True)
    assert file_id(again) == file_id(first)
    assert again.oplock_level == OPLOCK_LEVEL_II
    assert not again.contexts


@unlike_samba
def test_another_session_of_the_client_cannot_take_it(server, connect, creates, login):
    guid = new_guid()
    mine = login(client_guid=guid).tree_connect("tmp")
    other = login(client_guid=guid).tree_connect("tmp")
    creates.answer(tree=mine)
    assert creates.status(tree=other, replay=True) == STATUS_DUPLICATE_OBJECTID


def test_guids_of_different_clients_have_nothing_to_do_with_each_other(creates, login):
    first = creates.answer(oplock=SMB2_OPLOCK_LEVEL_NONE)
    other = creates.answer(tree=login().tree_connect("tmp"), oplock=SMB2_OPLOCK_LEVEL_NONE)
    assert file_id(other) != file_id(first)


def test_a_replay_on_the_other_channel(two, name):
    creates = Creates(two.tree, name)
    first = creates.answer()
    two.lose_first()
    again = creates.answer(replay=True)
    assert file_id(again) == file_id(first)
    File(two.tree, again).write(b"over the other channel")


@pytest.fixture
def index(server):
    """What the server notes of creates whose opens wait for their clients."""
    return open_databases(str(server.directory / "lock"), read_only=True).replays


class Away:
    """A durable handle whose client is away, and the same client again."""

    def __init__(self, server, login, name, *, key=b"", used=False):
        client = new_guid()
        self.creates = Creates(login(client_guid=client).tree_connect("tmp"), name)
        self.first = self.creates.answer(disposition=FILE_CREATE, key=key)
        if used:
            File(self.creates.tree, self.first).write(b"used")
        lose_connection(server, self.creates.tree)
        self.creates.tree = login(client_guid=client).tree_connect("tmp")
        self.index_key = client + self.creates.guid


@unlike_samba  # which forgets a create with its process
@pytest.mark.parametrize("key", [b"", new_guid()])
def test_a_replay_gets_the_handle_that_waits_for_it(server, login, name, index, key):
    away = Away(server, login, name, key=key)
    assert index.db.parse(away.index_key)
    assert away.creates.status(disposition=FILE_OPEN, key=key) == STATUS_DUPLICATE_OBJECTID
    assert away.creates.status(disposition=FILE_CREATE, key=new_guid(), replay=True) == STATUS_ACCESS_DENIED
    again = away.creates.answer(disposition=FILE_CREATE, key=key, replay=True)
    assert again.file_id_persistent == away.first.file_id_persistent
    assert again.create_action == FILE_CREATED
    assert again.contexts.keys() == away.first.contexts.keys()
    # It is in use now, and still not used.
    assert index.db.parse(away.index_key) is None
    assert away.creates.status(disposition=FILE_OPEN, key=key) == STATUS_DUPLICATE_OBJECTID
    assert file_id(away.creates.answer(disposition=FILE_CREATE, key=key, replay=True)) == file_id(again)
    File(away.creates.tree, again).close()


@unlike_samba
def test_who_takes_a_handle_up_by_its_number_does_not_need_its_create(server, login, name, index):
    away = Away(server, login, name)
    lost = File(away.creates.tree, away.first)
    file = reopen(away.creates.tree, name, lost, guid=away.creates.guid)
    assert index.db.parse(away.index_key) is None
    file.close()
    away.creates.answer(disposition=FILE_OPEN)


@unlike_samba
def test_a_used_handle_that_waits_is_not_replayed(server, login, name, index):
    away = Away(server, login, name, used=True)
    assert index.db.parse(away.index_key) is None
    again = away.creates.answer(replay=True)
    assert again.file_id_persistent != away.first.file_id_persistent


@unlike_samba
def test_a_handle_that_gave_way_is_not_replayed(server, login, name, index):
    away = Away(server, login, name)
    login().tree_connect("tmp").create(name).close()
    assert index.db.parse(away.index_key) is None
    assert away.creates.answer(disposition=FILE_OPEN).file_id_persistent != away.first.file_id_persistent


@pytest.fixture
def single_channel():
    """A server whose clients have a process for each connection."""
    with temporary_server({"tmp": {"read only": "no"}}, {"server multi channel support": "no"}) as running:
        yield running


@unlike_samba  # which remembers the creates of a process only
def test_another_process_of_the_client_knows_the_create(single_channel, name):
    server, offer = single_channel, Offer(client_guid=new_guid())
    with (
        Connection.open("127.0.0.1", server.port, offer) as first,
        Connection.open("127.0.0.1", server.port, offer) as second,
    ):
        tree, other = (
            Session.login(connection, server.user, server.password).tree_connect("tmp")
            for connection in (first, second)
        )
        creates = Creates(tree, name)
        made = creates.answer(disposition=FILE_CREATE)
        assert len(server.worker_pids()) == 2
        assert creates.status(tree=other) == STATUS_DUPLICATE_OBJECTID
        assert creates.status(tree=other, replay=True) == STATUS_DUPLICATE_OBJECTID
        assert file_id(creates.answer(replay=True)) == file_id(made)
        # Nobody sends a create again whose open he has used, and then closed.
        File(tree, made).write(b"used")
        File(tree, made).close()
        again = creates.answer(tree=other)
        assert again.file_id_persistent != made.file_id_persistent


class Waiting:
    """A CREATE of a client with two channels that waits for somebody's oplock."""

    def __init__(self, two, name, login):
        self.holder = login().tree_connect("tmp").create(name, disposition=FILE_CREATE, oplock=SMB2_OPLOCK_LEVEL_BATCH)
        self.creates = Creates(two.tree, name)
        self.first = self.creates.send(on=two.first)
        assert self.first.recv_interim() is not None
        self.told = next_break(self.holder.tree.session.connection)

    def give_way(self):
        acknowledgment = OplockBreakAcknowledgment(self.holder.persistent, self.holder.volatile, self.told.oplock_level)
        self.holder.tree.send(SMB2_OPLOCK_BREAK, acknowledgment).recv().check()


@pytest.fixture
def waiting(two, name, login):
    return Waiting(two, name, login)


@pytest.mark.parametrize("replay", [False, True])
def test_a_create_in_progress_is_to_be_asked_for_again(two, waiting, replay):
    assert waiting.creates.status(on=two.second, replay=replay) == STATUS_FILE_NOT_AVAILABLE
    waiting.give_way()
    first = waiting.first.recv().body(CreateResponse)
    assert file_id(waiting.creates.answer(on=two.second, replay=True)) == file_id(first)


def test_a_create_in_progress_outlives_its_channel(two, waiting):
    two.lose_first()
    assert waiting.creates.status(replay=True) == STATUS_FILE_NOT_AVAILABLE
    waiting.give_way()
    while (response := waiting.creates.send(replay=True).recv()).status == STATUS_FILE_NOT_AVAILABLE:
        pass  # the answer to the break was first
    done = response.body(CreateResponse)
    assert done.create_action != FILE_CREATED
    File(two.tree, done).close()


def test_a_cancelled_create_is_a_new_one(two, waiting):
    waiting.first.cancel()
    waiting.first.recv()
    again = waiting.creates.send(on=two.second, replay=True)
    assert again.recv_interim() is not None
    waiting.give_way()
    again.recv().body(CreateResponse)


def test_a_create_without_guid_ends_with_its_channel(two, name, login):
    holder = login().tree_connect("tmp").create(name, disposition=FILE_CREATE, oplock=SMB2_OPLOCK_LEVEL_BATCH)
    message = CreateRequest(
        name, desired_access=GENERIC_ALL, share_access=SHARE_ALL, create_disposition=FILE_OPEN
    )
    assert two.tree.send(SMB2_CREATE, message, on=two.first).recv_interim() is not None
    two.lose_first()
    holder.close()
    # Nobody has the file open any more: it can be had for oneself.
    login().tree_connect("tmp").create(name, share_access=0).close()


@unlike_samba
def test_a_lock_that_waits_ends_with_its_channel(two, name, login):
    holder = login().tree_connect("tmp").create(name, disposition=FILE_CREATE)
    holder.send_lock(LockElement(0, 1, SMB2_LOCKFLAG_EXCLUSIVE_LOCK)).recv().check()
    file = two.tree.create(name)
    sequence = 1 << 4 | 1
    waits = file.send_lock(LockElement(0, 1, SMB2_LOCKFLAG_EXCLUSIVE_LOCK), sequence=sequence)
    assert waits.recv_interim() is not None
    two.lose_first()
    flags = SMB2_LOCKFLAG_EXCLUSIVE_LOCK | SMB2_LOCKFLAG_FAIL_IMMEDIATELY
    assert file.send_lock(LockElement(0, 1, flags), status=1).recv().status == STATUS_LOCK_NOT_GRANTED
    again = file.send_lock(LockElement(0, 1, SMB2_LOCKFLAG_EXCLUSIVE_LOCK), sequence=sequence, status=1,
                           flags=SMB2_FLAGS_REPLAY_OPERATION)
    assert again.recv_interim() is not None
    holder.close()
    assert again.recv().status == STATUS_SUCCESS


@unlike_samba
def test_contexts_that_exclude_each_other_are_told_of_first(server, login, name):
    away = Away(server, login, name)
    again = DurableHandleReconnectV2(away.first.file_id_persistent, 0, away.creates.guid, 0)
    message = CreateRequest(name, GENERIC_ALL, 0, SHARE_ALL, FILE_OPEN, contexts=request(away.creates.guid))
    for excluded in ({again.tag: again.pack()}, request()):
        both = msgspec.structs.replace(message, contexts=message.contexts | excluded)
        assert away.creates.tree.send(SMB2_CREATE, both).recv().status == STATUS_INVALID_PARAMETER
