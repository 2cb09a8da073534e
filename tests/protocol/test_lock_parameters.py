"""The parameters about byte-range locks, `posix locking` with a local program among them."""

from __future__ import annotations

import fcntl
import os

import pytest

from smbd.wire.constants import (
    SMB2_LOCKFLAG_EXCLUSIVE_LOCK,
    SMB2_LOCKFLAG_FAIL_IMMEDIATELY,
    SMB2_LOCKFLAG_UNLOCK,
)
from smbd.wire.lock import LockElement
from tests.servers import temporary_server, unlike_samba
from tests.smbxcli import Connection, Offer, Session
from vfs.ntstatus import STATUS_LOCK_NOT_GRANTED, STATUS_SUCCESS

pytestmark = pytest.mark.slow

SHARES = {
    "local": {"read only": "no", "posix locking": "yes"},
    "tmp": {"read only": "no"},
    "unseen": {"read only": "no", "posix locking": "no"},
    "unlocked": {"read only": "no", "locking": "no"},
    "unchecked": {"read only": "no", "strict locking": "no"},
    "impatient": {"read only": "no", "blocking locks": "no"},
}
NOW = SMB2_LOCKFLAG_EXCLUSIVE_LOCK | SMB2_LOCKFLAG_FAIL_IMMEDIATELY


@pytest.fixture(scope="module")
def server():
    with temporary_server(SHARES) as running:
        yield running


@pytest.fixture
def open_in(server, name):
    """Opens a file of a share in a process of its own: ``open_in(share)``."""
    connections = []

    def make(share):
        connection = Connection.open("127.0.0.1", server.port, Offer())
        connections.append(connection)
        tree = Session.login(connection, server.user, server.password).tree_connect(share)
        if not server.share_path(share).joinpath(name).exists():
            tree.put(name, bytes(100))
        return tree.create(name)

    yield make
    for connection in connections:
        connection.close()


def ask(file, offset, length, flags=NOW):
    return file.send_lock(LockElement(offset, length, flags)).recv().status


def test_local_programs_see_the_locks(server, open_in, name):
    file = open_in("local")
    assert ask(file, 10, 10) == STATUS_SUCCESS
    with server.share_path("local").joinpath(name).open("r+b") as local:
        with pytest.raises(BlockingIOError):
            fcntl.lockf(local, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, 15)
        fcntl.lockf(local, fcntl.LOCK_EX | fcntl.LOCK_NB, 10, 20)
        assert ask(file, 25, 1) == STATUS_LOCK_NOT_GRANTED
        assert ask(file, 10, 10, SMB2_LOCKFLAG_UNLOCK) == STATUS_SUCCESS
        fcntl.lockf(local, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, 15)


def test_a_lock_waits_for_a_local_program(server, open_in, name):
    file = open_in("local")
    with server.share_path("local").joinpath(name).open("r+b") as local:
        fcntl.lockf(local, fcntl.LOCK_EX, 10, 10)
        pending = file.send_lock(LockElement(15, 1, SMB2_LOCKFLAG_EXCLUSIVE_LOCK))
        assert pending.recv_interim() is not None
    assert pending.recv(timeout=5).status == STATUS_SUCCESS


def test_a_closed_file_leaves_no_local_lock(server, open_in, name):
    file = open_in("local")
    assert ask(file, 0, 1 << 63) == STATUS_SUCCESS
    file.close()
    with server.share_path("local").joinpath(name).open("r+b") as local:
        fcntl.lockf(local, fcntl.LOCK_EX | fcntl.LOCK_NB, 0, 0, os.SEEK_SET)


def test_without_posix_locking_they_see_nothing(server, open_in, name):
    assert ask(open_in("unseen"), 10, 10) == STATUS_SUCCESS
    with server.share_path("unseen").joinpath(name).open("r+b") as local:
        fcntl.lockf(local, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, 15)


def test_without_locking_every_lock_is_granted(open_in):
    one, other = open_in("unlocked"), open_in("unlocked")
    assert ask(one, 10, 10) == STATUS_SUCCESS
    assert ask(other, 10, 10) == STATUS_SUCCESS
    assert ask(other, 50, 10, SMB2_LOCKFLAG_UNLOCK) == STATUS_SUCCESS
    assert other.write(b"data", 12) == 4


def test_without_strict_locking_reads_and_writes_do_not_look(open_in):
    one, other = open_in("unchecked"), open_in("unchecked")
    assert ask(one, 10, 10) == STATUS_SUCCESS
    assert ask(other, 10, 10) == STATUS_LOCK_NOT_GRANTED
    assert other.write(b"data", 12) == 4
    assert other.read(4, 12) == b"data"


@unlike_samba
def test_without_blocking_locks_nobody_waits(open_in):
    one, other = open_in("impatient"), open_in("impatient")
    assert ask(one, 10, 10) == STATUS_SUCCESS
    assert ask(other, 10, 10, SMB2_LOCKFLAG_EXCLUSIVE_LOCK) == STATUS_LOCK_NOT_GRANTED
