"""Databases whose records can be watched: try, on conflict watch, on waking try again.

`WatchedDb` wraps any `Db`; its users see their values only, the watchers are stored beside them
(`messaging.dbwrap.watch_head`). `wait_until` is the whole pattern for the usual case. How waking works is
told in `messaging.dbwrap.watcher`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, TypeVar

import msgspec

from messaging.dbwrap import base, watch_head
from messaging.dbwrap.base import Db, DbError, IfAlso, Otherwise, Record, Statistics
from messaging.dbwrap.watch_head import HEAD_MARK, Watcher
from messaging.dbwrap.watcher import WATCH_BLOCKER_DIED, WATCH_CHANGED, WATCH_TIMED_OUT, Watch, WatchService
from messaging.records import RecordError
from messaging.server_id import ServerId

__all__ = [
    "WATCH_BLOCKER_DIED",
    "WATCH_CHANGED",
    "WATCH_TIMED_OUT",
    "Blocked",
    "Watch",
    "WatchService",
    "WatchedDb",
    "WatchedRecord",
    "wait_until",
]

_log = logging.getLogger(__name__)

T = TypeVar("T")

_NOBODY: Final[tuple[Watcher, ...]] = ()


class WatchedDb(Db):
    """A database with record watch.

    Args:
        db: holds the records; its lock order and name are this one's.
        service: the watches of this process. None, for status tools, allows only to read.

    Attributes:
        raw: as `parse`, with the watchers in front if there are any: for who expects a value that nobody watches.
    """

    def __init__(self, db: Db, service: WatchService | None = None) -> None:
        self.db = db
        self.name = db.name
        self.lock_order = db.lock_order
        self.service = service
        self._raw_fetch = db.fetch_locked
        self.raw = self._raw_parse = db.parse
        if service is not None:
            service.add_db(self)

    def parse(self, key: bytes) -> bytes | None:  # noqa: D102 - inherited
        parse = self._raw_parse
        raw = parse(key)
        return watch_head.split(raw)[1] if raw and raw[0] == HEAD_MARK else raw

    def fetch_locked(self, key: bytes) -> WatchedRecord:  # noqa: D102 - inherited
        if self.service is None:
            raise DbError(f"{self.name} is open for reading only")
        return WatchedRecord(self, self._raw_fetch(key))

    def fetch_unwatched(self, key: bytes) -> Record:
        """Lock a record that most likely nobody watches: as `fetch_locked`, but plain as long as nobody does.

        For callers to whom each call counts. `watched` makes the full one of it.
        """
        fetch = self._raw_fetch
        record = fetch(key)
        raw = record.value
        return WatchedRecord(self, record) if raw and raw[0] == HEAD_MARK else record

    def watched(self, record: Record) -> WatchedRecord:
        """Return what `fetch_unwatched` returned as a record that can be watched."""
        if self.service is None:
            raise DbError(f"{self.name} is open for reading only")
        return record if type(record) is WatchedRecord else WatchedRecord(self, record)

    def insert(
        self, key: bytes, value: bytes, if_also: IfAlso | None = None, otherwise: Otherwise | None = None
    ) -> bool:
        """As `Db.insert`; also False where somebody watches the key: `otherwise` has to leave what has the mark."""
        return self.db.insert(key, value, if_also, otherwise)

    def delete_if(
        self, key: bytes, value: bytes, if_also: IfAlso | None = None, otherwise: Otherwise | None = None
    ) -> bool:
        """As `Db.delete_if`; also False where somebody watches the record, who is to be woken; likewise."""
        return self.db.delete_if(key, value, if_also, otherwise)

    def store(self, key: bytes, value: bytes) -> None:  # noqa: D102 - inherited
        with self.fetch_locked(key) as record:
            record.store(value)

    def delete(self, key: bytes) -> None:  # noqa: D102 - inherited
        with self.fetch_locked(key) as record:
            record.delete()

    def traverse_read(self) -> Iterator[tuple[bytes, bytes]]:  # noqa: D102 - inherited
        for key, raw in self.db.traverse_read():
            value = watch_head.split(raw)[1]
            if value is not None:
                yield key, value

    def watchers(self, key: bytes) -> tuple[Watcher, ...]:
        """Return who watches the record now, for status tools and tests."""
        return watch_head.split(self._raw_parse(key))[0]

    def check(self) -> list[str]:  # noqa: D102 - inherited
        problems = self.db.check()
        for key, raw in self.db.traverse_read():
            try:
                watch_head.split(raw)
            except RecordError as error:
                problems.append(f"{self.name}: {key.hex()}: {error}")
        return problems

    def statistics(self) -> Statistics:  # noqa: D102 - inherited
        watchers = sum(len(watch_head.split(raw)[0]) for _, raw in self.db.traverse_read())
        return {**self.db.statistics(), "watchers": watchers}

    def close(self) -> None:  # noqa: D102 - inherited
        self.db.close()

    def drop_watchers(self, key: bytes, gone: Sequence[Watcher], *, alert: bool = True) -> None:
        """Take `gone` out of a record's list; see `WatchedRecord.drop`."""
        with self.fetch_locked(key) as record:
            record.drop(gone, alert=alert)

    def drop_watch(self, key: bytes, server_id: ServerId, instance: int) -> None:
        """Take what is left of one watch out of a record's list; see `WatchedRecord.drop`."""
        with self.fetch_locked(key) as record:
            record.drop([one for one in record.watchers if (one.server_id, one.instance) == (server_id, instance)])

    def depart(self, watch: Watch) -> None:
        """See `Watch.depart`."""

        def leave() -> None:
            with self.fetch_locked(watch.key) as record:
                record.leave(watch)

        base.when_unlocked(leave)

    def forget_process(self, server_id: ServerId) -> int:
        """Drop all watchers of a dead process; visits every record. Returns how many there were."""
        count = 0
        for key, raw in self.db.traverse_read():
            gone = [one for one in watch_head.split(raw)[0] if one.server_id.same_process(server_id)]
            if gone:
                self.drop_watchers(key, gone)
                count += len(gone)
        return count


class WatchedRecord(Record):
    """A locked record of a `WatchedDb`. What is to be sent is sent after its release."""

    __slots__ = ("_arm", "_changed", "_db", "_list_changed", "_passed", "_record", "watchers")

    def __init__(self, db: WatchedDb, record: Record) -> None:
        self._db = db
        self._record = record
        self.key = record.key
        self.value = raw = record.value
        self.watchers: tuple[Watcher, ...] = _NOBODY
        self._changed = False
        self._list_changed = False
        self._passed: Watcher | None = None
        self._arm: list[tuple[Watch, ServerId | None, float | None]] | None = None
        if raw and raw[0] == HEAD_MARK:
            try:
                self.watchers, self.value = watch_head.split(raw)
            except BaseException:
                record.release()
                raise

    def store(self, value: bytes) -> None:  # noqa: D102 - inherited
        self.store_quietly(value)
        self._changed = True

    def delete(self) -> None:  # noqa: D102 - inherited
        if self.value is not None:
            self.value = None
            self._write()
            self._changed = True

    def touch(self) -> None:
        """Wake as `store` does, but store nothing: what has changed is something else that the waiters look at."""
        self._changed = True

    def store_quietly(self, value: bytes) -> None:
        """Store a change that cannot help any waiter, such as a further claim: nobody is woken.

        Raises:
            DbError: as `store`.
        """
        if self.watchers or value[:1] == b"\xff":
            self.value = value
            self._write()
        else:
            self._record.store(value)
            self.value = value
            self._list_changed = False

    def watch(
        self, blocker: ServerId | None = None, timeout: float | None = None, wish: bytes = b""
    ) -> Watch:
        """Enter the list at its end. The watch is in force when the record is unlocked.

        Args:
            blocker: the process that stands in the way; its death ends the wait, too.
            timeout: seconds after which the wait ends anyhow.
            wish: what is waited for, for those who look at `watchers`.
        """
        service = self._db.service
        if service is None:
            raise DbError(f"{self._db.name} is open for reading only")
        watch = service.new_watch(self._db, self.key, wish)
        self.watchers = (*self.watchers, watch.entry)
        self._list_changed = True
        self._will_arm(watch, blocker, timeout)
        return watch

    def resume(self, watch: Watch, blocker: ServerId | None = None, timeout: float | None = None) -> None:
        """Still blocked: wait again at the same place. The running time-out goes on unless one is given."""
        if watch.dead_before is not None:
            self._drop_dead_before(watch)
        if watch.entry not in self.watchers:  # taken for dead, or the record was wiped
            self.watchers = (*self.watchers, watch.entry)
            self._list_changed = True
        self._pass_on(watch.entry)
        watch.renew()
        self._will_arm(watch, blocker, timeout)

    def leave(self, watch: Watch) -> None:
        """Leave the list: not blocked any more, or given up. No effect if it has left."""
        if watch.dead_before is not None:
            self._drop_dead_before(watch)
        entry, watchers = watch.entry, self.watchers
        if len(watchers) == 1 and watchers[0] == entry:  # nearly always: nobody else to wake
            self.watchers = _NOBODY
            self._list_changed = True
        elif entry in watchers:
            self.drop([entry])
        watch.forget()

    def ahead_of(self, watch: Watch | None) -> tuple[Watcher, ...]:
        """Return who came before `watch`: everybody, if it is not in the list."""
        if watch is None or watch.entry not in self.watchers:
            return self.watchers
        return self.watchers[: self.watchers.index(watch.entry)]

    def drop(self, gone: Sequence[Watcher], *, alert: bool = True) -> None:
        """Take entries out of the list and alert the successor of the last of them."""
        found = [one for one in self.watchers if one in gone]
        if found:
            last = self.watchers.index(found[-1])
            rest = self.watchers[last + 1 :]
            self.watchers = tuple(one for one in self.watchers if one not in gone)
            self._list_changed = True
            if rest and alert:
                self._passed = rest[0]

    def _pass_on(self, entry: Watcher) -> None:
        following = self.watchers.index(entry) + 1
        if following < len(self.watchers):
            self._passed = self.watchers[following]

    def _drop_dead_before(self, watch: Watch) -> None:
        alive = tuple(one for one in self.watchers if not watch.is_dead(one))
        if len(alive) != len(self.watchers):
            self.watchers = alive
            self._list_changed = True

    def _will_arm(self, watch: Watch, blocker: ServerId | None, timeout: float | None) -> None:
        if self._arm is None:
            self._arm = []
        self._arm.append((watch, blocker, timeout))

    def _write(self) -> None:
        raw = watch_head.join(self.watchers, self.value)
        if raw is None:
            self._record.delete()
        else:
            self._record.store(raw)
        self._list_changed = False

    def release(self, *_: object) -> None:  # noqa: D102 - inherited
        try:
            if self._list_changed:
                self._write()
        finally:
            self._record.release()
            if self.watchers and (self._changed or self._passed is not None or self._arm is not None):
                base.when_unlocked(self._after_release)

    __exit__ = release

    def _after_release(self) -> None:
        service = self._db.service
        watchers: Sequence[Watcher] = self.watchers
        arm, self._arm = self._arm, None
        changed, self._changed = self._changed, False
        passed, self._passed = self._passed, None
        waiting = watchers
        if arm is not None:
            for watch, blocker, timeout in arm:
                place = watchers.index(watch.entry)
                watch.arm(blocker, watchers[place - 1].server_id if place else None, timeout)
            if changed:
                just_tried = [watch.entry for watch, _, _ in arm]
                waiting = [one for one in watchers if one not in just_tried]
        if service is None:
            return
        first = None
        if changed and waiting:
            first = waiting[0]
            service.alert(self._db, self.key, waiting)
        if passed is not None and passed != first and passed in watchers:
            service.alert(self._db, self.key, watchers[watchers.index(passed) :])


class Blocked(msgspec.Struct, frozen=True):
    """What an attempt returns when it cannot be done now: who is in the way, if one process can be named."""

    blocker: ServerId | None = None


async def wait_until(
    db: WatchedDb,
    key: bytes,
    attempt: Callable[[WatchedRecord], T | Blocked],
    timeout: float | None = None,  # noqa: ASYNC109 - asyncio is not used here
) -> T:
    """Try under the record lock until it works: at once, then whenever there is reason to hope.

    Cancel it by cancelling the waiter that the coroutine is suspended on: the record is left in order.

    Args:
        db: holds the record.
        key: its key.
        attempt: looks at the locked record and changes it, or returns `Blocked` and leaves it as it is.
        timeout: seconds for all attempts together; there is a last one at their end.

    Raises:
        TimeoutError: if the time is over.
        Cancelled: if the wait was cancelled.
    """
    watch: Watch | None = None
    reason = WATCH_CHANGED
    try:
        while True:
            with db.fetch_locked(key) as record:
                outcome: Any = attempt(record)
                if not isinstance(outcome, Blocked):
                    if watch is not None:
                        record.leave(watch)
                    return outcome  # type: ignore[no-any-return]
                if reason == WATCH_TIMED_OUT:
                    raise TimeoutError
                if watch is None:
                    watch = record.watch(outcome.blocker, timeout)
                else:
                    record.resume(watch, outcome.blocker)
            reason = await watch
    finally:
        if watch is not None and not watch.left:
            watch.depart()
