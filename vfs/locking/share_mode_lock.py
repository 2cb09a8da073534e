"""The locked share-mode record of one file: who excludes whom, and what comes, goes and changes hands.

[MS-FSA] 2.1.5.1.2.2 (sharing) and 2.1.4.12 (what has to give way).
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from types import TracebackType
from typing import TYPE_CHECKING

from messaging.dbwrap.base import Record
from messaging.dbwrap.watch import Watch, WatchedRecord
from messaging.server_id import ServerId
from vfs.access import DELETE
from vfs.constants import FILE_SHARE_DELETE
from vfs.file_id import FileId
from vfs.locking.entry import (
    ENTRY_ARCHIVE_TAKEN,
    ENTRY_REPLACING,
    ENTRY_STREAM,
    DeleteToken,
    ShareModeEntry,
    ShareModeRecord,
)
from vfs.locking.oplock import LEASE_HANDLE, OPLOCK_LEASE, LeaseLookup, level_of, same_lease, state_of
from vfs.locking.sharing import CONFLICTING_ACCESS, conflicts
from vfs.locking.stored import FLAGS_AT, LOCKING_CODEC
from vfs.ntstatus import (
    STATUS_DELETE_PENDING,
    STATUS_FILE_NOT_AVAILABLE,
    STATUS_SHARING_VIOLATION,
    NTStatusError,
)

if TYPE_CHECKING:
    from vfs.locking.share_mode import ShareModes

_log = logging.getLogger(__name__)


class ShareModeLock:
    """The locked record of one file; a context manager.

    Changes are stored when the block is left without an exception; after an exception nothing is stored.

    Attributes:
        record: None while nobody has the file open.
        flags: RECORD_* of `vfs.locking.stored`: what may be in the record.
    """

    __slots__ = ("_changed", "_db_record", "_helps_waiters", "_modes", "flags", "record")

    def __init__(self, modes: ShareModes, db_record: Record) -> None:
        self._modes = modes
        self._db_record = db_record
        self._changed = False
        self._helps_waiters = False
        self.flags = 0
        self.record: ShareModeRecord | None = None

    def __enter__(self) -> ShareModeLock:
        stored = self._db_record.value
        if stored is not None:
            try:
                self.record = LOCKING_CODEC.decode(stored)
                self.flags = stored[FLAGS_AT]
            except BaseException:
                self._db_record.release()
                raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._changed and kind is None:
                record, db_record = self.record, self._db_record
                if record is not None and record.entries:
                    value = LOCKING_CODEC.encode(record)
                    if type(db_record) is WatchedRecord and not self._helps_waiters:
                        db_record.store_quietly(value)
                    else:
                        db_record.store(value)
                elif db_record.value is not None:
                    db_record.delete()
        finally:
            self._db_record.release()

    def watch(self, blocker: ServerId | None, timeout: float, before: Watch | None = None) -> Watch:
        """Wait for a change of this record; in force when the block is left.

        Args:
            blocker: who is in the way; None for a client that is away.
            timeout: seconds.
            before: the watch that has just ended: if it is one of this record it keeps its place, else it is given up.

        Raises:
            DbError: the database cannot be watched.
        """
        record = self._db_record = self._modes.watched(self._db_record)
        if before is not None and not before.left:
            if before.key == record.key:
                record.resume(before, blocker, timeout)
                return before
            before.depart()
        return record.watch(blocker, timeout)

    def leave(self, watch: Watch) -> None:
        """Wait no longer with `watch`, if it is one of this record."""
        record = self._db_record
        if type(record) is WatchedRecord and watch.key == record.key and not watch.left:
            record.leave(watch)

    def violates(self, path: bytes, access: int, share: int) -> bool:
        """Tell whether an open of `path` with `access` and `share` conflicts with those that are there.

        Raises:
            NTStatusError: STATUS_DELETE_PENDING, STATUS_FILE_NOT_AVAILABLE.
        """
        try:
            self.check(path, access, share)
        except NTStatusError as error:
            if error.status != STATUS_SHARING_VIOLATION:
                raise
            return True
        return False

    def check(self, path: bytes, access: int, share: int) -> None:
        """Raise if an open of `path` with `access` and `share` may not be; entries of dead processes do not count.

        Raises:
            NTStatusError: STATUS_DELETE_PENDING, STATUS_SHARING_VIOLATION; STATUS_FILE_NOT_AVAILABLE: a persistent
                handle whose client is away is in the way.
        """
        if self.record is None:
            return
        try:
            self._check(self.record, path, access, share)
        except NTStatusError as error:
            dropped = self.drop_dead()
            if error.status == STATUS_SHARING_VIOLATION and self.record is not None:
                excluding = [one for one in self.record.entries if _excludes(one, access, share)]
                dropped += self.purge(excluding)
                self.refuse_unavailable(excluding)
            if not dropped:
                raise
            if self.record is not None:
                self._check(self.record, path, access, share)

    def refuse_unavailable(self, entries: Iterable[ShareModeEntry]) -> None:
        """Refuse an open that one of `entries` forbids, if that is a persistent handle whose client is away.

        Raises:
            NTStatusError: STATUS_FILE_NOT_AVAILABLE.
        """
        for entry in entries:
            if entry.handle_id and self._modes.is_away(entry):
                raise NTStatusError(STATUS_FILE_NOT_AVAILABLE, "a persistent handle waits for its client")

    def check_available(self) -> None:
        """Refuse any open beside a persistent handle whose client is away, unless that caches the handle.

        What is cached is for the caller to break. ([MS-SMB2] 3.3.5.9.)

        Raises:
            NTStatusError: STATUS_FILE_NOT_AVAILABLE.
        """
        if self.record is not None:
            for entry in self.record.entries:
                if not entry.handle_id or entry.flags & ENTRY_STREAM:
                    continue
                if not _caches_handle(entry, self._modes.find_lease):
                    self.refuse_unavailable((entry,))

    def _check(self, record: ShareModeRecord, path: bytes, access: int, share: int) -> None:
        if record.delete_tokens and self.delete_token(path) is not None:
            raise NTStatusError(STATUS_DELETE_PENDING, "delete pending")
        if access & CONFLICTING_ACCESS:
            for entry in record.entries:
                if _excludes(entry, access, share):
                    raise NTStatusError(STATUS_SHARING_VIOLATION, f"in use by {entry.server_id}")

    def drop_dead(self) -> int:
        """Drop the entries of processes that are gone and return their number."""
        if self.record is None:
            return 0
        alive = [entry for entry in self.record.entries if self._modes.counts(entry)]
        dropped = len(self.record.entries) - len(alive)
        if dropped:
            _log.info("dropped %d stale opens of %r", dropped, self.record.path)
            self.changed()
            gone = [entry for entry in self.record.entries if entry not in alive]
            self.record.entries = alive
            for entry in gone:
                self._leave_lease(entry)
            if not alive:
                self.record = None
        return dropped

    def purge(self, entries: Iterable[ShareModeEntry]) -> int:
        """Drop those of `entries` whose clients are away and that do not stay, for good, and return their number.

        What they cache cannot be broken by asking, so it gives way at once ([MS-SMB2] 3.3.4.6, 3.3.4.7).
        """
        return self.evict([entry for entry in entries if entry.server_id.is_disconnected() and not entry.stays])

    def evict(self, entries: Iterable[ShareModeEntry]) -> int:
        """Drop `entries`, whose clients are away, for good, and return their number."""
        evicted = 0
        for entry in entries:
            self.remove(entry.server_id, entry.open_id)
            self._modes.purged(self._db_record.key, entry.handle_id or entry.open_id)
            evicted += 1
        if evicted and self.record is not None and not self.record.entries:
            self.record = None
        return evicted

    def forget_away(self) -> None:
        """Drop all opens whose clients are away: the file is new, theirs had its number before."""
        if self.record is not None:
            self.evict([entry for entry in self.record.entries if self._modes.is_away(entry)])

    def lower(self, entry: ShareModeEntry, state: int) -> None:
        """Take from an open that stays, but whose client is away, what it caches beyond `state`."""
        if entry.oplock_level != OPLOCK_LEASE:
            entry.oplock_level = level_of(state)
        elif self._modes.leases is not None:
            self._modes.leases.lower(entry.client_guid, entry.lease_key, state)
        self._modes.kept_changed((entry,))
        self.changed()

    def reassign(self, entry: ShareModeEntry, server_id: ServerId, open_id: int) -> None:
        """Give an open another owner: its client went away, or came back."""
        entry.server_id, entry.open_id = server_id, open_id
        self.changed()

    def _leave_lease(self, gone: ShareModeEntry) -> None:
        """Tell the lease of an open that was taken out, if no other open of the file has a share in it."""
        leases = self._modes.leases
        if gone.oplock_level != OPLOCK_LEASE or leases is None or self.record is None:
            return
        guid, key = gone.client_guid, gone.lease_key
        if not any(same_lease(entry, guid, key) for entry in self.record.entries):
            leases.forget_file(guid, key, self._db_record.key)

    def add(self, share_path: str, path: bytes, entry: ShareModeEntry) -> None:
        """Enter an open; the caller has called `check`."""
        if self.record is None:
            self.record = ShareModeRecord(share_path, path, [entry])
        else:
            if path != self.record.path:
                entry.name = path
            self.record.entries.append(entry)
        self._changed = True

    def remove(self, server_id: ServerId, open_id: int) -> bytes | None:
        """Take out an open and return the path it is known by; None if it was not there (dropped as stale)."""
        record = self.record
        if record is None:
            return None
        entries = record.entries
        for index, entry in enumerate(entries):
            if entry.open_id == open_id and entry.server_id == server_id:
                path = entry.name or record.path
                if not entry.name and len(entries) > 1:
                    self._keep_names(entry)
                del entries[index]
                self.changed()
                if entry.oplock_level == OPLOCK_LEASE:
                    self._leave_lease(entry)
                return path
        return None

    def remove_all(self) -> None:
        """Take out all opens and delete tokens: what they were opens of is gone."""
        if self.record is not None:
            for entry in list(self.record.entries):
                self.remove(entry.server_id, entry.open_id)
            self.record = None

    def _keep_names(self, leaving: ShareModeEntry) -> None:
        """Keep `record.path` the name of an open that remains."""
        record = self.record
        if record is None or any(not entry.name for entry in record.entries if entry is not leaving):
            return
        leaving.name = record.path
        heir = next(entry for entry in record.entries if entry is not leaving)
        record.path = heir.name
        for entry in record.entries:
            if entry.name == record.path:
                entry.name = b""

    def replaced_by(self) -> ServerId | None:
        """Return who is about to put another file in place of this one; None if nobody is."""
        if self.record is not None:
            for entry in self.record.entries:
                if entry.flags & ENTRY_REPLACING and self._modes.is_alive(entry.server_id):
                    return entry.server_id
        return None

    def find(self, server_id: ServerId, open_id: int) -> ShareModeEntry | None:
        """Return the entry of an open for changing; call `changed` afterwards."""
        if self.record is not None:
            for entry in self.record.entries:
                if entry.open_id == open_id and entry.server_id == server_id:
                    return entry
        return None

    def changed(self) -> None:
        """Note that `record` was changed in place, in a way that may help those who wait."""
        self._changed = True
        self._helps_waiters = True

    def take_archive(self, keep: ShareModeEntry | None) -> None:
        """Note for all opens but `keep` that ARCHIVE was taken from the file; those of streams look for themselves."""
        for entry in self.record.entries if self.record is not None else ():
            if entry is not keep and not entry.flags & (ENTRY_STREAM | ENTRY_ARCHIVE_TAKEN):
                entry.flags |= ENTRY_ARCHIVE_TAKEN
                self._changed = True

    def was_archive_taken(self, entry: ShareModeEntry | None) -> bool:
        """Tell whether `take_archive` was called since the last time, as far as `entry` is concerned."""
        if entry is None or not entry.flags & ENTRY_ARCHIVE_TAKEN:
            return False
        entry.flags &= ~ENTRY_ARCHIVE_TAKEN
        self._changed = True
        return True

    def delete_token(self, path: bytes) -> DeleteToken | None:
        """Return the token if the name `path` is delete-pending."""
        if self.record is not None:
            for token in self.record.delete_tokens:
                if self._goes_with(token.path, path):
                    return token
        return None

    def _goes_with(self, path: bytes, other: bytes) -> bool:
        """Tell whether deleting by the name `path` deletes by `other`.

        A file loses the one name; a stream goes for all names of its file.
        """
        return path == other or FileId.from_key(self._db_record.key).is_stream

    def set_delete(self, token: DeleteToken) -> None:
        """Make the name `token.path` delete-pending; a token that is there already stays."""
        if self.record is not None and self.delete_token(token.path) is None:
            self.record.delete_tokens = [*self.record.delete_tokens, token]
            self._changed = True

    def clear_delete(self, path: bytes) -> None:
        """Withdraw the delete-pending state of the name `path`."""
        if self.record is not None and self.record.delete_tokens:
            self.record.delete_tokens = [
                token for token in self.record.delete_tokens if not self._goes_with(token.path, path)
            ]
            self.changed()

    def opens_of(self, path: bytes) -> list[ShareModeEntry]:
        """Return the opens that keep what is deleted by the name `path`."""
        record = self.record
        if record is None:
            return []
        return [entry for entry in record.entries if self._goes_with(path, record.name_of(entry))]

    def rename(self, old: bytes, new: bytes) -> None:
        """Change the name of all opens by the name `old`."""
        record = self.record
        if record is None:
            return
        leases = self._modes.leases
        for entry in record.entries:
            if entry.oplock_level == OPLOCK_LEASE and leases is not None and record.name_of(entry) == old:
                leases.rename(entry.client_guid, entry.lease_key, self._db_record.key, new)
        for entry in record.entries:
            if entry.name == old:
                entry.name = new
        if record.path == old:
            record.path = new
        for token in record.delete_tokens:
            if token.path == old:
                token.path = new
        for entry in record.entries:
            if entry.name == record.path:
                entry.name = b""
        self._modes.kept_changed(record.entries)
        self.changed()


def _caches_handle(entry: ShareModeEntry, lookup: LeaseLookup) -> bool:
    lease = lookup(entry.client_guid, entry.lease_key) if entry.oplock_level == OPLOCK_LEASE else None
    return bool(state_of(entry, lookup) & LEASE_HANDLE) and not (lease is not None and lease.breaking)


def _excludes(entry: ShareModeEntry, access: int, share: int) -> bool:
    """Tell whether the open of `entry` forbids one with `access` and `share`."""
    if entry.flags & ENTRY_STREAM:
        # An open stream minds only that its file is deleted.
        return bool(access & DELETE) and not entry.share_access & FILE_SHARE_DELETE
    return conflicts(access, share, entry.access_mask, entry.share_access)
