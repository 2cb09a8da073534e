from __future__ import annotations

import os

import pytest

from messaging.dbwrap import tdb
from messaging.server_id import LockFile, ServerId, new_server_id
from smbd.daemons.names import PARENT, Names


@pytest.fixture
def alive(tmp_path):
    identity = new_server_id()
    lock = LockFile(str(tmp_path), identity)
    lock.publish()
    yield identity
    lock.close()
    for db in tdb.open_databases():
        db.close()


def test_a_living_process_is_found(tmp_path, alive):
    names = Names(str(tmp_path))
    names.register("cleanupd", alive, alive.pid)
    assert names.lookup("cleanupd").server_id == alive
    assert names.lookup("nobody") is None


def test_a_dead_process_is_not(tmp_path, alive):
    names = Names(str(tmp_path))
    names.register("cleanupd", ServerId(pid=os.getpid(), unique_id=alive.unique_id ^ 1), os.getpid())
    assert names.lookup("cleanupd") is None


def test_who_speaks_for_the_parent(tmp_path, alive):
    names = Names(str(tmp_path))
    names.register(PARENT, alive, 4711)
    assert names.speaker_for(4711) == alive
    assert names.speaker_for(alive.pid) is None
