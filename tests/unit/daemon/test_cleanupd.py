"""cleanupd's cleaner on real databases, with processes that are dead by decree."""

from __future__ import annotations

import pytest

from messaging.bus import Bus
from messaging.dbwrap import tdb
from messaging.dbwrap.watch import WatchService
from messaging.poll_reactor import PollReactor
from messaging.server_id import DISCONNECTED, ServerId, new_server_id
from smbd.daemons.cleanupd import Cleaner
from smbd.xsrv.databases import open_databases
from smbd.xsrv.records import CLIENT_CODEC, ChannelGlobal, ClientGlobal, OpenGlobal, SessionGlobal, TconGlobal
from vfs.file_id import FileId
from vfs.locking.entry import ShareModeEntry

DEAD = ServerId(pid=4_100_001, unique_id=11)
OTHER_DEAD = ServerId(pid=4_100_002, unique_id=12)
ALIVE = ServerId(pid=4_100_003, unique_id=13)
REUSED = ServerId(pid=DEAD.pid, unique_id=99)
LIVING = {ALIVE, REUSED}


@pytest.fixture
def databases(tmp_path):
    opened = open_databases(str(tmp_path))
    bus = Bus(str(tmp_path), new_server_id(), PollReactor())
    opened.watch(WatchService(bus))
    yield opened
    bus.close()
    for db in tdb.open_databases():
        db.close()


def channel(server_id):
    return ChannelGlobal(server_id, "ipv4:127.0.0.1:445", "ipv4:127.0.0.1:5", "127.0.0.1", 0, 0x311, 1, 2)


def fill(databases, server_id):
    """Enter one record of every kind; the file is one per process."""
    number = server_id.unique_id
    session = SessionGlobal(
        number, number, 0, 0, 0, 0, 0, "u", "D", "S-1", False, False, True, "", "", [channel(server_id)]
    )
    databases.sessions.store(number, session)
    databases.tcons.store(number, TconGlobal(number, number, server_id, number, "share", 0, "", ""))
    databases.opens.store(number, OpenGlobal(number, number, server_id, number, number, 0, "S-1", bytes(16)))
    guid = bytes([number]) * 16
    databases.clients.store(guid, CLIENT_CODEC.encode(ClientGlobal(guid, server_id, "", "", "", 0)))
    with databases.share_modes.lock(FileId(1, 5)) as lock:
        lock.add("/s", b"/s/f", ShareModeEntry(server_id, number, 1, 7, 0, 0, 0))


def owners(databases):
    """The unique ids that are still mentioned, by database."""
    return {
        "sessions": {one.unique_id for _, s in databases.sessions.items() for one in [c.server_id for c in s.channels]},
        "tcons": {one.server_id.unique_id for _, one in databases.tcons.items()},
        "opens": {one.server_id.unique_id for _, one in databases.opens.items()},
        "clients": {CLIENT_CODEC.decode(v).server_id.unique_id for _, v in databases.clients.traverse_read()},
        "locking": {e.server_id.unique_id for _, r in databases.share_modes.traverse() for e in r.entries},
    }


def everywhere(*ids):
    return {kind: {one.unique_id for one in ids} for kind in ("sessions", "tcons", "opens", "clients", "locking")}


@pytest.fixture
def filled(databases):
    for server_id in (DEAD, OTHER_DEAD, ALIVE, REUSED):
        fill(databases, server_id)
    return databases


def cleaner(databases):
    return Cleaner(databases, lambda server_id: server_id in LIVING)


def test_one_process_leaves_nothing_and_the_others_everything(filled):
    assert cleaner(filled).clean(DEAD.pid) == 5
    assert owners(filled) == everywhere(OTHER_DEAD, ALIVE, REUSED)


def test_a_sweep_removes_all_that_are_dead(filled):
    assert cleaner(filled).clean() == 10
    assert owners(filled) == everywhere(ALIVE, REUSED)
    assert cleaner(filled).clean() == 0


def test_a_session_lives_as_long_as_one_of_its_channels(databases):
    record = SessionGlobal(
        1, 1, 0, 0, 0, 0, 0, "u", "D", "S-1", False, False, True, "", "", [channel(DEAD), channel(ALIVE)]
    )
    databases.sessions.store(1, record)
    cleaner(databases).clean(DEAD.pid)
    assert [one.server_id for one in databases.sessions.get(1).channels] == [ALIVE]


def test_disconnected_handles_belong_to_the_scavenger(databases):
    databases.opens.store(1, OpenGlobal(1, 1, DISCONNECTED, 1, 1, 0, "S-1", bytes(16), durable=True))
    assert cleaner(databases).clean() == 0
    assert databases.opens.get(1) is not None


def test_files_of_a_dead_process_go(databases, tmp_path):
    for directory in ("msg.lock", "msg"):
        (tmp_path / directory / str(DEAD.pid)).touch()
    Cleaner(databases).clean(DEAD.pid)
    assert not list(tmp_path.glob(f"*/{DEAD.pid}"))
