"""Breaks whose channel is lost before they are answered go over another one ([MS-SMB2] 3.3.4.6, 3.3.4.7).

A silent client is one whose TCP acknowledges nothing: its connections are given up, as Samba does.
"""

from __future__ import annotations

import pytest

from smbd.wire.constants import SMB2_CREATE, SMB2_OPLOCK_BREAK
from smbd.wire.create import CreateRequest, CreateResponse
from smbd.wire.oplock_break import OplockBreakAcknowledgment
from tests.protocol.channels import TwoChannels
from tests.protocol.durable import new_guid
from tests.protocol.leases import H, R, W, answer, assert_no_break, next_break, next_lease_break, open_leased
from tests.servers import temporary_server, unlike_samba
from tests.smbxcli import Connection, ConnectionLostError, Offer, ReplyTimeoutError, Session
from tests.smbxcli.tree import SHARE_ALL
from vfs.access import GENERIC_ALL
from vfs.constants import FILE_CREATE, FILE_OPEN
from vfs.locking.oplock import OPLOCK_BATCH, OPLOCK_LEVEL_II, OPLOCK_NONE
from vfs.ntstatus import STATUS_SUCCESS

pytestmark = pytest.mark.slow

_SILENT_S = 12.0
"""What an opener waits at most for a client that is gone; for one that does not answer it waits 35 seconds."""
_LONGER_THAN_SILENT_S = 2.5
_MIB = 1 << 20
_MORE_THAN_BUFFERS = 16
"""So many MiB fill the sockets of both sides."""


@pytest.fixture
def two(server, connect):
    return TwoChannels(server, connect)


@pytest.fixture
def other(login):
    return login().tree_connect("tmp")


def send_open(tree, name, oplock=OPLOCK_NONE):
    """Open the file in a way that takes away write caching."""
    message = CreateRequest(
        name,
        desired_access=GENERIC_ALL,
        share_access=SHARE_ALL,
        create_disposition=FILE_OPEN,
        requested_oplock_level=oplock,
    )
    return tree.send(SMB2_CREATE, message)


def was_given_up(connection):
    """Tell whether the server has closed a connection that was silent."""
    connection.transport.hear_again()
    try:
        connection.echo()
    except ConnectionLostError:
        return True
    return False


def test_an_oplock_break_comes_again(two, other, name):
    file = two.tree.create(name, disposition=FILE_CREATE, oplock=OPLOCK_BATCH)
    waits = send_open(other, name)
    assert next_break(two.first).oplock_level == OPLOCK_LEVEL_II
    assert_no_break(two.second)
    two.lose_first()
    told = next_break(two.second)
    assert (told.file_id_persistent, told.oplock_level) == (file.persistent, OPLOCK_LEVEL_II)
    acknowledgment = OplockBreakAcknowledgment(file.persistent, file.volatile, OPLOCK_LEVEL_II)
    two.tree.send(SMB2_OPLOCK_BREAK, acknowledgment).recv().check()
    assert waits.recv().status == STATUS_SUCCESS


@unlike_samba
def test_an_answered_oplock_break_does_not(two, other, name):
    file = two.tree.create(name, disposition=FILE_CREATE, oplock=OPLOCK_BATCH)
    waits = send_open(other, name)
    next_break(two.first)
    acknowledgment = OplockBreakAcknowledgment(file.persistent, file.volatile, OPLOCK_LEVEL_II)
    two.tree.send(SMB2_OPLOCK_BREAK, acknowledgment, on=two.second).recv().check()
    assert waits.recv().status == STATUS_SUCCESS
    two.lose_first()
    assert_no_break(two.second)


def test_a_lease_break_comes_again(two, other, name):
    key = new_guid()
    open_leased(two.tree, name, key, R | W | H, disposition=FILE_CREATE)
    waits = send_open(other, name)
    first = next_lease_break(two.first)
    two.lose_first()
    again = next_lease_break(two.second)
    assert (again.lease_key, again.new_lease_state, again.new_epoch) == (key, R | H, first.new_epoch)
    assert answer(two.tree, key, R | H).status == STATUS_SUCCESS
    assert waits.recv().status == STATUS_SUCCESS


def test_a_lease_break_goes_over_another_session_of_the_client(server, connect, other, name):
    guid = new_guid()
    first, second = (TwoChannels(server, lambda **offer: connect(**offer | {"client_guid": guid})) for _ in range(2))
    key = new_guid()
    kept = open_leased(first.tree, name, key, R | W | H, disposition=FILE_CREATE)
    shared = open_leased(second.tree, name, key, R | W | H)
    waits = send_open(other, name)
    next_lease_break(first.first)
    first.first.close(reset=True)
    again = next_lease_break(first.second)
    assert again.lease_key == key
    assert (kept.persistent, kept.volatile) != (shared.persistent, shared.volatile)
    assert answer(second.tree, key, R | H).status == STATUS_SUCCESS
    assert waits.recv().status == STATUS_SUCCESS


def test_with_the_last_channel_goes_the_oplock(two, other, name):
    two.tree.create(name, disposition=FILE_CREATE, oplock=OPLOCK_BATCH)
    waits = send_open(other, name)
    next_break(two.first)
    two.second.close(reset=True)
    two.first.close(reset=True)
    assert waits.recv().status == STATUS_SUCCESS


@pytest.fixture
def as_windows():
    with temporary_server({"tmp": {"read only": "no"}}, {"smb2 disable oplock break retry": "yes"}) as running:
        yield running


def test_without_retry_the_latest_channel_is_told_once(as_windows, name):
    opened = []

    def connect(**offer):
        opened.append(Connection.open("127.0.0.1", as_windows.port, Offer(**offer)))
        return opened[-1]

    two = TwoChannels(as_windows, connect)
    file = two.tree.create(name, disposition=FILE_CREATE, oplock=OPLOCK_BATCH)
    other = Session.login(connect(), as_windows.user, as_windows.password).tree_connect("tmp")
    waits = send_open(other, name)
    assert next_break(two.second).oplock_level == OPLOCK_LEVEL_II
    two.second.close(reset=True)
    assert_no_break(two.first)
    acknowledgment = OplockBreakAcknowledgment(file.persistent, file.volatile, OPLOCK_LEVEL_II)
    two.tree.send(SMB2_OPLOCK_BREAK, acknowledgment).recv().check()
    assert waits.recv().status == STATUS_SUCCESS
    for connection in opened:
        connection.close()


def test_a_silent_client_loses_its_connection(login, other, name):
    """What it held is free at once: its session has ended, not only its oplock."""
    lost = login()
    lost.tree_connect("tmp").create(name, disposition=FILE_CREATE, oplock=OPLOCK_BATCH)
    lost.connection.transport.fall_silent()
    waits = send_open(other, name, oplock=OPLOCK_BATCH).recv(_SILENT_S)
    assert (waits.status, waits.body(CreateResponse).oplock_level) == (STATUS_SUCCESS, OPLOCK_BATCH)
    assert was_given_up(lost.connection)


@pytest.mark.parametrize("held", ["oplock", "lease"])
def test_a_client_whose_channels_are_all_silent_loses_them(two, other, name, held):
    if held == "oplock":
        two.tree.create(name, disposition=FILE_CREATE, oplock=OPLOCK_BATCH)
    else:
        open_leased(two.tree, name, new_guid(), R | W | H, disposition=FILE_CREATE)
    two.first.transport.fall_silent()
    two.second.transport.fall_silent()
    assert send_open(other, name).recv(_SILENT_S).status == STATUS_SUCCESS
    assert was_given_up(two.first)
    assert was_given_up(two.second)


def test_a_silent_channel_is_given_up_for_the_next(two, other, name):
    key = new_guid()
    open_leased(two.tree, name, key, R | W | H, disposition=FILE_CREATE)
    two.first.transport.fall_silent()
    waits = send_open(other, name)
    assert next_lease_break(two.second).lease_key == key
    two.session.connection = two.second
    assert answer(two.tree, key, R | H).status == STATUS_SUCCESS
    assert waits.recv().status == STATUS_SUCCESS
    assert was_given_up(two.first)


@unlike_samba
def test_a_client_that_does_not_read_is_not_silent(login, other, name):
    """Its TCP answers, so it is there: it has the time that everybody has."""
    slow = login()
    tree = slow.tree_connect("tmp")
    big = tree.create(f"{name}.big", disposition=FILE_CREATE)
    big.write(bytes(_MIB), 0)
    tree.create(name, disposition=FILE_CREATE, oplock=OPLOCK_BATCH)
    for _ in range(_MORE_THAN_BUFFERS):
        big.send_read(_MIB)
    waits = send_open(other, name)
    with pytest.raises(ReplyTimeoutError):
        waits.recv(_LONGER_THAN_SILENT_S)
    assert next_break(slow.connection).oplock_level == OPLOCK_LEVEL_II
