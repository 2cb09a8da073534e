"""Persistent handles on disk: what is kept of them, and when.

What the volatile databases say of a persistent handle is written to a journal in the state directory whenever it
changes (`PersistentHandles.touch`), all changes of one turn of the loop together. Who has to answer a client that
relies on a change awaits `commit` or `barrier` before: one fdatasync for everybody who waits. What blocks is left to a
thread; but handing over and taking back costs as much as a good disk takes, so one that has been quick several times
in a row is waited for at once, until it is slow.
"""

from __future__ import annotations

import errno
import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import msgspec

from messaging.dbwrap.base import DbError
from messaging.dbwrap.journal import Journal
from messaging.records import RecordCodec, RecordError
from messaging.server_id import DISCONNECTED
from messaging.waiter import BriefWaiter, Waiter
from smbd.xsrv.records import OpenGlobal
from smbd.xsrv.table import key_of
from vfs.file_id import FileId
from vfs.fsa.durable import COOKIE_CODEC
from vfs.locking.brlock import ByteRangeLock, LockOwner
from vfs.locking.entry import ShareModeEntry
from vfs.locking.lease import LeaseRecord
from vfs.locking.oplock import OPLOCK_LEASE
from vfs.posix import credentials

if TYPE_CHECKING:
    from smbd.eventloop import Chore, EventLoop
    from smbd.xsrv.databases import Databases

_log = logging.getLogger(__name__)

JOURNAL_NAME: Final = "smbXsrv_open_persistent.journal"
QUICK_S: Final = 250e-6
"""Seconds in which a disk has to be done for its client to be waited for at once: some hand-overs to a thread."""
QUICK_ROW: Final = 8
"""How often in a row."""
FORGET_S: Final = 0.05
"""Seconds after which the journal learns of a closed handle, unless something else is written earlier."""
COMPACT_AT: Final = 16 * 1024 * 1024
"""Bytes after which the journal is worth to be compacted."""


class PersistentHandle(msgspec.Struct, array_like=True):
    """All that has to be known of a persistent handle to make it again from nothing.

    Attributes:
        opened: its record in smbXsrv_open_global.
        entry: its entry in the share modes.
        share_path, path: root of the share, absolute path of the file.
        birth_ns: birth time of the file; with the inode's number it tells the file from its successors.
        lease: that it has a share in, None without.
        locks: byte-range locks.
    """

    opened: OpenGlobal
    entry: ShareModeEntry
    share_path: str
    path: bytes
    birth_ns: int
    lease: LeaseRecord | None
    locks: list[ByteRangeLock]


HANDLE_CODEC: Final = RecordCodec(PersistentHandle, 2, "smbXsrv_open_persistent")


class PersistentHandles:
    """The journal of persistent handles as one process uses it.

    Args:
        databases: say what is to be kept.
        path: the journal.

    Attributes:
        dirty: numbers of the handles of which something changed since the last write; not of those that were closed.
        on_grown: called when the journal has become worth to be compacted.
    """

    def __init__(self, databases: Databases, path: str) -> None:
        self._databases = databases
        self.journal = Journal(path, credentials.as_root)
        self.dirty: set[int] = set()
        self._gone: set[int] = set()
        self._forgetting = False
        self.on_grown: Callable[[], None] = lambda: None
        self._loop: EventLoop | None = None
        self._syncs: Chore | None = None
        self._unwritten: list[BriefWaiter[None]] = []
        self._unsynced: list[BriefWaiter[None]] = []
        self._syncing = False
        self._quick = 0

    def serve(self, loop: EventLoop | None) -> None:
        """From now on write at the end of a turn of `loop`; without one, at once. First thing after a fork."""
        self.journal.close()
        self.dirty, self._gone = set(), set()
        self._forgetting = False
        self._unwritten, self._unsynced = [], []
        self._syncing = False
        self._loop = loop
        self._syncs = None if loop is None else loop.chore(self._timed_sync)

    def forget(self, handle_id: int) -> None:
        """Note that a handle was closed. Nobody waits for that: it is written with what comes next, or in a moment."""
        if self._loop is None:
            self.touch(handle_id)
            return
        self._gone.add(handle_id)
        if not self._forgetting:
            self._forgetting = True
            self._loop.call_later(FORGET_S, self._forget)

    def _forget(self) -> None:
        self._forgetting = False
        self.flush()

    def flush(self) -> None:
        """Write what was noted so far: the process is about to end, or nothing else has come."""
        if self._gone or self.dirty:
            self._write_all()

    def touch(self, handle_id: int) -> None:
        """Note that something of a handle changed, or that it is gone. No record may be locked."""
        if not self.dirty and self._loop is not None:
            self._loop.call_soon(self._write_all)
        self.dirty.add(handle_id)
        if self._loop is None:
            self._write()

    def commit(self, handle_id: int) -> Waiter[None]:
        """Note a change, and return what completes when it is on disk, or fails with an OSError."""
        self.touch(handle_id)
        return self.barrier()

    def barrier(self) -> Waiter[None]:
        """Return what completes when everything that was noted so far is on disk, or fails with an OSError."""
        waiter: BriefWaiter[None] = BriefWaiter()
        if self._loop is None:
            waiter.set_result(None)
            return waiter
        if not (self.dirty or self._unwritten):
            self._loop.call_soon(self._write_all)
        self._unwritten.append(waiter)
        return waiter

    def _write_all(self) -> None:
        waiting, self._unwritten = self._unwritten, []
        try:
            self._write()
        except (OSError, DbError) as error:
            _log.error("persistent handles cannot be kept: %s", error)
            failure = error if isinstance(error, OSError) else OSError(errno.EIO, str(error))
            for waiter in waiting:
                waiter.set_exception(failure)
            return
        self._unsynced += waiting
        if self._unsynced and not self._syncing:
            self._sync()

    def _write(self) -> None:
        """Write what changed since the last time.

        Raises:
            OSError, DbError: it cannot be written; it is not tried again.
        """
        changed = self.dirty | self._gone
        if not changed:
            return
        self.dirty, self._gone = set(), set()
        with self.journal.locked():
            # What is read under this lock is what the next process to write will read, or older: never newer.
            before, after = self.journal.append([(key_of(number), self._state_of(number)) for number in changed])
        if before // COMPACT_AT != after // COMPACT_AT:
            self.on_grown()

    def _sync(self) -> None:
        if self._syncs is None:
            return
        waiting, self._unsynced = self._unsynced, []
        if self._quick >= QUICK_ROW:
            try:
                self._timed_sync()
            except OSError as error:
                _tell(waiting, error)
            else:
                _tell(waiting, None)
            return
        self._syncing = True

        def synced(result: Waiter[None]) -> None:
            self._syncing = False
            try:
                result.result()
            except OSError as error:
                _tell(waiting, error)
            else:
                _tell(waiting, None)
            if self._unsynced:
                self._sync()

        self._syncs.run().add_done_callback(synced)

    def _timed_sync(self) -> None:
        begun = time.monotonic()
        quick, self._quick = self._quick, 0
        self.journal.sync()
        if time.monotonic() - begun < QUICK_S:
            self._quick = quick + 1

    def _entry_of(self, file_id: FileId, handle_id: int) -> tuple[ShareModeEntry | None, bytes]:
        """Return what the share modes say of a handle, and its absolute path."""
        record = self._databases.share_modes.read(file_id)
        for entry in record.entries if record is not None else ():
            if entry.handle_id == handle_id and record is not None:
                return entry, record.name_of(entry)
        return None, b""

    def _state_of(self, handle_id: int) -> bytes | None:
        """Return what is to be kept of a handle now, None if it does not exist any more."""
        databases = self._databases
        opened = databases.opens.get(handle_id)
        if opened is None or not opened.persistent:
            return None
        try:
            cookie = COOKIE_CODEC.decode(opened.backend_cookie)
        except RecordError:
            return None
        file_id = FileId.from_key(cookie.file_id)
        entry, path = self._entry_of(file_id, handle_id)
        if entry is not None and file_id.is_stream:
            in_file, path = self._entry_of(file_id.of_file, handle_id)
            entry = entry if in_file is not None else None
        if entry is None:
            return None
        lease = None
        if entry.oplock_level == OPLOCK_LEASE:
            lease = databases.share_modes.find_lease(entry.client_guid, entry.lease_key)
        owner = LockOwner(DISCONNECTED, handle_id)
        locks = [lock for lock in databases.byte_locks.read(file_id) if lock.is_of(owner)]
        return HANDLE_CODEC.encode(
            PersistentHandle(opened, entry, cookie.share_path, path, cookie.birth_ns, lease, locks)
        )


def _tell(waiting: list[BriefWaiter[None]], error: OSError | None) -> None:
    """Tell those who wait that it is on disk, or that it may not be."""
    if error is not None:
        _log.error("persistent handles may not be on disk: %s", error)
    for waiter in waiting:
        if error is None:
            waiter.set_result(None)
        else:
            waiter.set_exception(error)
