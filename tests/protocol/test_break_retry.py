"""Breaks whose channel is lost before they are answered go over another one ([MS-SMB2] 3.3.4.6, 3.3.4.7)."""

from __future__ import annotations

import pytest

from smbd.wire.constants import SMB2_CREATE, SMB2_OPLOCK_BREAK
from smbd.wire.create import CreateRequest
from smbd.wire.oplock_break import OplockBreakAcknowledgment
from tests.protocol.channels import TwoChannels
from tests.protocol.durable import new_guid
from tests.protocol.leases import H, R, W, answer, assert_no_break, next_break, next_lease_break, open_leased
from tests.servers import unlike_samba
from tests.smbxcli.tree import SHARE_ALL
from vfs.access import GENERIC_ALL
from vfs.constants import FILE_CREATE, FILE_OPEN
from vfs.locking.oplock import OPLOCK_BATCH, OPLOCK_LEVEL_II
from vfs.ntstatus import STATUS_SUCCESS

pytestmark = pytest.mark.slow


@pytest.fixture
def two(server, connect):
    return TwoChannels(server, connect)


@pytest.fixture
def other(login):
    return login().tree_connect("tmp")


def send_open(tree, name):
    """Open the file in a way that takes away write caching."""
    message = CreateRequest(
        name, desired_access=GENERIC_ALL, share_access=SHARE_ALL, create_disposition=FILE_OPEN
    )
    return tree.send(SMB2_CREATE, message)


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
