"""Disconnected handles give way: to opens that conflict, to writes, renames and deletions, and to time."""

from __future__ import annotations

import os
import signal
import time

import pytest

from smbd.wire.lock import LockElement
from tests.protocol.durable import eventually, lose_connection, new_guid, open_durable, reopen
from tests.protocol.leases import H, R, W, open_leased, state_of
from tests.protocol.test_durable_handles import EXCLUSIVE, assert_refused
from vfs.access import FILE_READ_ATTRIBUTES, SYNCHRONIZE
from vfs.constants import FILE_DELETE_ON_CLOSE
from vfs.ntstatus import STATUS_OBJECT_NAME_NOT_FOUND, STATUS_SUCCESS

pytestmark = pytest.mark.slow

RWH = R | W | H


def test_an_open_that_conflicts_takes_its_place(server, tree, login, name):
    guid = new_guid()
    lost = open_durable(tree, name, guid=guid, share_access=0)
    assert lost.send_lock(LockElement(0, 10, EXCLUSIVE)).recv().status == STATUS_SUCCESS
    lose_connection(server, tree)
    other = login().tree_connect("tmp")
    with other.create(name, share_access=0) as file:
        # With it its locks have gone.
        assert file.send_lock(LockElement(0, 10, EXCLUSIVE)).recv().status == STATUS_SUCCESS
        assert_refused(STATUS_OBJECT_NAME_NOT_FOUND, reopen, other, name, lost, guid=guid)


def test_an_oplock_of_who_is_away_is_not_waited_for(server, tree, login, name):
    guid = new_guid()
    lost = open_durable(tree, name, guid=guid)
    lose_connection(server, tree)
    other = login().tree_connect("tmp")
    start = time.monotonic()
    with other.create(name):
        assert time.monotonic() - start < 5
        assert_refused(STATUS_OBJECT_NAME_NOT_FOUND, reopen, other, name, lost, guid=guid)


def test_who_only_looks_leaves_it_alone(server, tree, login, name):
    guid = new_guid()
    lost = open_durable(tree, name, guid=guid)
    lose_connection(server, tree)
    other = login().tree_connect("tmp")
    other.create(name, access=FILE_READ_ATTRIBUTES | SYNCHRONIZE).close()
    reopen(other, name, lost, guid=guid).close()


def test_handles_that_agree_exist_side_by_side(server, login, name):
    guid, key, client = new_guid(), new_guid(), new_guid()
    tree = login(client_guid=client).tree_connect("tmp")
    lost = open_durable(tree, name, guid=guid, key=key, state=R | H)
    lose_connection(server, tree)
    other = login(client_guid=new_guid()).tree_connect("tmp")
    with open_leased(other, name, new_guid(), R | H) as file:
        assert state_of(file) == R | H
        again = login(client_guid=client).tree_connect("tmp")
        with reopen(again, name, lost, guid=guid, key=key, state=R | H) as kept:
            assert state_of(kept) == R | H


@pytest.mark.parametrize("what", ["write", "delete"])
def test_changes_end_it(server, login, name, what):
    guid, key, client = new_guid(), new_guid(), new_guid()
    tree = login(client_guid=client).tree_connect("tmp")
    lost = open_durable(tree, name, guid=guid, key=key, state=R | H)
    lose_connection(server, tree)
    other = login(client_guid=new_guid()).tree_connect("tmp")
    if what == "write":
        with other.create(name) as file:
            file.write(b"x")
    else:
        other.delete(name)
        assert not (server.share_path("tmp") / name).exists()
    again = login(client_guid=client).tree_connect("tmp")
    assert_refused(STATUS_OBJECT_NAME_NOT_FOUND, reopen, again, name, lost, guid=guid, key=key, state=R | H)


def test_a_file_that_is_to_go_does_not_wait(server, login, name):
    key = new_guid()
    tree = login().tree_connect("tmp")
    open_durable(tree, name, guid=new_guid(), key=key, state=R | H)
    open_leased(tree, name, key, R | H, options=FILE_DELETE_ON_CLOSE)
    lose_connection(server, tree)
    assert not (server.share_path("tmp") / name).exists()


def test_the_scavenger_ends_it_in_time(server, tree, login, name):
    guid = new_guid()
    lost = open_durable(tree, name, guid=guid, timeout=300, share_access=0)
    lose_connection(server, tree)
    again = login().tree_connect("tmp")
    time.sleep(0.6)
    assert_refused(STATUS_OBJECT_NAME_NOT_FOUND, reopen, again, name, lost, guid=guid)


def test_a_killed_worker_loses_its_handles(server, login, name):
    before = set(server.worker_pids())
    tree = login().tree_connect("tmp")
    guid = new_guid()
    lost = open_durable(tree, name, guid=guid)
    (worker,) = set(server.worker_pids()) - before
    os.kill(worker, signal.SIGKILL)
    eventually(lambda: worker not in server.worker_pids())
    again = login().tree_connect("tmp")
    assert_refused(STATUS_OBJECT_NAME_NOT_FOUND, reopen, again, name, lost, guid=guid)
    again.create(name).close()
