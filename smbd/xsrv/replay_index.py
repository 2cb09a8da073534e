"""The creates that a client may replay although their opens are not this process's: smbXsrv_replay_global.

[MS-SMB2] 3.3.5.9.10 looks for Open.ClientGuid and Open.CreateGuid in GlobalOpenTable. What lives in this process stands
in its `smbd.xsrv.replay.ReplayCache`; here is the rest: persistent handles from their beginning, since their process
may be killed, and durable ones from when their client goes away; without multi-channel, from their beginning as well,
for a client has as many processes as connections then. Creates without the context never touch it.

An entry only says where to look: it counts if the open has the same GUIDs (`Databases.find_create`), so that one which
is left over does no harm.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import msgspec

from messaging.records import RecordCodec

if TYPE_CHECKING:
    from messaging.dbwrap.base import Db

GUID_LENGTH: Final = 16


class ReplayGlobal(msgspec.Struct, array_like=True, gc=False):
    """smbXsrv_replay_global: the open that a create has made (key: ClientGuid, CreateGuid)."""

    open_global_id: int


REPLAY_CODEC: Final = RecordCodec(ReplayGlobal, 1, "smbXsrv_replay_global")


class ReplayIndex:
    """(ClientGuid, CreateGuid) -> number of an open, over all processes.

    Args:
        db: the database.
    """

    def __init__(self, db: Db) -> None:
        self.db = db

    def find(self, client_guid: bytes, create_guid: bytes) -> int | None:
        """Return the number of the open that the create has made; it may be gone already."""
        stored = self.db.parse(client_guid + create_guid)
        return None if stored is None else REPLAY_CODEC.decode(stored).open_global_id

    def enter(self, client_guid: bytes, create_guid: bytes, open_global_id: int) -> None:
        """Note what a create has made."""
        self.db.store(client_guid + create_guid, REPLAY_CODEC.encode(ReplayGlobal(open_global_id)))

    def leave(self, client_guid: bytes, create_guid: bytes, open_global_id: int) -> None:
        """Take that out again; harmless if it is not there, or another open's."""
        self.db.delete_if(client_guid + create_guid, REPLAY_CODEC.encode(ReplayGlobal(open_global_id)))

    def forget(self, exists: Callable[[int, bytes, bytes], bool]) -> int:
        """Take out the opens that do not exist any more, by number and GUIDs, and return how many those were."""
        found = [
            (REPLAY_CODEC.decode(value).open_global_id, key[:GUID_LENGTH], key[GUID_LENGTH:])
            for key, value in self.db.traverse_read()
        ]
        gone = [one for one in found if not exists(*one)]
        for number, client_guid, create_guid in gone:
            self.leave(client_guid, create_guid, number)
        return len(gone)
