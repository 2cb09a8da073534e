"""The opens of application instances: smbXsrv_app_instance_global ([MS-SMB2] 3.3.1.10, Open.AppInstanceId).

An application that moves from one client to another (a virtual machine, say) names its instance in its creates; what
it left open at the old client is then closed for it. The table is the way from the AppInstanceId to those opens. Only
creates that name an instance touch it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import msgspec

from messaging.records import RecordCodec

if TYPE_CHECKING:
    from messaging.dbwrap.base import Db

Version = tuple[int, int]
"""High and low half of an AppInstanceVersion."""


class InstanceOpen(msgspec.Struct, array_like=True, gc=False):
    """An open of an application instance.

    Attributes:
        persistent_id: key in smbXsrv_open_global.
        client_guid: of the client that opened it.
        share_name: of the share.
        name: of the file in it, as it compares.
        version: of the instance; None if the client gave none.
    """

    persistent_id: int
    client_guid: bytes
    share_name: str
    name: str
    version: Version | None


class AppInstanceGlobal(msgspec.Struct, array_like=True, gc=False):
    """smbXsrv_app_instance_global: the opens of one instance (key: the 16 bytes of the AppInstanceId)."""

    opens: list[InstanceOpen]


APP_INSTANCE_CODEC: Final = RecordCodec(AppInstanceGlobal, 1, "smbXsrv_app_instance_global")


class AppInstances:
    """AppInstanceId -> opens, over all processes.

    Args:
        db: the database.
    """

    def __init__(self, db: Db) -> None:
        self.db = db

    def find(self, instance_id: bytes) -> list[InstanceOpen]:
        """Return the opens of an instance; some may be gone already."""
        stored = self.db.parse(instance_id)
        return [] if stored is None else APP_INSTANCE_CODEC.decode(stored).opens

    def enter(self, instance_id: bytes, opened: InstanceOpen) -> None:
        """Add an open."""
        self._change(instance_id, lambda opens: [*opens, opened])

    def leave(self, instance_id: bytes, persistent_id: int) -> None:
        """Take an open out; harmless if it is not there."""
        self._change(instance_id, lambda opens: [one for one in opens if one.persistent_id != persistent_id])

    def forget(self, exists: Callable[[int, bytes], bool]) -> int:
        """Take out the opens that do not exist any more, by id and instance, and return their number."""
        found = [(key, APP_INSTANCE_CODEC.decode(value).opens) for key, value in self.db.traverse_read()]
        gone = [(key, one.persistent_id) for key, opens in found for one in opens if not exists(one.persistent_id, key)]
        for key, persistent_id in gone:
            self.leave(key, persistent_id)
        return len(gone)

    def _change(self, instance_id: bytes, change: Callable[[list[InstanceOpen]], list[InstanceOpen]]) -> None:
        with self.db.fetch_locked(instance_id) as record:
            opens = change([] if record.value is None else APP_INSTANCE_CODEC.decode(record.value).opens)
            if opens:
                record.store(APP_INSTANCE_CODEC.encode(AppInstanceGlobal(opens)))
            elif record.value is not None:
                record.delete()
