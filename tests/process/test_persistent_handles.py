"""Persistent handles outlive every process of the server, and the volatile databases."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator

import pytest

from messaging.dbwrap.journal import Journal
from smbd.wire.constants import SMB2_CREATE, SMB2_LOCKFLAG_UNLOCK
from smbd.wire.create import CreateRequest
from smbd.wire.fscc.name_info import FileRenameInformation
from smbd.wire.lock import LockElement
from smbd.xsrv.persistent import JOURNAL_NAME
from tests import procstat
from tests.process.smbd_support import eventually, new_server, run, status
from tests.protocol.durable import new_guid
from tests.protocol.leases import H, R, W, answer, lease_of, next_lease_break, state_of
from tests.protocol.persistent import SHARE, instance_contexts, open_persistent, take_up
from tests.protocol.test_durable_handles import EXCLUSIVE, assert_refused
from tests.servers import PysmbdServer
from tests.smbxcli import Connection, Offer, Session, Tree
from tests.smbxcli.tree import SHARE_ALL
from vfs import constants
from vfs.access import GENERIC_READ
from vfs.constants import FILE_OPEN, FILE_SHARE_READ
from vfs.ntstatus import (
    STATUS_DUPLICATE_OBJECTID,
    STATUS_FILE_FORCED_CLOSED,
    STATUS_FILE_NOT_AVAILABLE,
    STATUS_LOCK_NOT_GRANTED,
    STATUS_OBJECT_NAME_NOT_FOUND,
    STATUS_SUCCESS,
)

pytestmark = pytest.mark.slow

UNLOCK = SMB2_LOCKFLAG_UNLOCK
CLIENT = new_guid()


@pytest.fixture
def server() -> Iterator[PysmbdServer]:
    with new_server() as made, made:
        yield made
        assert "InternalError" not in made.log_tail(1000)
        assert run("dbcheck", made).returncode == 0, run("dbcheck", made).stdout


@contextlib.contextmanager
def client(server: PysmbdServer, guid: bytes = CLIENT) -> Iterator[Tree]:
    with Connection.open("127.0.0.1", server.port, Offer(client_guid=guid)) as connection:
        yield Session.login(connection, server.user, server.password).tree_connect(SHARE)


def kill_everything(server: PysmbdServer) -> None:
    """Kill the parent and all that is below it, at once."""
    parent = server.pid
    pids = [parent, *procstat.descendants(parent)]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)  # so that nobody tidies up for the others
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    server.stop()
    eventually(lambda: not any(procstat.is_alive(pid) for pid in pids))


def wipe(server: PysmbdServer) -> None:
    """Remove what does not survive a restart of the machine."""
    for path in (server.directory / "lock").rglob("*"):
        if path.is_file() or path.is_socket():
            path.unlink()


def restart(server: PysmbdServer, how: str) -> None:
    if how == "worker":
        for pid in server.worker_pids():
            os.kill(pid, signal.SIGKILL)
        return
    if how == "stop":
        server.stop()
    else:
        kill_everything(server)
    if how == "reboot":
        wipe(server)
    server.start()


WAYS = ["stop", "kill", "reboot"]


@pytest.mark.parametrize("how", WAYS)
def test_a_handle_with_all_that_it_has(server, how):
    guid, key = new_guid(), new_guid()
    with client(server) as tree:
        lost = open_persistent(tree, "file", guid, key=key, state=R | H, share_access=FILE_SHARE_READ)
        lost.write(b"kept")
        lock = LockElement(0, 10, EXCLUSIVE)
        assert lost.send_lock(lock, LockElement(20, 5, EXCLUSIVE), sequence=2 << 4 | 1).recv().status == STATUS_SUCCESS
        assert lost.send_lock(LockElement(20, 5, UNLOCK)).recv().status == STATUS_SUCCESS
        restart(server, how)
    with client(server, new_guid()) as other:
        assert_refused(STATUS_FILE_NOT_AVAILABLE, other.create, "file")
        assert_refused(STATUS_FILE_NOT_AVAILABLE, other.delete, "file")
        with client(server) as tree:
            file = take_up(tree, "file", lost, guid, key=key, state=R | H)
            assert file.persistent == lost.persistent
            assert state_of(file) == R | H
            assert lease_of(file).epoch == lease_of(lost).epoch
            assert file.read(10) == b"kept"
            # Locked, unlocked, and still known as answered.
            assert file.send_lock(lock).recv().status == STATUS_LOCK_NOT_GRANTED
            assert file.send_lock(lock, sequence=2 << 4 | 1).recv().status == STATUS_SUCCESS
            assert file.send_lock(LockElement(20, 5, EXCLUSIVE)).recv().status == STATUS_SUCCESS
            file.close()
        other.create("file").close()


@pytest.mark.parametrize("how", ["worker", *WAYS])
def test_the_application_that_has_it_may_move_to_another_client(server, how):
    guid, application, newer = new_guid(), new_guid(), new_guid()
    with client(server) as tree:
        lost = open_persistent(tree, "file", guid, share_access=0, instance=instance_contexts(application, (1, 5)))
        restart(server, how)
    with client(server, newer) as other:
        for version in (None, (1, 4), (1, 5)):
            instance = instance_contexts(application, version)
            assert_refused(STATUS_FILE_FORCED_CLOSED, open_persistent, other, "file", new_guid(), instance=instance)
        second = new_guid()
        moved = open_persistent(other, "file", second, share_access=0, instance=instance_contexts(application, (1, 6)))
        restart(server, how)
    with client(server) as tree:
        assert_refused(STATUS_OBJECT_NAME_NOT_FOUND, take_up, tree, "file", lost, guid)
        older = instance_contexts(application, (1, 5))
        assert_refused(STATUS_FILE_FORCED_CLOSED, open_persistent, tree, "file", guid, instance=older)
    with client(server, newer) as other:
        take_up(other, "file", moved, second).close()


@pytest.mark.parametrize("how", WAYS)
def test_its_create_is_not_forgotten(server, how):
    guid, key = new_guid(), new_guid()
    with client(server) as tree:
        lost = open_persistent(tree, "file", guid, key=key, state=R | H)
        restart(server, how)
    with client(server) as tree:
        assert_refused(STATUS_DUPLICATE_OBJECTID, open_persistent, tree, "file", guid, key=key, state=R | H)
        lost.persistent = 0xFFFFFFFFFFFFFFFF  # the number never arrived
        take_up(tree, "file", lost, guid, key=key, state=R | H).close()
        open_persistent(tree, "file", guid, key=key, state=R | H).close()


@pytest.mark.parametrize("how", WAYS)
def test_a_stream_with_all_that_it_has(server, how):
    guid, key = new_guid(), new_guid()
    with client(server) as tree:
        lost = open_persistent(tree, "file:notes", guid, key=key, state=R | H, share_access=FILE_SHARE_READ)
        lost.write(b"kept")
        assert lost.send_lock(LockElement(0, 10, EXCLUSIVE)).recv().status == STATUS_SUCCESS
        restart(server, how)
    with client(server, new_guid()) as other:
        assert_refused(STATUS_FILE_NOT_AVAILABLE, other.create, "file:notes")
        assert_refused(STATUS_FILE_NOT_AVAILABLE, other.delete, "file")
        other.create("file", access=GENERIC_READ).close()
        with client(server) as tree, take_up(tree, "file:notes", lost, guid, key=key, state=R | H) as file:
            assert file.persistent == lost.persistent
            assert state_of(file) == R | H
            assert file.read(10) == b"kept"
            assert file.send_lock(LockElement(0, 10, EXCLUSIVE)).recv().status == STATUS_LOCK_NOT_GRANTED
        other.delete("file")


@pytest.mark.parametrize("how", WAYS)
def test_many_handles_of_one_file_and_of_many(server, how):
    guids = [new_guid() for _ in range(20)]
    with client(server) as tree:
        lost = [open_persistent(tree, f"file{number % 5}", guid) for number, guid in enumerate(guids)]
        restart(server, how)
    with client(server) as tree:
        for number, (guid, file) in enumerate(zip(guids, lost, strict=True)):
            take_up(tree, f"file{number % 5}", file, guid).close()
        for number in range(5):
            tree.create(f"file{number}").close()


def test_nothing_of_a_closed_handle_comes_back(server):
    guid = new_guid()
    with client(server) as tree:
        lost = open_persistent(tree, "file", guid, share_access=0)
        lost.close()
        tree.session.connection.close(reset=True)
    eventually(lambda: not server.worker_pids())
    restart(server, "reboot")
    with client(server) as tree:
        tree.create("file").close()
        assert_refused(STATUS_OBJECT_NAME_NOT_FOUND, take_up, tree, "file", lost, guid)


def test_a_close_is_not_lost_with_its_process(server):
    guid = new_guid()
    with client(server) as tree:
        open_persistent(tree, "file", guid, share_access=0).close()
        restart(server, "worker")
    eventually(lambda: not Journal(str(server.directory / "state" / JOURNAL_NAME)).read())


def test_a_lease_that_was_broken_stays_so(server):
    guid, key = new_guid(), new_guid()
    with client(server) as tree, client(server, new_guid()) as other:
        lost = open_persistent(tree, "file", guid, key=key, state=R | W | H)
        opener = other.send(SMB2_CREATE, CreateRequest("file", GENERIC_READ, 0, SHARE_ALL, FILE_OPEN))
        notified = next_lease_break(tree.session.connection)
        assert answer(tree, key, notified.new_lease_state).status == STATUS_SUCCESS
        assert opener.recv().status == STATUS_SUCCESS
        restart(server, "reboot")
    with client(server) as tree, take_up(tree, "file", lost, guid, key=key, state=R | W | H) as file:
        assert state_of(file) == R | H
        assert lease_of(file).epoch == notified.new_epoch


@pytest.mark.parametrize("how", WAYS)
def test_a_lease_break_under_way_comes_again(server, how):
    guid, key = new_guid(), new_guid()
    with client(server) as tree, client(server, new_guid()) as other:
        lost = open_persistent(tree, "file", guid, key=key, state=R | W | H)
        other.send(SMB2_CREATE, CreateRequest("file", GENERIC_READ, 0, SHARE_ALL, FILE_OPEN))
        told = next_lease_break(tree.session.connection)
        restart(server, how)
    with client(server) as tree, take_up(tree, "file", lost, guid, key=key, state=R | W | H) as file:
        assert state_of(file) == R | W | H
        assert next_lease_break(tree.session.connection) == told
        assert answer(tree, key, R | H).status == STATUS_SUCCESS


def test_the_new_name_of_a_file_is_known(server):
    guid = new_guid()
    with client(server) as tree:
        lost = open_persistent(tree, "old", guid)
        lost.set_info(constants.FileRenameInformation, FileRenameInformation("new").pack())
        restart(server, "reboot")
    with client(server) as tree, take_up(tree, "new", lost, guid) as file:
        file.write(b"x")
        assert (server.share_path(SHARE) / "new").read_bytes() == b"x"


def test_the_time_is_over_some_day(server):
    guid = new_guid()
    with client(server) as tree:
        lost = open_persistent(tree, "file", guid, timeout=1000, share_access=0)
        restart(server, "kill")
    with client(server) as tree:
        time.sleep(1.5)
        assert_refused(STATUS_OBJECT_NAME_NOT_FOUND, take_up, tree, "file", lost, guid)
        tree.create("file").close()
    eventually(lambda: not Journal(str(server.directory / "state" / JOURNAL_NAME)).read())


def test_a_file_that_was_replaced_meanwhile_is_not_taken_for_it(server):
    guid = new_guid()
    with client(server) as tree:
        lost = open_persistent(tree, "file", guid, share_access=0)
        kill_everything(server)
    path = server.share_path(SHARE) / "file"
    other = path.with_name("other")
    other.write_bytes(b"another")
    other.chmod(0o666)
    other.replace(path)
    server.start()
    with client(server) as tree:
        assert_refused(STATUS_OBJECT_NAME_NOT_FOUND, take_up, tree, "file", lost, guid)
        tree.create("file", access=GENERIC_READ).close()


def test_a_torn_journal_costs_its_end_only(server):
    guid = new_guid()
    journal = server.directory / "state" / JOURNAL_NAME
    with client(server) as tree:
        lost = open_persistent(tree, "file", guid)
        kill_everything(server)
    with journal.open("ab") as file:
        file.write(journal.read_bytes()[:50])
    server.start()
    with client(server) as tree:
        take_up(tree, "file", lost, guid).close()


def test_a_server_without_them_ignores_the_journal(server):
    with client(server) as tree:
        open_persistent(tree, "file", new_guid(), share_access=0)
        kill_everything(server)
    server.write_conf({"persistent handles": "no"})
    server.start()
    with client(server) as tree:
        tree.create("file").close()


def test_smbstatus_tells_how_long_they_wait(server):
    guid = new_guid()
    with client(server) as tree:
        open_persistent(tree, "file", guid, timeout=40_000)
        (opened,) = opens_of(status(server), "file")
        assert opened["handle"]["type"] == "persistent"
        assert not opened["handle"]["disconnected"]
        restart(server, "kill")
    (opened,) = opens_of(status(server), "file")
    assert opened["handle"]["type"] == "persistent"
    assert opened["handle"]["disconnected"]
    assert 0 < opened["handle"]["time_left"] <= 40
    text = run("smbstatus", server).stdout
    assert "persistent" in text


def opens_of(shown: dict, name: str) -> list[dict]:
    files = [file for file in shown["open_files"].values() if file["filename"] == name]
    return [opened for file in files for opened in file["opens"].values()]
