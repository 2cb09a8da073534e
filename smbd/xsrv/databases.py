"""The databases of one server: opened once by the parent, inherited by its children."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Final

import smbd
from messaging.dbwrap.base import LOCK_ORDER_NONE, Db
from messaging.dbwrap.memory import MemoryDb
from messaging.dbwrap.tdb import open_tdb
from messaging.dbwrap.watch import WatchedDb, WatchService
from messaging.errors import MessagingError, PeerGone
from messaging.msg_types import MSG_SMB_BREAK_REQUEST
from messaging.server_id import DISCONNECTED, ServerId, server_id_exists
from smbd.xsrv import version
from smbd.xsrv.app_instance import AppInstances
from smbd.xsrv.persistent import JOURNAL_NAME, PersistentHandles
from smbd.xsrv.records import (
    OPEN_CODEC,
    SESSION_CODEC,
    TCON_CODEC,
    OpenGlobal,
    SessionGlobal,
    TconGlobal,
)
from smbd.xsrv.replay_index import ReplayIndex
from smbd.xsrv.table import GlobalTable
from vfs.file_id import FileId
from vfs.fsa import durable
from vfs.locking.brlock import LockOwner
from vfs.locking.brlock_db import ByteRangeLocks
from vfs.locking.lease_db import LeaseDb
from vfs.locking.share_mode import ShareModes
from vfs.notify.index import NotifyIndex

_log = logging.getLogger(__name__)

#: Lock orders, see docs/DATABASES.md. Records of order 1 are never locked together.
ORDER_XSRV: Final = 1
ORDER_BRLOCK: Final = 2
ORDER_LEASES: Final = 4


class Databases:
    """All shared state of a server.

    Attributes:
        version: smbXsrv_version_global.
        clients: smbXsrv_client_global, ClientGuid -> `ClientGlobal`.
        sessions, tcons, opens: smbXsrv_{session,tcon,open}_global.
        app_instances: smbXsrv_app_instance_global.
        replays: smbXsrv_replay_global.
        locking, brlock, leases: the state of open files as it is stored.
        share_modes, byte_locks: locking and brlock as the file system layer works with them.
        notify_index: the directories that are watched.
        persistent: what is kept of persistent handles; None if none are granted.
    """

    def __init__(self, lock_directory: str, *, read_only: bool = False) -> None:
        self.lock_directory = lock_directory

        def volatile(name: str, order: int = ORDER_XSRV) -> Db:
            path = f"{lock_directory}/{name}.tdb"
            if read_only and not Path(path).exists():
                # That of a release that had it not yet, or where it was not needed so far.
                return MemoryDb(f"{name}.tdb", lock_order=order)
            return open_tdb(path, lock_order=order, read_only=read_only)

        self.version = open_tdb(
            f"{lock_directory}/smbXsrv_version_global.tdb", lock_order=ORDER_XSRV, read_only=read_only
        )
        if read_only:
            version.check_readable(self.version, lock_directory, smbd.__version__)
        self.clients = volatile("smbXsrv_client_global")
        self.sessions: GlobalTable[SessionGlobal] = GlobalTable(volatile("smbXsrv_session_global"), SESSION_CODEC)
        self.tcons: GlobalTable[TconGlobal] = GlobalTable(volatile("smbXsrv_tcon_global"), TCON_CODEC)
        self.opens: GlobalTable[OpenGlobal] = GlobalTable(volatile("smbXsrv_open_global"), OPEN_CODEC)
        self.app_instances = AppInstances(volatile("smbXsrv_app_instance_global"))
        self.replays = ReplayIndex(volatile("smbXsrv_replay_global"))
        self.locking = volatile("locking")
        self.brlock = volatile("brlock", ORDER_BRLOCK)
        self.leases = volatile("leases", ORDER_LEASES)
        self.notify_index = NotifyIndex(volatile("notify_index", LOCK_ORDER_NONE))
        self.persistent: PersistentHandles | None = None
        self.watch(None)

    def keep_persistent(self, state_directory: str) -> None:
        """Keep persistent handles in a journal below `state_directory`. Before the first fork."""
        self.persistent = PersistentHandles(self, f"{state_directory}/{JOURNAL_NAME}")

    def keep(self, handle_id: int) -> None:
        """Have what changed of a persistent handle kept, or that it is gone. No record may be locked."""
        if self.persistent is not None:
            self.persistent.touch(handle_id)

    def forget(self, handle_id: int) -> None:
        """Have it noted, some time soon, that a persistent handle was closed. No record may be locked."""
        if self.persistent is not None:
            self.persistent.forget(handle_id)

    def watch(self, service: WatchService | None) -> None:
        """Make the per-file databases watchable by this process; without a service they can only be read."""
        # Who sends messages keeps an eye on those that he sends them to.
        is_alive = self.is_alive if service is None else service.bus.exists
        self.share_modes = ShareModes(
            WatchedDb(self.locking, service), is_alive, LeaseDb(self.leases), _break_sender(service)
        )
        self.byte_locks = ByteRangeLocks(WatchedDb(self.brlock, service), is_alive)
        self.share_modes.on_purged = self._purged
        self.share_modes.on_kept_changed = self.keep

    def _purged(self, file_id_key: bytes, handle_id: int) -> None:
        """A disconnected open gave way to another: what else there is of it goes, too."""
        self.byte_locks.remove_open(FileId.from_key(file_id_key), LockOwner(DISCONNECTED, handle_id))
        gone: OpenGlobal | None = None

        def change(record: OpenGlobal) -> OpenGlobal | None:
            nonlocal gone
            gone = record if self._is_away(record) else None
            return record if gone is None else None

        self.opens.update(handle_id, change)
        if gone is not None:
            self.forget_create(gone)
            durable.forget(self.share_modes, self.byte_locks, gone.backend_cookie, handle_id)
        self.keep(handle_id)

    def _is_away(self, record: OpenGlobal) -> bool:
        owner = record.server_id
        return owner.is_disconnected() or (record.persistent and not self.is_alive(owner))

    def counts(self, record: OpenGlobal | None) -> bool:
        """Tell whether an open exists: its process lives, or it waits for its client."""
        return record is not None and (
            record.persistent or record.server_id.is_disconnected() or self.is_alive(record.server_id)
        )

    def find_create(self, client_guid: bytes, create_guid: bytes) -> OpenGlobal | None:
        """Return the open that a create of the client has made, if `replays` knows of it."""
        number = self.replays.find(client_guid, create_guid)
        record = None if number is None else self.opens.get(number)
        if record is None or record.create_guid != create_guid or record.client_guid != client_guid:
            return None
        return record

    def forget_create(self, record: OpenGlobal) -> None:
        """Note that the create that has made an open cannot be replayed any more. No record may be locked."""
        if record.create_guid:
            self.replays.leave(record.client_guid, record.create_guid, record.open_global_id)

    def forget_creates(self) -> int:
        """Take opens that are gone out of `replays` and return their number."""

        def exists(number: int, client_guid: bytes, create_guid: bytes) -> bool:
            record = self.opens.get(number)
            return record is not None and (record.client_guid, record.create_guid) == (client_guid, create_guid)

        return self.replays.forget(exists)

    def forget_instance_opens(self) -> int:
        """Take opens that are gone out of the table of application instances and return their number."""

        def exists(persistent_id: int, instance_id: bytes) -> bool:
            record = self.opens.get(persistent_id)
            return record is not None and record.app_instance_id == instance_id

        return self.app_instances.forget(exists)

    def is_alive(self, server_id: ServerId) -> bool:
        """Tell whether the process behind `server_id` still exists."""
        return server_id_exists(self.lock_directory, server_id)

    def join(self, software_version: str) -> list[int]:
        """Enter this process's server among those that use these databases; the parents of the others.

        Raises:
            DatabaseVersionError: as `smbd.xsrv.version.join`.
        """
        return version.join(self.version, self.lock_directory, software_version)


def _break_sender(service: WatchService | None) -> Callable[[ServerId, bytes], None]:
    """Return what asks another process to break an oplock; a process that only reads never has to."""

    def send(owner: ServerId, payload: bytes) -> None:
        if service is None:
            return
        try:
            service.bus.hint(owner, MSG_SMB_BREAK_REQUEST, payload)
        except PeerGone:
            pass  # its entry does not count any more
        except MessagingError as error:
            _log.warning("cannot ask process %s to break an oplock: %s", owner, error)

    return send


def open_databases(lock_directory: str, *, read_only: bool = False) -> Databases:
    """Open (and, unless `read_only`, create) the databases below `lock_directory`.

    With `read_only` those that are not there are empty, as for a server that does not know of them.

    Raises:
        DbError: a file cannot be opened.
        DatabaseVersionError: `read_only`, and as `smbd.xsrv.version.check_readable`.
    """
    return Databases(lock_directory, read_only=read_only)
