"""Waiting for a record to change: the side of the process that waits.

A change wakes one watcher, the first in the list. Whoever was woken tries again under the record lock and
then either *leaves* the list (it got what it wanted, or gives up) or *resumes* (still blocked: keeps its
place); in both cases it passes the alert on to its successor. So each change runs down the list once, one
process at a time: nobody is forgotten, and nobody stampedes. No wake-up is lost:

* a watcher enters the list under the same lock under which it saw the conflict;
* it watches the life of the blocker it names: a blocker killed before it could alert wakes it all the same;
* it watches the life of its predecessor in the list: one killed before passing an alert on wakes its
  successor;
* an alert too many is harmless. Alerts are hints, the record is the truth.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Sequence
from typing import TYPE_CHECKING, Final

import msgspec

from messaging.bus import Bus
from messaging.dbwrap.watch_head import Watcher
from messaging.errors import MessagingError, PeerGone
from messaging.msg_types import MSG_DBWRAP_MODIFIED
from messaging.peers import PeerWatch
from messaging.reactor import TimerHandle
from messaging.server_id import ServerId
from messaging.waiter import Waiter

if TYPE_CHECKING:
    from messaging.dbwrap.watch import WatchedDb

_log = logging.getLogger(__name__)

WATCH_CHANGED: Final = 1
"""The record changed, or somebody before in the list gave way: try again."""
WATCH_BLOCKER_DIED: Final = 2
"""The named blocker died: try again and drop what it left in the record."""
WATCH_TIMED_OUT: Final = 3
"""The time is over: try a last time."""

LOOK_AGAIN_S: Final = 1  # without a descriptor to watch a process by, as a last resort


class Alert(msgspec.Struct, array_like=True, gc=False):
    """Payload of MSG_DBWRAP_MODIFIED."""

    db_name: str
    key: bytes
    instance: int


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Alert).decode


class WatchService:
    """The watches of this process; one per bus.

    Args:
        bus: carries the alerts.
    """

    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self._dbs: dict[str, WatchedDb] = {}
        self._watches: dict[int, Watch] = {}
        self._last_instance = 0
        bus.register(MSG_DBWRAP_MODIFIED, self._alerted)

    def close(self) -> None:
        """End all watches: their waiters are cancelled, their entries removed, their successors alerted."""
        for watch in list(self._watches.values()):
            watch.depart()
        self.bus.deregister(MSG_DBWRAP_MODIFIED)

    def add_db(self, db: WatchedDb) -> None:
        """Make `db` known: alerts name it by its name, which is the same in all processes."""
        self._dbs[db.name] = db

    def new_watch(self, db: WatchedDb, key: bytes, wish: bytes) -> Watch:
        """Make a watch that is in no list yet."""
        self._last_instance += 1
        watch = Watch(self, db, key, Watcher(self.bus.server_id, self._last_instance, wish))
        self._watches[self._last_instance] = watch
        return watch

    def remove(self, watch: Watch) -> None:
        """Forget a watch that has left the list."""
        self._watches.pop(watch.entry.instance, None)

    def alert(self, db: WatchedDb, key: bytes, watchers: Sequence[Watcher]) -> None:
        """Wake the first living one of `watchers`; drop the dead ones before it from the record.

        Only while no record lock is held.
        """
        dead: list[Watcher] = []
        for watcher in watchers:
            payload = _encode(Alert(db.name, key, watcher.instance))
            try:
                self.bus.hint(watcher.server_id, MSG_DBWRAP_MODIFIED, payload)
            except PeerGone:
                dead.append(watcher)
            except MessagingError as error:
                _log.warning("%s: waking the next watcher too: %s", db.name, error)
            else:
                break
        if dead:
            db.drop_watchers(key, dead, alert=False)

    def _alerted(self, _source: ServerId, payload: bytes) -> None:
        alert = _decode(payload)
        watch = self._watches.get(alert.instance)
        if watch is not None:
            watch.complete(WATCH_CHANGED)
            return
        # It has left meanwhile and alerted its successor itself. Make sure that nothing of it is left behind.
        db = self._dbs.get(alert.db_name)
        if db is not None:
            db.drop_watch(alert.key, self.bus.server_id, alert.instance)


class Watch:
    """The place of one waiter in the list of a record, and what it waits for there.

    Await it for the reason of its waking (`WATCH_CHANGED` ...); then lock the record, try again, and call
    `WatchedRecord.resume` or `WatchedRecord.leave`. Who gives up without the lock calls `depart`.
    `messaging.dbwrap.watch.wait_until` does all that.

    Attributes:
        entry: how the list names it.
        dead_before: the predecessor whose death woke us.
        waiter: completes with the reason. Each `resume` makes a new one.
        left: it is not in the list any more.
    """

    __slots__ = (
        "_blocker_watch",
        "_predecessor_watch",
        "_service",
        "_timed_out",
        "_timer",
        "db",
        "dead_before",
        "entry",
        "key",
        "left",
        "waiter",
    )

    def __init__(self, service: WatchService, db: WatchedDb, key: bytes, entry: Watcher) -> None:
        self._service = service
        self.db = db
        self.key = key
        self.entry = entry
        self.waiter: Waiter[int] = Waiter()
        self.left = False
        self._timer: TimerHandle | None = None
        self._blocker_watch: PeerWatch | None = None
        self._predecessor_watch: PeerWatch | None = None
        self.dead_before: ServerId | None = None
        self._timed_out = False

    def __await__(self) -> Generator[Waiter[int], None, int]:
        return self.waiter.__await__()

    def arm(self, blocker: ServerId | None, predecessor: ServerId | None, timeout: float | None) -> None:
        """Wait (again); for the watched record, with no record lock held.

        Args:
            blocker: whose death shall wake us.
            predecessor: who is before us in the list.
            timeout: seconds; None leaves a timer that runs as it is.
        """
        self._disarm()
        if self.left:
            return
        self.dead_before = None
        if timeout is not None:
            if self._timer is not None:
                self._timer.cancel()
            self._timed_out = False
            self._timer = self._service.bus.reactor.call_later(timeout, self._time_over)
        if self._timed_out:
            self.complete(WATCH_TIMED_OUT)
            return
        if blocker is not None:
            self._blocker_watch = self._watch(blocker, lambda: self.complete(WATCH_BLOCKER_DIED))
        if predecessor is not None:
            self._predecessor_watch = self._watch(predecessor, lambda: self._predecessor_died(predecessor))

    def _watch(self, server_id: ServerId, callback: Callable[[], None]) -> PeerWatch | None:
        bus = self._service.bus
        if server_id.pid == bus.server_id.pid and server_id.unique_id == bus.server_id.unique_id:
            return None
        try:
            return bus.others.watch(server_id, callback)
        except OSError as error:
            _log.warning("cannot watch process %s, looking again in %d s: %s", server_id, LOOK_AGAIN_S, error)
            bus.reactor.call_later(LOOK_AGAIN_S, lambda: self.complete(WATCH_CHANGED))
            return None

    def _predecessor_died(self, predecessor: ServerId) -> None:
        self.dead_before = predecessor
        self.complete(WATCH_CHANGED)

    def _time_over(self) -> None:
        self._timed_out = True
        self.complete(WATCH_TIMED_OUT)

    def complete(self, reason: int) -> None:
        """Wake the waiter."""
        self._disarm()
        self.waiter.set_result(reason)

    def _disarm(self) -> None:
        if self._blocker_watch is not None:
            self._blocker_watch.cancel()
            self._blocker_watch = None
        if self._predecessor_watch is not None:
            self._predecessor_watch.cancel()
            self._predecessor_watch = None

    def renew(self) -> None:
        """Get ready for another wait; for the watched record."""
        if self.waiter.done:
            self.waiter = Waiter()

    def is_dead(self, watcher: Watcher) -> bool:
        """Whether `watcher` belongs to the predecessor whose death woke us."""
        return self.dead_before is not None and watcher.server_id.same_process(self.dead_before)

    def forget(self) -> None:
        """End all waiting; for the watched record, which has taken us from its list."""
        self.left = True
        self._disarm()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._service.remove(self)
        if not self.waiter.done:
            self.waiter.cancel()

    def depart(self) -> None:
        """Give up: leave the list as soon as no record lock is held. No effect once it has left."""
        self.db.depart(self)
