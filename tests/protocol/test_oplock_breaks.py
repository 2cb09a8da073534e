"""Oplock breaks between clients: told, answered, waited for ([MS-SMB2] 3.3.4.6, 3.3.5.22.1)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from smbd.wire.constants import SMB2_CREATE, SMB2_OPLOCK_BREAK
from smbd.wire.create import CreateRequest, CreateResponse
from smbd.wire.fscc.name_info import FileRenameInformation
from smbd.wire.oplock_break import OplockBreakAcknowledgment, OplockBreakNotification
from tests.protocol.leases import (
    H,
    R,
    W,
    answer,
    assert_no_break,
    next_break,
    next_lease_break,
    open_leased,
    state_of,
)
from tests.smbxcli import File, Pending, Response, Session, Tree
from tests.smbxcli.tree import SHARE_ALL
from vfs.access import GENERIC_ALL
from vfs.constants import FILE_CREATE, FILE_OPEN, FILE_OPEN_IF
from vfs.locking.oplock import OPLOCK_BATCH, OPLOCK_EXCLUSIVE, OPLOCK_LEASE, OPLOCK_LEVEL_II, OPLOCK_NONE
from vfs.ntstatus import (
    STATUS_CANCELLED,
    STATUS_INVALID_OPLOCK_PROTOCOL,
    STATUS_INVALID_PARAMETER,
    STATUS_OBJECT_NAME_NOT_FOUND,
    STATUS_SHARING_VIOLATION,
    STATUS_SUCCESS,
    STATUS_UNSUCCESSFUL,
)

pytestmark = pytest.mark.slow

KEY = b"a lease of files"


@pytest.fixture
def other(login: Callable[..., Session]) -> Tree:
    return login(client_guid=b"another client--").tree_connect("tmp")


def send_open(tree: Tree, name: str, *, share_access: int = SHARE_ALL, oplock: int = OPLOCK_NONE) -> Pending:
    return tree.send(
        SMB2_CREATE,
        CreateRequest(
            name=name,
            desired_access=GENERIC_ALL,
            share_access=share_access,
            create_disposition=FILE_OPEN,
            requested_oplock_level=oplock,
        ),
    )


def acknowledge(file: File, level: int) -> Response:
    return file.send(SMB2_OPLOCK_BREAK, OplockBreakAcknowledgment(file.persistent, file.volatile, level)).recv()


def broken_to(file: File) -> int:
    told = next_break(file.tree.session.connection)
    assert isinstance(told, OplockBreakNotification)
    assert (told.file_id_persistent, told.file_id_volatile) == (file.persistent, file.volatile)
    return told.oplock_level


@pytest.mark.parametrize("level", [OPLOCK_EXCLUSIVE, OPLOCK_BATCH])
def test_a_second_open_waits_for_the_answer(tree: Tree, other: Tree, name: str, level: int) -> None:
    holder = tree.create(name, disposition=FILE_CREATE, oplock=level)
    assert holder.response.oplock_level == level
    waiting = send_open(other, name, oplock=OPLOCK_BATCH)
    assert broken_to(holder) == OPLOCK_LEVEL_II
    assert waiting.recv_interim() is not None
    assert acknowledge(holder, OPLOCK_LEVEL_II).status == STATUS_SUCCESS
    assert waiting.recv().body(CreateResponse).oplock_level == OPLOCK_LEVEL_II


def test_closing_is_an_answer_too(tree: Tree, other: Tree, name: str) -> None:
    holder = tree.create(name, disposition=FILE_CREATE, oplock=OPLOCK_BATCH, share_access=0)
    waiting = send_open(other, name, oplock=OPLOCK_BATCH)
    broken_to(holder)
    holder.close()
    assert waiting.recv().body(CreateResponse).oplock_level == OPLOCK_BATCH


def test_leaving_is_an_answer_too(tree: Tree, other: Tree, name: str) -> None:
    holder = tree.create(name, disposition=FILE_CREATE, oplock=OPLOCK_BATCH, share_access=0)
    waiting = send_open(other, name)
    broken_to(holder)
    tree.session.connection.close()
    assert waiting.recv().status == STATUS_SUCCESS


def test_who_keeps_the_file_keeps_it(tree: Tree, other: Tree, name: str) -> None:
    holder = tree.create(name, disposition=FILE_CREATE, oplock=OPLOCK_BATCH, share_access=0)
    waiting = send_open(other, name)
    broken_to(holder)
    acknowledge(holder, OPLOCK_LEVEL_II)
    assert waiting.recv().status == STATUS_SHARING_VIOLATION


def test_a_waiting_open_can_be_cancelled(tree: Tree, other: Tree, name: str) -> None:
    holder = tree.create(name, disposition=FILE_CREATE, oplock=OPLOCK_BATCH)
    waiting = send_open(other, name)
    broken_to(holder)
    assert waiting.recv_interim() is not None
    waiting.cancel()
    assert waiting.recv().status == STATUS_CANCELLED
    acknowledge(holder, OPLOCK_NONE)
    assert send_open(other, name).recv().status == STATUS_SUCCESS


def test_a_client_may_leave_while_its_open_waits(
    tree: Tree, other: Tree, login: Callable[..., Session], name: str
) -> None:
    holder = tree.create(name, disposition=FILE_CREATE, oplock=OPLOCK_BATCH)
    send_open(other, name)
    broken_to(holder)
    other.session.connection.close()
    acknowledge(holder, OPLOCK_LEVEL_II)
    with holder:
        third = login(client_guid=b"a third client--").tree_connect("tmp")
        assert send_open(third, name).recv().status == STATUS_SUCCESS


def test_several_opens_wait_for_one_answer(tree: Tree, other: Tree, name: str) -> None:
    holder = tree.create(name, disposition=FILE_CREATE, oplock=OPLOCK_BATCH)
    waiting = [send_open(other, name) for _ in range(5)]
    broken_to(holder)
    assert_no_break(tree.session.connection)
    acknowledge(holder, OPLOCK_NONE)
    assert [pending.recv().status for pending in waiting] == [STATUS_SUCCESS] * 5


@pytest.mark.parametrize(
    ("level", "status"),
    [
        (OPLOCK_EXCLUSIVE, STATUS_INVALID_OPLOCK_PROTOCOL),
        (OPLOCK_BATCH, STATUS_INVALID_OPLOCK_PROTOCOL),
        (OPLOCK_LEASE, STATUS_INVALID_PARAMETER),
    ],
)
def test_a_wrong_answer_costs_the_oplock(tree: Tree, other: Tree, name: str, level: int, status: int) -> None:
    holder = tree.create(name, disposition=FILE_CREATE, oplock=OPLOCK_BATCH)
    waiting = send_open(other, name)
    broken_to(holder)
    assert acknowledge(holder, level).status == status
    assert waiting.recv().status == STATUS_SUCCESS
    assert acknowledge(holder, OPLOCK_NONE).status == STATUS_INVALID_OPLOCK_PROTOCOL


def test_breaks_within_one_connection(tree: Tree, name: str) -> None:
    holder = tree.create(name, disposition=FILE_CREATE, oplock=OPLOCK_EXCLUSIVE)
    waiting = send_open(tree, name)
    assert broken_to(holder) == OPLOCK_LEVEL_II
    acknowledge(holder, OPLOCK_LEVEL_II)
    assert waiting.recv().status == STATUS_SUCCESS


def test_a_write_ends_shared_oplocks(tree: Tree, other: Tree, name: str) -> None:
    reader = tree.create(name, disposition=FILE_CREATE, oplock=OPLOCK_LEVEL_II)
    writer = other.create(name)
    writer.write(b"new")
    assert broken_to(reader) == OPLOCK_NONE
    writer.write(b"newer")
    assert_no_break(tree.session.connection)


def test_lease_keys(tree: Tree, other: Tree, name: str) -> None:
    first = open_leased(tree, name, KEY, R | W | H, disposition=FILE_CREATE)
    again = open_leased(tree, name, KEY, R)
    assert state_of(first) == state_of(again) == R | W | H
    with pytest.raises(Exception, match="INVALID_PARAMETER"):
        open_leased(tree, f"{name}-2", KEY, R, disposition=FILE_OPEN_IF)
    # Another client's key is another lease.
    assert state_of(open_leased(other, f"{name}-2", KEY, R, disposition=FILE_OPEN_IF)) == R


def test_answers_nobody_asked_for(tree: Tree, name: str) -> None:
    assert answer(tree, KEY, R).status == STATUS_OBJECT_NAME_NOT_FOUND
    open_leased(tree, name, KEY, R | W | H, disposition=FILE_CREATE)
    assert answer(tree, KEY, R).status == STATUS_UNSUCCESSFUL


def test_a_rename_waits_for_the_handle(tree: Tree, other: Tree, name: str) -> None:
    open_leased(tree, name, KEY, R | H, disposition=FILE_CREATE)
    mover = other.create(name)
    waiting = mover.send_set_info(FileRenameInformation.info_class, FileRenameInformation(f"{name}-2").pack())
    told = next_lease_break(tree.session.connection)
    assert (told.current_lease_state, told.new_lease_state) == (R | H, R)
    assert waiting.response is None
    answer(tree, KEY, R)
    assert waiting.recv().status == STATUS_SUCCESS
