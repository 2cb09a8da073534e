"""Channel sequences: what comes late over a lost channel, and what comes again ([MS-SMB2] 3.3.5.2.10)."""

from __future__ import annotations

import pytest

from smbd.wire.constants import (
    FSCTL_CREATE_OR_GET_OBJECT_ID,
    SMB2_DIALECT_210,
    SMB2_FLAGS_REPLAY_OPERATION,
    SMB2_LOCKFLAG_EXCLUSIVE_LOCK,
    SMB2_LOCKFLAG_FAIL_IMMEDIATELY,
    SMB2_LOCKFLAG_UNLOCK,
)
from smbd.wire.lock import LockElement
from tests.servers import unlike_samba
from vfs.constants import FILE_CREATE, FileBasicInformation, FilePositionInformation
from vfs.ntstatus import STATUS_FILE_NOT_AVAILABLE, STATUS_SUCCESS

pytestmark = pytest.mark.slow

_AT_ONCE = SMB2_LOCKFLAG_EXCLUSIVE_LOCK | SMB2_LOCKFLAG_FAIL_IMMEDIATELY
_POSITION = (0).to_bytes(8, "little")

#: Each sends a request about the file that is answered at once and leaves no trace.
CHANGING = {
    "write": lambda file, **header: file.send_write(b"data", **header),
    "set_info": lambda file, **header: file.send_set_info(FilePositionInformation, _POSITION, **header),
    "ioctl": lambda file, **header: file.send_ioctl(FSCTL_CREATE_OR_GET_OBJECT_ID, max_output=64, **header),
}
OTHER = {
    "read": lambda file, **header: file.send_read(4, **header),
    "query_info": lambda file, **header: file.send_query_info(FileBasicInformation, **header),
    "lock": lambda file, **header: file.send_lock(LockElement(50, 1, _AT_ONCE), **header),
    "unlock": lambda file, **header: file.send_lock(LockElement(50, 1, SMB2_LOCKFLAG_UNLOCK), **header),
}


@pytest.fixture
def file(tree, name):
    made = tree.create(name, disposition=FILE_CREATE)
    made.write(b"data")
    return made


@pytest.fixture
def waiting(file, login, name):
    """A request of the file, of channel sequence 0, that waits until its result is called."""
    holder = login().tree_connect("tmp").create(name)
    holder.send_lock(LockElement(100, 1, _AT_ONCE)).recv().check()
    pending = file.send_lock(LockElement(100, 1, SMB2_LOCKFLAG_EXCLUSIVE_LOCK))
    assert pending.recv_interim() is not None

    def finish():
        holder.send_lock(LockElement(100, 1, SMB2_LOCKFLAG_UNLOCK)).recv().check()
        assert pending.recv().status == STATUS_SUCCESS
        file.send_lock(LockElement(100, 1, SMB2_LOCKFLAG_UNLOCK)).recv().check()

    return finish


def status_of(send, file, sequence, *, replay=False):
    """The status of a request with that channel sequence."""
    flags = SMB2_FLAGS_REPLAY_OPERATION if replay else 0
    return send(file, status=sequence, flags=flags).recv().status


@pytest.mark.parametrize("kind", CHANGING)
def test_a_late_change_is_refused(file, kind):
    assert status_of(CHANGING["write"], file, 1) == STATUS_SUCCESS
    assert status_of(CHANGING[kind], file, 0) == STATUS_FILE_NOT_AVAILABLE
    assert status_of(CHANGING[kind], file, 1) == STATUS_SUCCESS


@pytest.mark.parametrize("kind", ["read", "query_info"])
def test_what_changes_nothing_may_be_late(file, kind):
    assert status_of(CHANGING["write"], file, 1) == STATUS_SUCCESS
    assert status_of(OTHER[kind], file, 0) == STATUS_SUCCESS


def test_locks_have_a_sequence_of_their_own(file):
    assert status_of(CHANGING["write"], file, 1) == STATUS_SUCCESS
    assert status_of(OTHER["lock"], file, 0) == STATUS_SUCCESS
    assert status_of(OTHER["unlock"], file, 0) == STATUS_SUCCESS


@pytest.mark.parametrize("kind", [*CHANGING, "read"])
def test_any_request_raises_the_sequence(file, kind):
    assert status_of((CHANGING | OTHER)[kind], file, 5) == STATUS_SUCCESS
    assert status_of(CHANGING["write"], file, 4) == STATUS_FILE_NOT_AVAILABLE


@pytest.mark.parametrize(("sequence", "late"), [(0x7FFF, False), (0x8000, True), (0xFFFF, True), (1, False)])
def test_half_of_all_sequences_is_ahead(file, sequence, late):
    assert status_of(CHANGING["write"], file, sequence) == (STATUS_FILE_NOT_AVAILABLE if late else STATUS_SUCCESS)


def test_the_sequence_wraps(file):
    for sequence in (0x7FFF, 0xFFFE, 0xFFFF, 0, 1):
        assert status_of(CHANGING["write"], file, sequence) == STATUS_SUCCESS
    assert status_of(CHANGING["write"], file, 0xFFFF) == STATUS_FILE_NOT_AVAILABLE


def test_each_open_has_its_own(tree, file, name):
    other = tree.create(name)
    assert status_of(CHANGING["write"], file, 3) == STATUS_SUCCESS
    assert status_of(CHANGING["write"], other, 0) == STATUS_SUCCESS


@unlike_samba
def test_it_begins_with_that_of_the_create(login, name):
    # Samba 4.17 begins with 0.
    tree = login().tree_connect("tmp")
    session = tree.session
    session.send = lambda *args, _send=session.send, **fields: _send(*args, **({"status": 0x9000} | fields))
    file = tree.create(name, disposition=FILE_CREATE)
    assert status_of(CHANGING["write"], file, 0x9000) == STATUS_SUCCESS
    assert status_of(CHANGING["write"], file, 0x8FFF) == STATUS_FILE_NOT_AVAILABLE


@unlike_samba
@pytest.mark.parametrize("kind", CHANGING)
def test_a_replay_waits_for_what_it_may_repeat(file, waiting, kind):
    assert status_of(CHANGING[kind], file, 1, replay=True) == STATUS_FILE_NOT_AVAILABLE
    assert status_of(CHANGING[kind], file, 1) == STATUS_SUCCESS
    waiting()
    assert status_of(CHANGING[kind], file, 1, replay=True) == STATUS_SUCCESS


def test_a_replay_of_the_same_sequence_waits_for_nothing(file, waiting):
    assert status_of(CHANGING["write"], file, 0, replay=True) == STATUS_SUCCESS
    waiting()


def test_a_replay_may_read_meanwhile(file, waiting):
    assert status_of(OTHER["query_info"], file, 1, replay=True) == STATUS_SUCCESS
    waiting()


def test_a_late_request_holds_up_no_replay(file, login, name):
    assert status_of(CHANGING["write"], file, 1) == STATUS_SUCCESS
    holder = login().tree_connect("tmp").create(name)
    holder.send_lock(LockElement(100, 1, _AT_ONCE)).recv().check()
    late = file.send_lock(LockElement(100, 1, SMB2_LOCKFLAG_EXCLUSIVE_LOCK), status=0)
    assert late.recv_interim() is not None
    assert status_of(CHANGING["set_info"], file, 1, replay=True) == STATUS_SUCCESS
    late.cancel()
    late.recv()


def test_before_3_0_there_is_no_sequence(login, name):
    file = login(dialects=[SMB2_DIALECT_210]).tree_connect("tmp").create(name, disposition=FILE_CREATE)
    for sequence in (7, 0):
        assert status_of(CHANGING["write"], file, sequence) == STATUS_SUCCESS
