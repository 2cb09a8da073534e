"""Share modes: who has a file open and how, across all processes ([MS-FSA] 2.1.5.1.2.2).

One record per file id in locking.tdb. An open and a close each take the record's lock once; everything that must be
seen together (conflict check and entry, last close and unlink) happens while it is held: `vfs.locking.share_mode_lock`.
What nobody else has open costs less: `vfs.fsa.alone`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator

from messaging.dbwrap.base import Db, DbError, Record, when_unlocked
from messaging.dbwrap.watch import WatchedDb, WatchedRecord
from messaging.records import RecordError
from messaging.server_id import ServerId
from vfs.file_id import FileId
from vfs.locking.entry import ShareModeEntry, ShareModeRecord
from vfs.locking.lease import LeaseFile, LeaseRecord
from vfs.locking.lease_db import LeaseDb
from vfs.locking.oplock import same_lease
from vfs.locking.share_mode_lock import ShareModeLock
from vfs.locking.sharing import conflicts
from vfs.locking.stored import LOCKING_CODEC, any_name_goes, any_special

_log = logging.getLogger(__name__)

def _send_to_nobody(_owner: ServerId, _payload: bytes) -> None:
    """What a process without a bus does about oplocks: it grants none."""


def _ignore_purged(_file_id_key: bytes, _open_id: int) -> None:
    """What a process does about purged opens that has no table of them."""


def _ignore_kept(_handle_id: int) -> None:
    """What a process does about persistent handles that keeps no record of them."""


class ShareModes:
    """The share-mode database, with what belongs to it: leases and the way to break them.

    Args:
        db: locking.tdb, or its in-memory twin.
        is_alive: tells whether the process behind a server id still exists.
        leases: leases.tdb; None if no leases are granted.
        send_break: sends a request to break (`vfs.locking.breaks`) to a process.

    Attributes:
        parse: ``parse(key)`` is the record as stored, lock-free.
        raw: the same for less where nobody watches it; else something that no record is equal to.
        insert, delete_if: `Db.insert` and `Db.delete_if` of the records, for `vfs.fsa.alone`.
        on_purged: told of each disconnected open that gave way, by the file's key and the number of the open.
        on_kept_changed: told of each persistent handle of which something was changed that has to be kept.
    """

    __slots__ = (
        "_db",
        "_fetch",
        "delete_if",
        "insert",
        "is_alive",
        "leases",
        "name",
        "on_kept_changed",
        "on_purged",
        "parse",
        "raw",
        "send_break",
    )

    def __init__(
        self,
        db: Db,
        is_alive: Callable[[ServerId], bool],
        leases: LeaseDb | None = None,
        send_break: Callable[[ServerId, bytes], None] = _send_to_nobody,
    ) -> None:
        self._db = db
        self._fetch, self.raw = (
            (db.fetch_unwatched, db.raw) if isinstance(db, WatchedDb) else (db.fetch_locked, db.parse)
        )
        self.name = db.name
        self.parse = db.parse
        # What is watched has a mark in front, which `vfs.locking.stored` takes for a record of another version.
        plain = db.db if isinstance(db, WatchedDb) else db
        self.insert = plain.insert
        self.delete_if = plain.delete_if
        self.is_alive = is_alive
        self.leases = leases
        self.send_break = send_break
        self.on_purged: Callable[[bytes, int], None] = _ignore_purged
        self.on_kept_changed: Callable[[int], None] = _ignore_kept

    def counts(self, entry: ShareModeEntry) -> bool:
        """Tell whether an open is to be respected: its process lives, or it waits for its client."""
        server_id = entry.server_id
        return self.is_alive(server_id) or bool(entry.handle_id) or server_id.is_disconnected()

    def is_away(self, entry: ShareModeEntry) -> bool:
        """Tell whether an open that counts has no process that could be asked for anything."""
        return entry.server_id.is_disconnected() or (bool(entry.handle_id) and not self.is_alive(entry.server_id))

    def holds(self, entry: ShareModeEntry) -> bool:
        """Tell whether an open is in the way of what makes durable handles give way."""
        return self.is_alive(entry.server_id) or entry.stays

    def kept_changed(self, entries: Iterable[ShareModeEntry]) -> None:
        """Have what was changed of persistent handles kept, as soon as no record is locked."""
        if self.on_kept_changed is _ignore_kept:
            return
        for entry in entries:
            if entry.handle_id:
                handle_id = entry.handle_id
                when_unlocked(lambda handle_id=handle_id: self.on_kept_changed(handle_id))  # type: ignore[misc]

    def purged(self, file_id_key: bytes, open_id: int) -> None:
        """Have everything else removed that belongs to a purged open, as soon as no record is locked."""
        when_unlocked(lambda: self.on_purged(file_id_key, open_id))

    def lease_changed(self, client_guid: bytes, lease_key: bytes, files: Iterable[LeaseFile]) -> None:
        """Have the new state of a lease kept if persistent handles share in it. No record may be locked."""
        if self.on_kept_changed is _ignore_kept:
            return
        for file in files:
            stored = self.parse(file.file_id)
            if stored is not None and any_special(stored):
                record = LOCKING_CODEC.decode(stored)
                self.kept_changed([one for one in record.entries if same_lease(one, client_guid, lease_key)])

    def find_lease(self, client_guid: bytes, lease_key: bytes) -> LeaseRecord | None:
        """Return a lease as it is now, without locking."""
        return None if self.leases is None else self.leases.get(client_guid, lease_key)

    def wake(self, file_id_key: bytes) -> None:
        """Have everybody look again who waits for a change about that file."""
        with self._fetch(file_id_key) as record:
            if type(record) is WatchedRecord:
                record.touch()

    def lock(self, file_id: FileId) -> ShareModeLock:
        """Return the record of `file_id`, locked inside a ``with`` block."""
        return ShareModeLock(self, self._fetch(file_id.key()))

    def watched(self, record: Record) -> WatchedRecord:
        """Return the locked `record` as one that can be watched.

        Raises:
            DbError: the database cannot be watched.
        """
        if not isinstance(self._db, WatchedDb):
            raise DbError(f"{self.name} cannot be watched")
        return self._db.watched(record)

    def read(self, file_id: FileId) -> ShareModeRecord | None:
        """Return the record of `file_id` as it is now, without locking."""
        stored = self._db.parse(file_id.key())
        return None if stored is None else LOCKING_CODEC.decode(stored)

    def is_delete_pending(self, file_id: FileId, path: bytes) -> bool:
        """Tell whether the name `path` of the file, or the stream, is delete-pending."""
        stored = self._db.parse(file_id.key())
        if stored is None or not any_name_goes(stored):
            return False
        return any(file_id.is_stream or token.path == path for token in LOCKING_CODEC.decode(stored).delete_tokens)

    def held_record(self, file_id: FileId) -> ShareModeRecord | None:
        """Return the record of `file_id` with the entries that give way to nobody only; None if nobody is left."""
        record = self.read(file_id)
        if record is None:
            return None
        record.entries = [entry for entry in record.entries if self.holds(entry)]
        return record if record.entries else None

    def live_record(self, file_id: FileId) -> ShareModeRecord | None:
        """Return the record of `file_id` without the entries of dead processes; None if nobody is left."""
        record = self.read(file_id)
        if record is None:
            return None
        record.entries = [entry for entry in record.entries if self.is_alive(entry.server_id)]
        return record if record.entries else None

    def traverse(self) -> Iterator[tuple[FileId, ShareModeRecord]]:
        """Yield every record, lock-free: what smbstatus shows. Records of another version are logged and left out."""
        for key, value in self._db.traverse_read():
            try:
                yield FileId.from_key(key), LOCKING_CODEC.decode(value)
            except (RecordError, ValueError) as error:
                _log.error("%s: %s", self._db.name, error)

    def is_open_below(self, directory: bytes) -> bool:
        """Tell whether a live process has something open beneath the absolute path `directory` (not itself)."""
        prefix = directory + b"/"
        for _, record in self.traverse():
            for entry in record.entries:
                if record.name_of(entry).startswith(prefix) and self.holds(entry):
                    return True
        return False

    def open_below(self, directory: bytes) -> list[FileId]:
        """Return what somebody has open beneath the absolute path `directory`. Visits every record."""
        prefix = directory + b"/"
        return [
            file_id
            for file_id, record in self.traverse()
            if any(record.name_of(entry).startswith(prefix) for entry in record.entries)
        ]

    def remove_server(self, server_id: ServerId) -> int:
        """Drop all opens of a process that died and return their number (cleanupd calls this)."""
        dropped = 0
        mine = [
            file_id
            for file_id, record in self.traverse()
            if any(entry.server_id == server_id for entry in record.entries)
        ]
        for file_id in mine:
            with self.lock(file_id) as lock:
                if lock.record is None:
                    continue
                for open_id in [e.open_id for e in lock.record.entries if e.server_id == server_id]:
                    lock.remove(server_id, open_id)
                    dropped += 1
        return dropped

    def statistics(self) -> dict[str, int]:
        """Return the numbers of open files and of opens."""
        files = opens = 0
        for _, record in self.traverse():
            files += 1
            opens += len(record.entries)
        return {"files": files, "opens": opens}

    def check(self) -> list[str]:
        """Return what is wrong with the records: entries of dead processes, opens that exclude each other."""
        problems: list[str] = []
        for file_id, record in self.traverse():
            problems += [f"{file_id}: {entry.server_id} is dead" for entry in record.entries if not self.counts(entry)]
            if not record.entries:
                problems.append(f"{file_id}: no entries")
            for index, one in enumerate(record.entries):
                for other in record.entries[:index]:
                    if conflicts(one.access_mask, one.share_access, other.access_mask, other.share_access):
                        problems.append(f"{file_id}: {one.open_id} and {other.open_id} exclude each other")
        return problems
