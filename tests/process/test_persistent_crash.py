"""Who serves a client is killed between any two steps of a grant, or of a close: the handle can be had back, or is not.

`tests.process.crashing_smbd` counts the steps, so that none is left out.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from messaging.dbwrap.journal import Journal
from messaging.dbwrap.tdb import open_tdb
from smbd.wire.create import CreateResponse
from smbd.xsrv.persistent import JOURNAL_NAME
from tests import procstat
from tests.process import crashing_smbd
from tests.process.smbd_support import by_title, eventually, new_server, run
from tests.process.test_persistent_handles import CLIENT, kill_everything, wipe
from tests.protocol.durable import new_guid
from tests.protocol.leases import H, R
from tests.protocol.persistent import SHARE, is_persistent, open_persistent, take_up
from tests.servers import PysmbdServer
from tests.smbxcli import Connection, File, Offer, Session, StatusError, Tree
from tests.smbxcli.errors import ConnectionLostError
from vfs.constants import FILE_OPEN_IF
from vfs.ntstatus import (
    STATUS_FILE_NOT_AVAILABLE,
    STATUS_OBJECT_NAME_NOT_FOUND,
    STATUS_SHARING_VIOLATION,
)

pytestmark = pytest.mark.slow

KEY = new_guid()
POINT = "crash-point"
"""In the directory of the server: who serves a client acts as its user, and has to be able to read it."""
_NEVER_ARRIVED = 0xFFFFFFFFFFFFFFFF


class Point:
    """Where the process that serves a client is to be killed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._token = 0

    def set(self, pid: int, number: int) -> None:
        self._token += 1
        fresh = self._path.with_suffix(".new")
        fresh.write_text(f"{pid} {self._token} {number}")
        fresh.replace(self._path)

    def clear(self) -> None:
        self._path.unlink(missing_ok=True)


@pytest.fixture
def server(monkeypatch) -> Iterator[PysmbdServer]:
    def command(server: PysmbdServer) -> list[str]:
        return [sys.executable, "-m", crashing_smbd.__name__, "-F", "-s", str(server.conf_path)]

    monkeypatch.setattr(PysmbdServer, "_server_command", command)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    with new_server() as made:
        monkeypatch.setenv("CRASH_POINT", str(made.directory / POINT))
        with made:
            yield made
            assert "InternalError" not in made.log_tail(1000)


@pytest.fixture
def point(server) -> Point:
    return Point(server.directory / POINT)


@contextlib.contextmanager
def served(server: PysmbdServer, guid: bytes) -> Iterator[tuple[Tree, int]]:
    """A client, and the process that serves it."""
    others = set(server.worker_pids())
    with Connection.open("127.0.0.1", server.port, Offer(client_guid=guid)) as connection:
        tree = Session.login(connection, server.user, server.password).tree_connect(SHARE)
        (pid,) = set(server.worker_pids()) - others
        yield tree, pid


def grant(tree: Tree, name: str, guid: bytes) -> File:
    file = open_persistent(tree, name, guid, key=KEY, state=R | H)
    assert is_persistent(file)
    return file


def is_answered(pid: int, point: Point, number: int, request: Callable[[], object]) -> bool:
    """Send something to a process that is killed at a step, or else afterwards; whether that has answered."""
    point.set(pid, number)
    try:
        request()
    except ConnectionLostError:
        answered = False
    else:
        answered = True
    point.clear()
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: not procstat.is_alive(pid))
    return answered


def have_back(tree: Tree, name: str, guid: bytes) -> File | None:
    """Take the handle up by its CreateGuid; None if there is none."""
    lost = File(tree, CreateResponse(file_id_persistent=_NEVER_ARRIVED, file_id_volatile=_NEVER_ARRIVED))
    try:
        return take_up(tree, name, lost, guid, key=KEY, state=R | H)
    except StatusError as error:
        if error.status != STATUS_OBJECT_NAME_NOT_FOUND:
            raise
        return None


def assert_free(server: PysmbdServer, name: str) -> None:
    """Nothing is left of the handle: what it was of can be had for oneself, as soon as cleanupd has been there."""

    def alone() -> bool:
        with served(server, new_guid()) as (other, _):
            try:
                other.create(name, disposition=FILE_OPEN_IF, share_access=0).close()
                other.delete("file")
            except StatusError as error:
                if error.status not in {STATUS_FILE_NOT_AVAILABLE, STATUS_SHARING_VIOLATION}:
                    raise
                return False
        return True

    eventually(alone)
    creates = open_tdb(str(server.directory / "lock" / "smbXsrv_replay_global.tdb"), lock_order=1, read_only=True)
    journal = Journal(str(server.directory / "state" / JOURNAL_NAME))
    eventually(lambda: not (list(creates.traverse_read()) or journal.read()))
    creates.close()  # the next one is another file
    eventually(lambda: run("dbcheck", server).returncode == 0)


@pytest.mark.parametrize(("name", "reboot"), [("file", False), ("file", True), ("file:stream", False)])
def test_at_every_step_of_a_grant(server, point, name, reboot):
    """Who got the answer has the handle; who did not may have it, and is the only one."""
    outcomes = []
    while not outcomes or not outcomes[-1][0]:
        guid = new_guid()
        with served(server, CLIENT) as (tree, pid):
            if reboot:  # at once: cleanupd has no time to bring the journal up to date for its dead owner
                for cleanupd in by_title(server, "cleanupd"):
                    os.kill(cleanupd, signal.SIGSTOP)
            answered = is_answered(pid, point, len(outcomes), lambda tree=tree, guid=guid: grant(tree, name, guid))
            if reboot:
                kill_everything(server)
                wipe(server)
        if reboot:
            server.start()
        with served(server, CLIENT) as (tree, _):
            file = have_back(tree, name, guid)
            outcomes.append((answered, file is not None))
            if file is not None:
                file.write(b"it is whole")
                file.close()
        assert_free(server, name)
    assert outcomes[-1] == (True, True)
    # It does not exist, then it does: create noted, share mode, lease, open, journal, disk, answer.
    had = [exists for _, exists in outcomes]
    assert had == sorted(had)
    assert had.count(False) >= 3
    assert had.count(True) >= 3


@pytest.mark.parametrize("name", ["file", "file:stream"])
def test_at_every_step_of_a_close(server, point, name):
    """Who got the answer has closed it; who did not may have it still, and is the only one."""
    outcomes = []
    while not outcomes or not outcomes[-1][0]:
        guid = new_guid()
        with served(server, CLIENT) as (tree, pid):
            file = grant(tree, name, guid)
            answered = is_answered(pid, point, len(outcomes), file.close)
        with served(server, CLIENT) as (tree, _):
            found = have_back(tree, name, guid)
            outcomes.append((answered, found is not None))
            if found is not None:
                found.close()
        assert_free(server, name)
    assert outcomes[-1] == (True, False)
    had = [exists for _, exists in outcomes]
    assert had == sorted(had, reverse=True)
    assert had[0]
    assert had.count(False) >= 3
