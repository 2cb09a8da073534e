"""Which process answers to a name: the destinations of smbcontrol, such as ``smbd`` and ``cleanupd``.

A record is as good as its process is alive, so nobody has to remove the name of one that was killed.
"""

from __future__ import annotations

from typing import Final

import msgspec

from messaging.dbwrap.base import Db
from messaging.dbwrap.tdb import open_tdb
from messaging.records import RecordCodec, RecordVersionError
from messaging.server_id import ServerId, server_id_exists

#: The name of the server's parent; the process behind it is the control helper.
PARENT: Final = "smbd"


class NameRecord(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Who answers to a name.

    Attributes:
        server_id: the process on the bus.
        pid: the process it speaks for: its own pid, or the parent's.
    """

    server_id: ServerId
    pid: int


NAMES_CODEC: Final = RecordCodec(NameRecord, 1, "names")


class Names:
    """The database of names.

    Raises:
        DbError: it cannot be opened.
    """

    def __init__(self, lock_directory: str, *, read_only: bool = False) -> None:
        self._lock_directory = lock_directory
        self._db: Db = open_tdb(f"{lock_directory}/names.tdb", lock_order=0, read_only=read_only)

    def register(self, name: str, server_id: ServerId, pid: int) -> None:
        """Make `server_id`, which speaks for process `pid`, the one that answers to `name`."""
        self._db.store(name.encode(), NAMES_CODEC.encode(NameRecord(server_id, pid)))

    def lookup(self, name: str) -> NameRecord | None:
        """Return the living process that answers to `name`."""
        value = self._db.parse(name.encode())
        if value is None:
            return None
        try:
            record = NAMES_CODEC.decode(value)
        except RecordVersionError:
            return None
        return record if server_id_exists(self._lock_directory, record.server_id) else None

    def speaker_for(self, pid: int) -> ServerId | None:
        """Return the process that answers for `pid` if `pid` has no place on the bus of its own."""
        record = self.lookup(PARENT)
        return record.server_id if record is not None and record.pid == pid else None
