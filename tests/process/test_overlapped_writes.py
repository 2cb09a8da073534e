"""Large writes run in a thread while the next message is received; nobody can tell but by the time that it takes.

Every write to the file takes long here, so that whatever follows one, comes while it is under way.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import pytest

from smbd.smb2.overlapped import OVERLAP_MIN
from smbd.wire.close import CloseRequest
from smbd.wire.constants import SMB2_CLOSE, SMB2_WRITE
from smbd.wire.read_write import WriteRequest, WriteResponse
from tests.process.smbd_support import eventually, logged_in, status
from tests.protocol.durable import lose_connection, open_durable, reopen
from tests.servers import PysmbdServer, temporary_server
from tests.smbxcli import Protection
from tests.smbxcli.window import charge_for
from vfs.constants import FILE_CREATE, FILE_OPEN_IF
from vfs.ntstatus import STATUS_ACCESS_DENIED, STATUS_DISK_FULL, STATUS_FILE_CLOSED, STATUS_SUCCESS

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="nothing overlaps on one processor"),
]

SIZE = OVERLAP_MIN
ENOUGH = 8 * charge_for(SIZE)
"""Credits for all that is outstanding at a time."""
SLOW = "pwrite = delay 200,match big"


@pytest.fixture(scope="module")
def server():
    share = {
        "read only": "no",
        "vfs objects": "fault_inject",
        "fault_inject:i_know": "yes",
        "fault_inject:file": "DIR/faults",
    }
    with temporary_server({"tmp": share}, kind=PysmbdServer) as running:
        yield running
        assert "InternalError" not in "".join(running.logs().values())


@pytest.fixture
def faults(server):
    path = server.directory / "faults"

    def put(*lines: str) -> None:
        fresh = path.with_suffix(".new")
        fresh.write_text("\n".join(lines) + "\n")
        fresh.replace(path)

    put(SLOW)
    yield put
    put("# none")


@pytest.fixture
def tree(server, faults):
    with logged_in(server) as session:
        session.connection.window.wanted = ENOUGH
        yield session.tree_connect("tmp")


@pytest.fixture
def big(tree):
    with contextlib.closing(tree.create("big", disposition=FILE_OPEN_IF)) as file:
        yield file


def begin(file):
    """Have the server busy with a write, so that it finds, when that has ended, that more has come meanwhile."""
    connection = file.tree.session.connection
    while connection.window.credits < ENOUGH:
        connection.echo(file.tree.session)
    return file.send_write(block(99), 20 * SIZE)


def block(number):
    return bytes([number]) * SIZE


def content(server, first, count):
    """Blocks of the file, from the disk."""
    with (server.share_path("tmp") / "big").open("rb") as found:
        found.seek(first * SIZE)
        return found.read(count * SIZE)


def written(pending):
    return pending.recv().check().body(WriteResponse).count


def worker(server):
    """The process of the only client; those of earlier tests may need a moment to go."""
    eventually(lambda: len(server.worker_pids()) == 1)
    return server.worker_pids()[0]


def threads(pid):
    return len(list(Path(f"/proc/{pid}/task").iterdir()))


@pytest.mark.parametrize("protection", [Protection.PLAIN, Protection.SIGN, Protection.SEAL])
def test_writes_that_come_at_once(server, tree, big, protection):
    tree.session.protection = protection
    pid = worker(server)
    before = threads(pid)
    first = begin(big)
    writes = [big.send_write(block(number), number * SIZE) for number in range(4)]
    assert written(first) == SIZE
    assert [written(one) for one in writes] == [SIZE] * 4
    assert threads(pid) == before + 1
    assert content(server, 0, 4) == b"".join(map(block, range(4)))


def test_a_read_that_comes_right_behind(big):
    begin(big)
    big.send_write(block(1), 0)
    last = big.send_write(block(2), 0)
    read = big.send_read(SIZE, 0)
    assert bytes(read.recv().check().pdu[80:]) == block(2)
    assert written(last) == SIZE


def test_a_small_write_behind_a_large_one_comes_after_it(big):
    begin(big)
    big.send_write(block(1), 0)
    small = big.send_write(b"small", 0)
    assert written(small) == 5
    assert big.read(6) == b"small\1"


def test_a_close_waits_for_the_writes(server, tree):
    file = tree.create("big", disposition=FILE_OPEN_IF)
    begin(file)
    writes = [file.send_write(block(number), number * SIZE) for number in (7, 8)]
    close = file.send(SMB2_CLOSE, CloseRequest(file.persistent, file.volatile))
    late = file.send_write(block(9), 7 * SIZE)
    assert [written(one) for one in writes] == [SIZE] * 2
    assert close.recv().status == STATUS_SUCCESS
    assert late.recv().status == STATUS_FILE_CLOSED
    assert content(server, 7, 2) == block(7) + block(8)


@pytest.mark.parametrize("how", ["end", "reset"])
def test_a_disconnect_waits_for_the_write(server, faults, how):
    path = server.share_path("tmp") / f"big {how}"
    with logged_in(server) as session:
        session.connection.window.wanted = ENOUGH
        file = session.tree_connect("tmp").create(path.name, disposition=FILE_CREATE)
        begin(file)
        writes = [file.send_write(block(number), number * SIZE) for number in range(3)]
        assert written(writes[0]) == SIZE
        if how == "end":
            session.connection.transport.shutdown_write()
        else:
            session.connection.close(reset=True)
        eventually(lambda: not status(server)["open_files"])
    content = path.read_bytes()
    if how == "end":
        assert content[: 3 * SIZE] == b"".join(map(block, range(3)))  # all of it had arrived before the end
    else:
        assert content[:SIZE] == block(0)
        for number in (1, 2):
            part = content[number * SIZE : (number + 1) * SIZE]
            assert part in {block(number), bytes(len(part))}, "half a write"


def test_a_durable_handle_that_loses_its_connection_in_a_write(server, faults):
    with logged_in(server) as session:
        session.connection.window.wanted = ENOUGH
        tree = session.tree_connect("tmp")
        lost = open_durable(tree, "big")
        begin(lost)
        done = lost.send_write(block(3), 0)
        lost.send_write(block(4), SIZE)
        lost.send_write(block(5), 2 * SIZE)
        assert written(done) == SIZE
        lose_connection(server, tree)
    with logged_in(server) as session:
        session.connection.window.wanted = ENOUGH
        tree = session.tree_connect("tmp")
        with reopen(tree, "big", lost) as found:
            assert found.read(SIZE, 0) == block(3)
            assert written(found.send_write(block(6), SIZE)) == SIZE
            assert found.read(SIZE, SIZE) == block(6)


def test_a_write_that_fails_does_so_alone(faults, big):
    begin(big).recv().check()
    # The first of the large ones is the second from now on.
    faults("pwrite = ENOSPC,skip 2,count 1,match big")
    first = begin(big)
    writes = [big.send_write(block(number), number * SIZE) for number in range(3)]
    assert written(first) == SIZE
    statuses = [one.recv().status for one in writes]
    assert statuses == [STATUS_SUCCESS, STATUS_DISK_FULL, STATUS_SUCCESS]


def test_short_writes_are_gone_on_with(server, faults, big):
    begin(big).recv().check()
    faults("pwrite = short 1000000,match big")
    begin(big)
    writes = [big.send_write(block(number), number * SIZE) for number in range(5, 8)]
    assert [written(one) for one in writes] == [SIZE] * 3
    assert content(server, 5, 3) == b"".join(map(block, range(5, 8)))


def test_a_message_with_a_wrong_signature_behind_one_that_is_right(tree, big):
    tree.session.protection = Protection.SIGN
    begin(big)
    right = big.send_write(block(1), 0)
    request = WriteRequest(big.persistent, big.volatile, block(2), 0)
    wrong = tree.send(SMB2_WRITE, request, protection=Protection.SIGN_BROKEN, credit_charge=SIZE >> 16)
    assert written(right) == SIZE
    assert wrong.recv().status == STATUS_ACCESS_DENIED
    assert big.read(SIZE, 0) == block(1)


def test_a_write_under_way_is_not_cancelled(server, tree, big):
    begin(big)
    first = big.send_write(block(1), 0)
    second = big.send_write(block(2), SIZE)
    tree.session.connection.cancel(second)
    assert tree.session.connection.echo(tree.session).status == STATUS_SUCCESS
    assert [written(first), written(second)] == [SIZE] * 2
    assert content(server, 0, 2) == block(1) + block(2)
