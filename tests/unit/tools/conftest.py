"""A lock directory with the records of a process that lives and of one that does not."""

from __future__ import annotations

import pytest

from messaging.bus import Bus
from messaging.dbwrap import tdb
from messaging.dbwrap.watch import WatchService
from messaging.poll_reactor import PollReactor
from messaging.server_id import ServerId, new_server_id
from smbd.xsrv.databases import open_databases
from smbd.xsrv.records import ChannelGlobal, SessionGlobal, TconGlobal
from vfs.file_id import FileId
from vfs.locking.entry import ShareModeEntry

NOON = 1_795_348_800_000_000_000
GONE = ServerId(pid=4_100_001, unique_id=5)


@pytest.fixture
def server(tmp_path):
    """A lock directory with the records of this process, which is alive, and of one that is not."""
    directory = str(tmp_path / "lock")
    (tmp_path / "lock").mkdir()
    databases = open_databases(directory)
    databases.join("test")
    bus = Bus(directory, new_server_id(), PollReactor())
    identity = bus.server_id
    databases.watch(WatchService(bus))
    for number, owner in ((1, identity), (2, GONE)):
        channel = ChannelGlobal(owner, "ipv4:127.0.0.1:445", "ipv4:10.0.0.7:5000", "10.0.0.7", 0, 0x311, 2, 2)
        databases.sessions.store(
            number,
            SessionGlobal(
                number, number, 0, 0, 0, 0, 0, "root", "D", "S-1", False, False, True, "full", "partial", [channel]
            ),
        )
        databases.tcons.store(number, TconGlobal(number, 1, owner, number, "public", NOON, "full", ""))
        with databases.share_modes.lock(FileId(9, 100 + number)) as locked:
            entry = ShareModeEntry(owner, 3, 0x12019F, 7, 0, NOON, 0, oplock_level=8)
            locked.add("/srv/public", b"/srv/public/dir/f%d" % number, entry)
    yield directory, identity
    bus.close()
    for db in tdb.open_databases():
        db.close()
