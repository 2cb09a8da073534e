"""The database of byte-range locks: taking, waiting for and giving back, across all processes.

One record per file id in brlock.tdb; a file without locks has none. A waiting lock is no entry: it is a watcher of the
record, and what it waits for stands in the list of watchers. First come, first served: watchers are woken in the order
of their coming, and since each is woken in a process of its own, whoever asks for a lock counts those of earlier
watchers as taken that nothing keeps from being taken now.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import msgspec

from messaging.dbwrap.watch import Watch, WatchedDb, WatchedRecord
from messaging.dbwrap.watch_head import Watcher
from messaging.records import RecordError
from messaging.server_id import ServerId
from vfs.file_id import FileId
from vfs.locking import brlock_posix
from vfs.locking.brlock import (
    BRLOCK_CODEC,
    ByteRangeLock,
    ByteRangeLockRecord,
    LockOwner,
    access_conflict,
    find_to_unlock,
    lock_conflict,
)

__all__ = ["ByteRangeLock", "ByteRangeLocks", "LockOwner", "NotGranted"]

_log = logging.getLogger(__name__)

_LOCAL_RETRY_S: Final = 0.2
"""Nobody tells us when a local program gives its fcntl lock back."""

_encode_wish: Final = msgspec.msgpack.Encoder().encode
_decode_wish: Final = msgspec.msgpack.Decoder(ByteRangeLock).decode


class NotGranted(msgspec.Struct, frozen=True, gc=False):
    """A lock cannot be had now.

    Attributes:
        blocker: the process that is in the way; None for a local program's fcntl lock.
    """

    blocker: ServerId | None


class ByteRangeLocks:
    """brlock.tdb as the object store works with it.

    Args:
        db: holds the records.
        is_alive: tells whether the process behind a server id still exists; locks of dead ones do not count.

    Attributes:
        parse: the raw record of a file, None without locks: for those who only want to know whether there are any.
    """

    __slots__ = ("_db", "_decoded", "_raw", "is_alive", "parse")

    def __init__(self, db: WatchedDb, is_alive: Callable[[ServerId], bool]) -> None:
        self._db = db
        self.is_alive = is_alive
        self.parse = db.parse
        self._raw = b""
        self._decoded: list[ByteRangeLock] = []

    # reading and writing

    def access_conflict(
        self, raw: bytes, owner: LockOwner, start: int, length: int, *, write: bool
    ) -> ByteRangeLock | None:
        """Return a lock of the record `raw` that forbids `owner` to read or write a range."""
        if raw != self._raw:  # one file after the other: the last record seen is nearly always the one
            self._decoded = BRLOCK_CODEC.decode(raw).locks
            self._raw = raw
        locks = self._decoded
        found = access_conflict(locks, owner, start, length, write=write)
        if found is None or self._lives(found, owner):
            return found
        alive = [lock for lock in locks if self._lives(lock, owner)]
        return access_conflict(alive, owner, start, length, write=write)

    # locking

    def lock(
        self, file_id: FileId, owner: LockOwner, wanted: Sequence[ByteRangeLock], mirror_fd: int = -1
    ) -> NotGranted | None:
        """Take all of `wanted`, or none and say why.

        Args:
            file_id: the file.
            owner: who wants them.
            wanted: the locks, in this order: they may exclude each other.
            mirror_fd: descriptor for the fcntl mirror, -1 for none.

        Raises:
            OSError: the mirror.
        """
        with self._db.fetch_locked(file_id.key()) as record:
            return self._attempt(record, owner, wanted, mirror_fd)

    async def wait_for(
        self,
        file_id: FileId,
        owner: LockOwner,
        wanted: ByteRangeLock,
        mirror_fd: int,
        check: Callable[[], None],
    ) -> None:
        """Take a lock as soon as it can be had.

        Args:
            file_id: the file.
            owner: who wants it.
            wanted: the lock.
            mirror_fd: descriptor for the fcntl mirror, -1 for none.
            check: called before every attempt; raises if there is nothing to wait for any more.

        Raises:
            OSError: the mirror.
        """
        watch: Watch | None = None
        try:
            while True:
                with self._db.fetch_locked(file_id.key()) as record:
                    check()
                    outcome = self._attempt(record, owner, (wanted,), mirror_fd, watch)
                    if outcome is None:
                        if watch is not None:
                            record.leave(watch)
                        return
                    retry = _LOCAL_RETRY_S if outcome.blocker is None else None
                    if watch is None:
                        watch = record.watch(outcome.blocker, retry, _encode_wish(wanted))
                    else:
                        record.resume(watch, outcome.blocker, retry)
                await watch
        finally:
            if watch is not None and not watch.left:
                watch.depart()

    def _attempt(
        self,
        record: WatchedRecord,
        owner: LockOwner,
        wanted: Sequence[ByteRangeLock],
        mirror_fd: int,
        watch: Watch | None = None,
    ) -> NotGranted | None:
        locks = _decode(record)
        due: list[ByteRangeLock] = []
        if record.watchers and (ahead := record.ahead_of(watch)):
            locks = [lock for lock in locks if self._lives(lock, owner)]
            due = self._due(locks, ahead, owner)
        for one in wanted:
            blocker = lock_conflict(locks, one)
            if blocker is not None and not self._lives(blocker, owner):
                locks = [lock for lock in locks if self._lives(lock, owner)]
                blocker = lock_conflict(locks, one)
            if blocker is None:
                blocker = lock_conflict(due, one)
            if blocker is not None:
                return NotGranted(blocker.server_id)
            locks.append(one)
        if mirror_fd >= 0 and not self._mirror(mirror_fd, owner, wanted, locks):
            return NotGranted(None)
        # One claim more helps nobody who waits; who waits for a dead process is told of its death.
        record.store_quietly(BRLOCK_CODEC.encode(ByteRangeLockRecord(locks)))
        return None

    def _due(
        self, locks: Sequence[ByteRangeLock], watchers: Sequence[Watcher], asker: LockOwner
    ) -> list[ByteRangeLock]:
        """Return what watchers will take beside `locks` as soon as they have woken."""
        due: list[ByteRangeLock] = []
        for watcher in watchers:
            wish = _decode_wish(watcher.wish)
            if (
                lock_conflict(locks, wish) is None
                and lock_conflict(due, wish) is None
                and self._lives(wish, asker)
            ):
                due.append(wish)
        return due

    @staticmethod
    def _mirror(fd: int, owner: LockOwner, wanted: Sequence[ByteRangeLock], locks: list[ByteRangeLock]) -> bool:
        own = [lock for lock in locks if lock.is_of(owner)]
        if all(brlock_posix.mirror(fd, one.start, one.length, own) for one in wanted):
            return True
        before = own[: len(own) - len(wanted)]
        for one in wanted:
            brlock_posix.mirror(fd, one.start, one.length, before)
        return False

    def unlock(
        self, file_id: FileId, owner: LockOwner, ranges: Sequence[tuple[int, int]], mirror_fd: int = -1
    ) -> int:
        """Give back the locks on exactly these ranges up to the first that is not locked; return how many.

        Raises:
            OSError: the mirror.
        """
        done = 0
        with self._db.fetch_locked(file_id.key()) as record:
            locks = _decode(record)
            for start, length in ranges:
                index = find_to_unlock(locks, owner, start, length)
                if index is None:
                    break
                del locks[index]
                done += 1
            if done:
                if mirror_fd >= 0:
                    own = [lock for lock in locks if lock.is_of(owner)]
                    for start, length in ranges[:done]:
                        brlock_posix.mirror(mirror_fd, start, length, own)
                _store(record, locks)
        return done

    def remove_open(self, file_id: FileId, owner: LockOwner) -> int:
        """Give back all locks of an open and return their number."""
        return self._keep(file_id, lambda lock: not lock.is_of(owner))

    def remove_all(self, file_id: FileId) -> None:
        """Give back all locks of what is gone."""
        if self.parse(file_id.key()) is not None:
            self._keep(file_id, lambda _lock: False)

    def reassign(self, file_id: FileId, owner: LockOwner, new: LockOwner) -> int:
        """Give all locks of an open another owner, and return their number; nothing changes for anybody else."""
        if self.parse(file_id.key()) is None:
            return 0
        moved = 0
        with self._db.fetch_locked(file_id.key()) as record:
            locks = _decode(record)
            for index, lock in enumerate(locks):
                if lock.is_of(owner):
                    locks[index] = msgspec.structs.replace(lock, server_id=new.server_id, open_id=new.open_id)
                    moved += 1
            if moved:
                record.store(BRLOCK_CODEC.encode(ByteRangeLockRecord(locks)))
        return moved

    def remove_server(self, server_id: ServerId) -> int:
        """Give back all locks of a process that died and return their number."""
        mine = [
            file_id for file_id, locks in self.traverse() if any(lock.server_id == server_id for lock in locks)
        ]
        return sum(self._keep(file_id, lambda lock: lock.server_id != server_id) for file_id in mine)

    def _keep(self, file_id: FileId, wanted: Callable[[ByteRangeLock], bool]) -> int:
        with self._db.fetch_locked(file_id.key()) as record:
            before = _decode(record)
            after = [lock for lock in before if wanted(lock)]
            if len(after) != len(before):
                _store(record, after)
        return len(before) - len(after)

    # everything else

    def read(self, file_id: FileId) -> list[ByteRangeLock]:
        """Return the locks of a file as they are now, without locking the record."""
        raw = self.parse(file_id.key())
        return [] if raw is None else BRLOCK_CODEC.decode(raw).locks

    def traverse(self) -> Iterator[tuple[FileId, list[ByteRangeLock]]]:
        """Yield the locks of every file, lock-free. Records of another version are logged and left out."""
        for key, value in self._db.traverse_read():
            try:
                yield FileId.from_key(key), BRLOCK_CODEC.decode(value).locks
            except (RecordError, ValueError) as error:
                _log.error("%s: %s", self._db.name, error)

    def check(self) -> list[str]:
        """Return what is wrong with the records: locks of dead processes, locks that exclude each other."""
        problems: list[str] = []
        for file_id, locks in self.traverse():
            if not locks:
                problems.append(f"{file_id}: no locks")
            for index, lock in enumerate(locks):
                if not lock.server_id.is_disconnected() and not self.is_alive(lock.server_id):
                    problems.append(f"{file_id}: {lock.server_id} is dead")
                if lock_conflict(locks[:index], lock) is not None:
                    problems.append(f"{file_id}: {lock.server_id} has a lock that another one excludes")
        return problems

    def _lives(self, lock: ByteRangeLock, asker: LockOwner) -> bool:
        server_id = lock.server_id
        return server_id == asker.server_id or server_id.is_disconnected() or self.is_alive(server_id)


def _decode(record: WatchedRecord) -> list[ByteRangeLock]:
    return [] if record.value is None else BRLOCK_CODEC.decode(record.value).locks


def _store(record: WatchedRecord, locks: list[ByteRangeLock]) -> None:
    """Store fewer locks than before: somebody may go on."""
    if locks:
        record.store(BRLOCK_CODEC.encode(ByteRangeLockRecord(locks)))
    else:
        record.delete()
