"""What may stand in the databases of a running server: nothing of the dead, nothing that contradicts itself."""

from __future__ import annotations

from pathlib import Path

from messaging.dbwrap.check import dbcheck
from messaging.dbwrap.watch import WatchedDb
from messaging.server_id import ServerId
from smbd.xsrv.databases import Databases, open_databases
from vfs.locking.brlock import BRLOCK_CODEC
from vfs.locking.oplock import OPLOCK_LEASE
from vfs.locking.stored import LOCKING_CODEC


class Audit:
    """Reads the databases of a server beside it; with locks, so that nothing is half changed.

    Args:
        lock_directory: the server's.
    """

    def __init__(self, lock_directory: Path) -> None:
        self._databases: Databases = open_databases(str(lock_directory))

    def problems(self) -> list[str]:
        """Return what is wrong."""
        databases = self._databases
        found = [*databases.share_modes.check(), *databases.byte_locks.check()]
        checks = (
            dbcheck(WatchedDb(databases.locking, None), LOCKING_CODEC.decode),
            dbcheck(WatchedDb(databases.brlock, None), BRLOCK_CODEC.decode),
        )
        for report in checks:
            found += report.problems
        return found + self._lease_problems() + self._table_problems()

    def _lease_problems(self) -> list[str]:
        databases = self._databases
        modes = databases.share_modes
        held = {
            (entry.client_guid, entry.lease_key, file_id.key())
            for file_id, record in modes.traverse()
            for entry in record.entries
            if entry.oplock_level == OPLOCK_LEASE
        }
        stored = set()
        found: list[str] = []
        if modes.leases is None:
            return found
        for guid, key, lease in modes.leases.traverse():
            stored |= {(guid, key, file.file_id) for file in lease.files}
            if not self._lives(lease.server_id):
                found.append(f"lease {key.hex()}: {lease.server_id} is dead")
            if lease.breaking and not lease.state & ~lease.requested:
                found.append(f"lease {key.hex()}: breaking from {lease.state} to {lease.requested}")
        found += [f"lease {one[1].hex()} of a file that nobody has open with it" for one in stored - held]
        found += [f"open with lease {one[1].hex()}, which is not stored" for one in held - stored]
        return found

    def _table_problems(self) -> list[str]:
        databases = self._databases
        found = [
            f"{name} {number}: {record.server_id} is dead"
            for name, table in (("open", databases.opens), ("tree connect", databases.tcons))
            for number, record in table.items()
            if not self._lives(record.server_id)
        ]
        found += [
            f"session {number}: {channel.server_id} is dead"
            for number, record in databases.sessions.items()
            for channel in record.channels
            if not self._lives(channel.server_id)
        ]
        return found

    def _lives(self, server_id: ServerId) -> bool:
        return server_id.is_disconnected() or self._databases.is_alive(server_id)

    def leftovers(self) -> list[str]:
        """Return what is there although no client has anything open."""
        databases = self._databases
        modes = databases.share_modes
        found = [f"locking: {record.path!r}: {record.entries}" for _, record in modes.traverse()]
        found += [f"brlock: {file_id}: {locks}" for file_id, locks in databases.byte_locks.traverse()]
        found += [f"raw locking record {key.hex()}" for key, _ in databases.locking.traverse_read()]
        found += [f"raw brlock record {key.hex()}" for key, _ in databases.brlock.traverse_read()]
        found += [f"raw leases record {key.hex()}" for key, _ in databases.leases.traverse_read()]
        found += [f"open {number}" for number, _ in databases.opens.items()]
        return found
