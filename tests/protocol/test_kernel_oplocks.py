"""`kernel oplocks = yes`: programs on the server break the oplocks of clients, and wait for them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from smbd.wire.constants import SMB2_GLOBAL_CAP_LEASING, SMB2_OPLOCK_BREAK
from smbd.wire.create import CreateResponse
from smbd.wire.oplock_break import OplockBreakAcknowledgment, OplockBreakNotification
from tests.protocol.leases import H, R, W, assert_no_break, next_break, open_leased, state_of
from tests.protocol.test_oplock_breaks import send_open
from tests.servers import Server, server_class, temporary_server
from tests.smbxcli import Connection, File, Offer, Session, Tree
from vfs.access import FILE_GENERIC_READ, FILE_GENERIC_WRITE, FILE_READ_ATTRIBUTES
from vfs.constants import FILE_CREATE, FILE_OPEN, FILE_OPEN_IF
from vfs.locking.oplock import OPLOCK_BATCH, OPLOCK_EXCLUSIVE, OPLOCK_LEVEL_II, OPLOCK_NONE
from vfs.ntstatus import STATUS_SUCCESS

pytestmark = pytest.mark.slow

_READ = "import sys; print(open(sys.argv[1]).read(), end='')"
_HOLD_LEASE = """
import fcntl, signal, sys
signal.signal(signal.SIGIO, signal.SIG_IGN)
file = open(sys.argv[1], "r+b")
fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK)
print("leased", flush=True)
sys.stdin.read()
"""
_PATIENCE_S = 20.0


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with temporary_server({"tmp": {"read only": "no", "kernel oplocks": "yes"}}) as running:
        yield running


@pytest.fixture
def other(login: Callable[..., Session]) -> Tree:
    return login(client_guid=b"another client--").tree_connect("tmp")


class LocalReader:
    """A program on the server that reads a file."""

    def __init__(self, server: Server, name: str) -> None:
        path = str(server.share_path("tmp") / name)
        self._process = subprocess.Popen([sys.executable, "-S", "-c", _READ, path], stdout=subprocess.PIPE, text=True)

    def waits(self) -> bool:
        return self._process.poll() is None

    def contents(self) -> str:
        output, _ = self._process.communicate(timeout=_PATIENCE_S)
        assert self._process.returncode == 0
        return output


def broken_to(file: File) -> int:
    told = next_break(file.tree.session.connection)
    assert isinstance(told, OplockBreakNotification)
    assert told.file_id_volatile == file.volatile
    return told.oplock_level


def acknowledge(file: File) -> None:
    answer = OplockBreakAcknowledgment(file.persistent, file.volatile, OPLOCK_NONE)
    assert file.send(SMB2_OPLOCK_BREAK, answer).recv().status == STATUS_SUCCESS


@pytest.mark.parametrize("level", [OPLOCK_BATCH, OPLOCK_EXCLUSIVE])
def test_a_local_open_waits_for_the_acknowledgment(server: Server, tree: Tree, name: str, level: int) -> None:
    holder = tree.create(name, disposition=FILE_CREATE, oplock=level)
    assert holder.response.oplock_level == level
    reader = LocalReader(server, name)
    assert broken_to(holder) == OPLOCK_NONE
    holder.write(b"was cached")
    assert reader.waits()
    acknowledge(holder)
    assert reader.contents() == "was cached"
    holder.close()


def test_a_local_open_goes_on_when_the_client_closes(server: Server, tree: Tree, name: str) -> None:
    holder = tree.create(name, disposition=FILE_CREATE, oplock=OPLOCK_BATCH)
    reader = LocalReader(server, name)
    assert broken_to(holder) == OPLOCK_NONE
    assert reader.waits()
    holder.close()
    assert reader.contents() == ""


def test_another_client_waits_as_well(tree: Tree, other: Tree, name: str) -> None:
    holder = tree.create(name, disposition=FILE_CREATE, oplock=OPLOCK_BATCH)
    waiting = send_open(other, name, oplock=OPLOCK_BATCH)
    assert broken_to(holder) == OPLOCK_NONE
    assert waiting.recv_interim() is not None
    acknowledge(holder)
    assert waiting.recv().body(CreateResponse).oplock_level == OPLOCK_NONE


def test_another_client_gets_the_oplock_when_the_first_closes(tree: Tree, other: Tree, name: str) -> None:
    holder = tree.create(name, disposition=FILE_CREATE, oplock=OPLOCK_BATCH)
    waiting = send_open(other, name, oplock=OPLOCK_BATCH)
    assert broken_to(holder) == OPLOCK_NONE
    holder.close()
    assert waiting.recv().body(CreateResponse).oplock_level == OPLOCK_BATCH


def test_a_client_waits_for_the_lease_of_a_local_program(server: Server, tree: Tree, name: str) -> None:
    tree.create(name, disposition=FILE_CREATE).close()
    path = str(server.share_path("tmp") / name)
    with subprocess.Popen(
        [sys.executable, "-S", "-c", _HOLD_LEASE, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as program:
        assert program.stdin is not None
        assert program.stdout is not None
        assert program.stdout.readline() == b"leased\n"
        waiting = send_open(tree, name)
        assert waiting.recv_interim() is not None
        program.stdin.close()
        assert waiting.recv().status == STATUS_SUCCESS


def test_the_file_of_another_owner_is_backed_as_well(server: Server, tree: Tree, name: str) -> None:
    path = server.share_path("tmp") / name
    path.write_text("of the one who runs the tests")
    path.chmod(0o666)
    access = FILE_GENERIC_READ | FILE_GENERIC_WRITE
    holder = tree.create(name, access=access, disposition=FILE_OPEN, oplock=OPLOCK_BATCH)
    assert holder.response.oplock_level == OPLOCK_BATCH
    reader = LocalReader(server, name)
    assert broken_to(holder) == OPLOCK_NONE
    assert reader.waits()
    acknowledge(holder)
    assert reader.contents() == "of the one who runs the tests"
    holder.close()


def test_looking_at_attributes_breaks_nothing(tree: Tree, other: Tree, name: str) -> None:
    tree.create(name, disposition=FILE_CREATE, oplock=OPLOCK_BATCH)
    looker = other.create(name, access=FILE_READ_ATTRIBUTES, disposition=FILE_OPEN)
    assert_no_break(tree.session.connection)
    looker.close()


def test_a_stream_is_not_the_business_of_the_kernel(tree: Tree, other: Tree, name: str) -> None:
    tree.create(name, disposition=FILE_CREATE, oplock=OPLOCK_BATCH)
    stream = other.create(f"{name}:stream", disposition=FILE_OPEN_IF, oplock=OPLOCK_BATCH)
    assert stream.response.oplock_level == OPLOCK_BATCH
    stream.write(b"contents")
    assert_no_break(tree.session.connection)
    stream.close()


def test_no_leases_are_offered_if_all_shares_have_kernel_oplocks(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    options = {"kernel oplocks": "yes"}
    with (
        server_class()(tmp_path / "server", shares={"tmp": {}}, options=options) as running,
        Connection.open("127.0.0.1", running.port, Offer()) as connection,
    ):
        assert not connection.agreement.response.capabilities & SMB2_GLOBAL_CAP_LEASING


def test_level_ii_is_not_granted(tree: Tree, name: str) -> None:
    shared = tree.create(name, disposition=FILE_CREATE, oplock=OPLOCK_LEVEL_II)
    assert shared.response.oplock_level == OPLOCK_NONE
    shared.close()


def test_leases_are_not_granted(server: Server, tree: Tree, name: str) -> None:
    if server.name != "pysmbd":
        pytest.skip("Samba looks at [global] only")
    leased = open_leased(tree, name, b"k" * 16, R | H | W, disposition=FILE_CREATE)
    assert leased.response.oplock_level == OPLOCK_NONE
    assert not state_of(leased)
    leased.close()
