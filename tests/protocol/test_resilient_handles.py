"""Resilient handles ([MS-SMB2] 3.3.5.15.9): who gets one, how long it lasts, and what it keeps."""

from __future__ import annotations

import struct
import time

import pytest

from smbd.wire.constants import (
    FSCTL_LMR_REQUEST_RESILIENCY,
    SMB2_CREATE,
    SMB2_DIALECT_202,
    SMB2_DIALECT_210,
    SMB2_DIALECT_300,
    SMB2_LOCKFLAG_UNLOCK,
    SMB2_OPLOCK_BREAK,
    SMB2_OPLOCK_LEVEL_BATCH,
    SMB2_OPLOCK_LEVEL_EXCLUSIVE,
    SMB2_OPLOCK_LEVEL_II,
    SMB2_OPLOCK_LEVEL_NONE,
)
from smbd.wire.create import CreateRequest
from smbd.wire.lock import LockElement
from smbd.wire.oplock_break import OplockBreakAcknowledgment
from tests.protocol.durable import lose_connection, new_guid, open_durable, reopen
from tests.protocol.leases import H, R, W, answer, next_break, next_lease_break, open_leased, state_of
from tests.protocol.test_durable_handles import EXCLUSIVE, assert_refused
from tests.servers import unlike_samba
from tests.smbxcli.tree import SHARE_ALL
from vfs.access import GENERIC_ALL
from vfs.constants import FILE_DIRECTORY_FILE, FILE_OPEN, FILE_OPEN_IF, FILE_SHARE_READ
from vfs.ntstatus import (
    STATUS_INVALID_DEVICE_REQUEST,
    STATUS_INVALID_PARAMETER,
    STATUS_LOCK_NOT_GRANTED,
    STATUS_NOT_SUPPORTED,
    STATUS_OBJECT_NAME_NOT_FOUND,
    STATUS_SHARING_VIOLATION,
    STATUS_SUCCESS,
)

pytestmark = [pytest.mark.slow, unlike_samba]

UNLOCK = SMB2_LOCKFLAG_UNLOCK
OLD = {"dialects": [SMB2_DIALECT_210]}


def ask(file, timeout=0):
    """Ask for resiliency; a time-out in milliseconds."""
    return file.send_ioctl(FSCTL_LMR_REQUEST_RESILIENCY, struct.pack("<II", timeout, 0)).recv().status


def open_resilient(tree, name, timeout=0, **how):
    """A file that is open without any caching, and resilient."""
    how.setdefault("disposition", FILE_OPEN_IF)
    file = tree.create(name, **how)
    assert ask(file, timeout) == STATUS_SUCCESS
    return file


@pytest.mark.parametrize("dialect", [SMB2_DIALECT_210, SMB2_DIALECT_300])
def test_no_caching_is_needed(server, login, name, dialect):
    tree = login(dialects=[dialect]).tree_connect("tmp")
    lost = open_resilient(tree, name)
    lost.write(b"kept")
    lose_connection(server, tree)
    again = login(dialects=[dialect]).tree_connect("tmp")
    with reopen(again, name, lost, oplock=SMB2_OPLOCK_LEVEL_NONE) as file:
        assert file.persistent == lost.persistent
        assert file.response.oplock_level == SMB2_OPLOCK_LEVEL_NONE
        assert file.read(10) == b"kept"


def test_a_handle_survives_more_than_one_loss(server, login, name):
    tree = login(**OLD).tree_connect("tmp")
    file = open_resilient(tree, name, oplock=SMB2_OPLOCK_LEVEL_EXCLUSIVE)
    for _ in range(3):
        lose_connection(server, tree)
        tree = login(**OLD).tree_connect("tmp")
        file = reopen(tree, name, file)
        assert file.response.oplock_level == SMB2_OPLOCK_LEVEL_EXCLUSIVE
    file.close()


def test_not_for_the_first_dialect(login, name):
    tree = login(dialects=[SMB2_DIALECT_202]).tree_connect("tmp")
    with tree.create(name, disposition=FILE_OPEN_IF) as file:
        assert ask(file) == STATUS_INVALID_DEVICE_REQUEST


@pytest.mark.parametrize(
    ("timeout", "status"),
    [(0, STATUS_SUCCESS), (300_000, STATUS_SUCCESS), (301_000, STATUS_INVALID_PARAMETER),
     (0xFFFFFFFF, STATUS_INVALID_PARAMETER)],
)  # fmt: skip
def test_the_time_is_limited(tree, name, timeout, status):
    with tree.create(name, disposition=FILE_OPEN_IF) as file:
        assert ask(file, timeout) == status


@pytest.mark.parametrize("data", [b"", b"\0", bytes(7)])
def test_a_short_buffer(tree, name, data):
    with tree.create(name, disposition=FILE_OPEN_IF) as file:
        assert file.send_ioctl(FSCTL_LMR_REQUEST_RESILIENCY, data).recv().status == STATUS_INVALID_PARAMETER


def test_a_longer_buffer_does_no_harm(tree, name):
    with tree.create(name, disposition=FILE_OPEN_IF) as file:
        assert file.send_ioctl(FSCTL_LMR_REQUEST_RESILIENCY, bytes(64)).recv().status == STATUS_SUCCESS


def test_only_files(tree, name, login):
    with tree.create(name, disposition=FILE_OPEN_IF, options=FILE_DIRECTORY_FILE) as directory:
        assert ask(directory) == STATUS_NOT_SUPPORTED
    with login().tree_connect("IPC$").create("srvsvc") as pipe:
        assert ask(pipe) == STATUS_NOT_SUPPORTED


def test_it_gives_way_to_nobody(server, tree, login, name):
    lost = open_resilient(tree, name, share_access=FILE_SHARE_READ)
    lose_connection(server, tree)
    other = login().tree_connect("tmp")
    assert_refused(STATUS_SHARING_VIOLATION, other.create, name)
    reopen(other, name, lost, oplock=SMB2_OPLOCK_LEVEL_NONE).close()
    other.create(name).close()


def test_others_may_change_what_it_shares(server, tree, login, name):
    lost = open_resilient(tree, name)
    lose_connection(server, tree)
    other = login().tree_connect("tmp")
    with other.create(name) as file:
        file.write(b"by another")
    with reopen(other, name, lost, oplock=SMB2_OPLOCK_LEVEL_NONE) as file:
        assert file.read(20) == b"by another"


def test_a_write_takes_read_caching_away(server, login, name):
    client, key = new_guid(), new_guid()
    tree = login(client_guid=client).tree_connect("tmp")
    lost = open_leased(tree, name, key, R, disposition=FILE_OPEN_IF)
    assert ask(lost) == STATUS_SUCCESS
    lose_connection(server, tree)
    other = login(client_guid=new_guid()).tree_connect("tmp")
    with other.create(name) as file:
        file.write(b"x")
    again = login(client_guid=client).tree_connect("tmp")
    with reopen(again, name, lost, key=key, state=R) as file:
        assert state_of(file) == 0


def test_an_opener_waits_for_what_it_caches(server, login, name):
    client, key = new_guid(), new_guid()
    tree = login(client_guid=client).tree_connect("tmp")
    lost = open_leased(tree, name, key, R | W | H, disposition=FILE_OPEN_IF)
    assert ask(lost) == STATUS_SUCCESS
    lose_connection(server, tree)
    other = login(client_guid=new_guid()).tree_connect("tmp")
    waiting = other.send(SMB2_CREATE, CreateRequest(name, GENERIC_ALL, 0, SHARE_ALL, FILE_OPEN))
    assert waiting.recv_interim() is not None
    again = login(client_guid=client).tree_connect("tmp")
    with reopen(again, name, lost, key=key, state=R | W | H) as file:
        assert state_of(file) == R | W | H
        # The break reaches the client that is back.
        again.session.connection.pump_until(lambda: again.session.connection.breaks)
    assert waiting.recv().status == STATUS_SUCCESS


def test_a_lease_break_under_way_comes_again(server, login, name):
    client, key = new_guid(), new_guid()
    tree = login(client_guid=client).tree_connect("tmp")
    lost = open_leased(tree, name, key, R | W | H, disposition=FILE_OPEN_IF)
    assert ask(lost) == STATUS_SUCCESS
    other = login(client_guid=new_guid()).tree_connect("tmp")
    waiting = other.send(SMB2_CREATE, CreateRequest(name, GENERIC_ALL, 0, SHARE_ALL, FILE_OPEN))
    told = next_lease_break(tree.session.connection)
    lose_connection(server, tree)
    again = login(client_guid=client).tree_connect("tmp")
    with reopen(again, name, lost, key=key, state=R | W | H) as file:
        assert state_of(file) == R | W | H
        assert next_lease_break(again.session.connection) == told
        assert answer(again, key, R | H).status == STATUS_SUCCESS
        assert waiting.recv().status == STATUS_SUCCESS


def test_an_oplock_break_under_way_comes_again(server, login, name):
    tree = login().tree_connect("tmp")
    lost = tree.create(name, oplock=SMB2_OPLOCK_LEVEL_BATCH, disposition=FILE_OPEN_IF)
    assert ask(lost) == STATUS_SUCCESS
    other = login().tree_connect("tmp")
    waiting = other.send(SMB2_CREATE, CreateRequest(name, GENERIC_ALL, 0, SHARE_ALL, FILE_OPEN))
    next_break(tree.session.connection)
    lose_connection(server, tree)
    again = login().tree_connect("tmp")
    with reopen(again, name, lost) as file:
        assert next_break(again.session.connection).oplock_level == SMB2_OPLOCK_LEVEL_II
        acknowledgment = OplockBreakAcknowledgment(file.persistent, file.volatile, SMB2_OPLOCK_LEVEL_II)
        again.send(SMB2_OPLOCK_BREAK, acknowledgment).recv().check()
        assert waiting.recv().status == STATUS_SUCCESS


def test_it_ends_in_time(server, tree, login, name):
    lost = open_resilient(tree, name, 300, share_access=0)
    lose_connection(server, tree)
    again = login().tree_connect("tmp")
    time.sleep(0.6)
    assert_refused(STATUS_OBJECT_NAME_NOT_FOUND, reopen, again, name, lost, oplock=SMB2_OPLOCK_LEVEL_NONE)
    again.create(name).close()


def test_a_durable_handle_becomes_a_resilient_one(server, tree, login, name):
    guid = new_guid()
    lost = open_durable(tree, name, guid=guid, share_access=0)
    assert ask(lost) == STATUS_SUCCESS
    lose_connection(server, tree)
    again = login().tree_connect("tmp")
    with reopen(again, name, lost, guid=guid) as file:
        assert file.response.oplock_level == SMB2_OPLOCK_LEVEL_BATCH


def test_locks_are_kept(server, login, name):
    tree = login(**OLD).tree_connect("tmp")
    lost = open_resilient(tree, name)
    assert lost.send_lock(LockElement(0, 10, EXCLUSIVE)).recv().status == STATUS_SUCCESS
    lose_connection(server, tree)
    other = login().tree_connect("tmp")
    with other.create(name) as file:
        assert file.send_lock(LockElement(5, 1, EXCLUSIVE)).recv().status == STATUS_LOCK_NOT_GRANTED
        with reopen(login(**OLD).tree_connect("tmp"), name, lost, oplock=SMB2_OPLOCK_LEVEL_NONE) as back:
            assert back.send_lock(LockElement(0, 10, UNLOCK)).recv().status == STATUS_SUCCESS
            assert file.send_lock(LockElement(5, 1, EXCLUSIVE)).recv().status == STATUS_SUCCESS


def test_a_repeated_lock_is_recognised_across_the_loss(server, login, name):
    tree = login(**OLD).tree_connect("tmp")
    lost = open_resilient(tree, name)
    first = LockElement(0, 10, EXCLUSIVE)
    assert lost.send_lock(first, sequence=1 << 4 | 7).recv().status == STATUS_SUCCESS
    lose_connection(server, tree)
    tree = login(**OLD).tree_connect("tmp")
    with reopen(tree, name, lost, oplock=SMB2_OPLOCK_LEVEL_NONE) as file:
        assert file.send_lock(first, sequence=1 << 4 | 7).recv().status == STATUS_SUCCESS
        # Another number is another request: an exclusive lock excludes its owner's next one.
        assert file.send_lock(first, sequence=1 << 4 | 8).recv().status == STATUS_LOCK_NOT_GRANTED


def test_sequences_of_an_ordinary_handle_do_not_count_before_3_0(login, name):
    tree = login(**OLD).tree_connect("tmp")
    with tree.create(name, disposition=FILE_OPEN_IF) as file:
        first = LockElement(0, 10, EXCLUSIVE)
        assert file.send_lock(first, sequence=1 << 4 | 7).recv().status == STATUS_SUCCESS
        assert file.send_lock(first, sequence=1 << 4 | 7).recv().status == STATUS_LOCK_NOT_GRANTED
        assert ask(file) == STATUS_SUCCESS
        assert file.send_lock(first, sequence=1 << 4 | 7).recv().status == STATUS_LOCK_NOT_GRANTED
        second = LockElement(20, 10, EXCLUSIVE)
        assert file.send_lock(second, sequence=1 << 4 | 7).recv().status == STATUS_SUCCESS
        assert file.send_lock(second, sequence=1 << 4 | 7).recv().status == STATUS_SUCCESS
