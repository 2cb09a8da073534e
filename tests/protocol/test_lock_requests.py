"""LOCK: what is asked for in which way ([MS-SMB2] 3.3.5.14), and what locks forbid."""

from __future__ import annotations

import struct

import pytest

from smbd.wire.constants import (
    FSCTL_SET_ZERO_DATA,
    FSCTL_SRV_COPYCHUNK_WRITE,
    FSCTL_SRV_REQUEST_RESUME_KEY,
    SMB2_LOCKFLAG_EXCLUSIVE_LOCK,
    SMB2_LOCKFLAG_FAIL_IMMEDIATELY,
    SMB2_LOCKFLAG_SHARED_LOCK,
    SMB2_LOCKFLAG_UNLOCK,
)
from smbd.wire.lock import LockElement
from tests.servers import unlike_samba
from vfs.access import FILE_READ_ATTRIBUTES, FILE_READ_DATA
from vfs.constants import FILE_CREATE, FILE_DIRECTORY_FILE
from vfs.ntstatus import (
    STATUS_ACCESS_DENIED,
    STATUS_FILE_LOCK_CONFLICT,
    STATUS_INVALID_LOCK_RANGE,
    STATUS_INVALID_PARAMETER,
    STATUS_LOCK_NOT_GRANTED,
    STATUS_RANGE_NOT_LOCKED,
    STATUS_SUCCESS,
)

pytestmark = pytest.mark.slow

TOP = 1 << 64
SHARED = SMB2_LOCKFLAG_SHARED_LOCK | SMB2_LOCKFLAG_FAIL_IMMEDIATELY
EXCLUSIVE = SMB2_LOCKFLAG_EXCLUSIVE_LOCK | SMB2_LOCKFLAG_FAIL_IMMEDIATELY
UNLOCK = SMB2_LOCKFLAG_UNLOCK


def ask(file, *elements):
    """Send one LOCK of (offset, length, flags) and return the status."""
    return file.send_lock(*(LockElement(*one) for one in elements)).recv().status


@pytest.fixture
def file(tree, name):
    tree.put(name, bytes(range(100)))
    return tree.create(name)


@pytest.fixture
def other(file, name, login):
    """The same file, opened by another process."""
    return login().tree_connect("tmp").create(name)


@pytest.fixture
def reader(file, name, login):
    return login().tree_connect("tmp").create(name, access=FILE_READ_DATA)


@pytest.mark.parametrize(
    "elements",
    [
        [],
        [(0, 1, 0)],
        [(0, 1, SMB2_LOCKFLAG_FAIL_IMMEDIATELY)],
        [(0, 1, SHARED | EXCLUSIVE)],
        [(0, 1, EXCLUSIVE | UNLOCK)],
        [(0, 1, UNLOCK | SMB2_LOCKFLAG_FAIL_IMMEDIATELY)],
        [(0, 1, 0x20)],
        [(0, 1, SMB2_LOCKFLAG_EXCLUSIVE_LOCK), (5, 1, EXCLUSIVE)],
        [(0, 1, EXCLUSIVE), (5, 1, SMB2_LOCKFLAG_SHARED_LOCK)],
    ],
)
def test_wrong_flags(file, elements):
    assert ask(file, *elements) == STATUS_INVALID_PARAMETER
    assert ask(file, (0, 1, UNLOCK)) == STATUS_RANGE_NOT_LOCKED


def test_a_request_either_locks_or_unlocks(file):
    assert ask(file, (0, 1, EXCLUSIVE), (5, 1, EXCLUSIVE)) == STATUS_SUCCESS
    assert ask(file, (0, 1, UNLOCK), (5, 1, EXCLUSIVE)) == STATUS_INVALID_PARAMETER
    assert ask(file, (0, 1, UNLOCK)) == STATUS_RANGE_NOT_LOCKED  # what stood before the error is done
    assert ask(file, (5, 1, UNLOCK)) == STATUS_SUCCESS




@pytest.mark.parametrize(
    ("offset", "length", "other_status"),
    [
        (TOP - 1, 1, STATUS_LOCK_NOT_GRANTED),
        (TOP - 1, 0, STATUS_SUCCESS),
        (0, TOP - 1, STATUS_LOCK_NOT_GRANTED),
    ],
)
def test_64_bits(file, other, offset, length, other_status):
    assert ask(file, (offset, length, EXCLUSIVE)) == STATUS_SUCCESS
    assert ask(other, (offset, length, EXCLUSIVE)) == other_status
    assert ask(file, (offset, length, UNLOCK)) == STATUS_SUCCESS


@unlike_samba
@pytest.mark.parametrize(("offset", "length"), [(TOP - 1, 2), (2, TOP - 1)])
def test_beyond_64_bits(file, offset, length):
    for flags in (SHARED, EXCLUSIVE, UNLOCK):
        assert ask(file, (offset, length, flags)) == STATUS_INVALID_LOCK_RANGE


def test_several_locks_are_all_or_none(file, other):
    assert ask(other, (50, 1, EXCLUSIVE)) == STATUS_SUCCESS
    assert ask(file, (0, 1, EXCLUSIVE), (10, 1, SHARED), (50, 1, EXCLUSIVE)) == STATUS_LOCK_NOT_GRANTED
    assert ask(other, (0, 11, EXCLUSIVE)) == STATUS_SUCCESS


def test_several_unlocks_end_at_the_first_that_fails(file):
    assert ask(file, (0, 1, EXCLUSIVE), (1, 1, EXCLUSIVE)) == STATUS_SUCCESS
    assert ask(file, (0, 1, UNLOCK), (7, 1, UNLOCK), (1, 1, UNLOCK)) == STATUS_RANGE_NOT_LOCKED
    assert ask(file, (0, 1, UNLOCK)) == STATUS_RANGE_NOT_LOCKED
    assert ask(file, (1, 1, UNLOCK)) == STATUS_SUCCESS


def test_an_exclusive_lock_keeps_others_out(file, other, reader):
    assert ask(file, (10, 10, EXCLUSIVE)) == STATUS_SUCCESS
    for opened in (other, reader):
        assert opened.send_read(5, 15).recv().status == STATUS_FILE_LOCK_CONFLICT
        assert opened.send_read(100).recv().status == STATUS_FILE_LOCK_CONFLICT
        assert opened.read(10, 0) == bytes(range(10))
        assert opened.send_read(0, 15).recv().status == STATUS_SUCCESS
    assert other.send_write(b"no", 19).recv().status == STATUS_FILE_LOCK_CONFLICT
    assert other.write(b"yes", 20) == 3
    assert file.write(b"mine", 12) == 4
    assert file.read(4, 12) == b"mine"
    assert ask(file, (10, 10, UNLOCK)) == STATUS_SUCCESS
    assert other.read(4, 12) == b"mine"
    assert other.write(b"now", 12) == 3


def test_a_shared_lock_keeps_everybody_from_writing(file, other):
    assert ask(file, (10, 10, SHARED)) == STATUS_SUCCESS
    assert other.read(100)[10:20] == bytes(range(10, 20))
    assert other.send_write(b"no", 19).recv().status == STATUS_FILE_LOCK_CONFLICT
    assert file.send_write(b"no", 19).recv().status == STATUS_FILE_LOCK_CONFLICT


def test_locks_are_in_the_way_of_a_large_read(tree, login, name):
    tree.put(name, bytes(300_000))
    file = tree.create(name)
    other = login().tree_connect("tmp").create(name)
    assert ask(file, (299_999, 1, EXCLUSIVE)) == STATUS_SUCCESS
    assert other.send_read(300_000).recv().status == STATUS_FILE_LOCK_CONFLICT
    assert len(other.read(299_999)) == 299_999


def test_another_open_of_the_same_client_is_another_owner(file, tree, name):
    second = tree.create(name)
    assert ask(file, (10, 10, EXCLUSIVE)) == STATUS_SUCCESS
    assert ask(second, (10, 10, SHARED)) == STATUS_LOCK_NOT_GRANTED
    assert second.send_read(5, 10).recv().status == STATUS_FILE_LOCK_CONFLICT
    assert ask(second, (10, 10, UNLOCK)) == STATUS_RANGE_NOT_LOCKED


def test_copying_and_zeroing_respect_locks(file, other, tree, name):
    assert ask(file, (10, 10, EXCLUSIVE)) == STATUS_SUCCESS
    zero = other.send_ioctl(FSCTL_SET_ZERO_DATA, struct.pack("<QQ", 5, 15))
    assert zero.recv().status == STATUS_FILE_LOCK_CONFLICT
    assert other.send_ioctl(FSCTL_SET_ZERO_DATA, struct.pack("<QQ", 5, 10)).recv().status == STATUS_SUCCESS
    target = other.tree.create(name + "-copy", disposition=FILE_CREATE)
    key = other.ioctl(FSCTL_SRV_REQUEST_RESUME_KEY)[:24]

    def copy(source_offset, length):
        order = struct.pack("<24sI4xQQI4x", key, 1, source_offset, 0, length)
        return target.send_ioctl(FSCTL_SRV_COPYCHUNK_WRITE, order, 12).recv().status

    assert copy(0, 11) == STATUS_FILE_LOCK_CONFLICT
    assert copy(0, 10) == STATUS_SUCCESS
    assert ask(tree.create(name + "-copy"), (0, 1, SHARED)) == STATUS_SUCCESS
    assert copy(0, 10) == STATUS_FILE_LOCK_CONFLICT


def test_closing_unlocks(file, other):
    assert ask(file, (0, 10, EXCLUSIVE), (50, 10, EXCLUSIVE)) == STATUS_SUCCESS
    file.close()
    assert ask(other, (0, 100, EXCLUSIVE)) == STATUS_SUCCESS


def test_a_lost_connection_unlocks(file, other):
    assert ask(file, (0, 10, EXCLUSIVE)) == STATUS_SUCCESS
    file.tree.session.connection.close()
    assert other.send_lock(LockElement(0, 10, SMB2_LOCKFLAG_EXCLUSIVE_LOCK)).recv().status == STATUS_SUCCESS


@unlike_samba
def test_what_cannot_be_locked(tree, file, name):
    tree.mkdir(name + "-dir")
    directory = tree.create(name + "-dir", access=FILE_READ_DATA, options=FILE_DIRECTORY_FILE)
    assert ask(directory, (0, 1, SHARED)) == STATUS_INVALID_PARAMETER
    assert ask(directory, (0, 1, UNLOCK)) == STATUS_INVALID_PARAMETER
    directory.close()
    blind = tree.create(name, access=FILE_READ_ATTRIBUTES)
    assert ask(blind, (0, 1, SHARED)) == STATUS_ACCESS_DENIED
