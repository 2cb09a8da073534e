"""Changes that are made beside the server: what the kernel tells, without what the server has told itself.

The kernel does not say who made a change. So every event is held back for a moment. If a process of the server tells
of the same change, before or after, the event is dropped: a name that came or went pairs with one event; contents and
attributes with all that are near in time, because the server changes a file in several steps. What a process of the
server has open for writing is the server's to tell of.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Final

from vfs.constants import (
    FILE_ACTION_ADDED,
    FILE_ACTION_MODIFIED,
    FILE_ACTION_REMOVED,
    FILE_ACTION_RENAMED_NEW_NAME,
    FILE_ACTION_RENAMED_OLD_NAME,
    FILE_NOTIFY_CHANGE_ATTRIBUTES,
    FILE_NOTIFY_CHANGE_DIR_NAME,
    FILE_NOTIFY_CHANGE_EA,
    FILE_NOTIFY_CHANGE_FILE_NAME,
    FILE_NOTIFY_CHANGE_LAST_ACCESS,
    FILE_NOTIFY_CHANGE_LAST_WRITE,
    FILE_NOTIFY_CHANGE_SECURITY,
    FILE_NOTIFY_CHANGE_SIZE,
)
from vfs.notify.change import Change, parent_of
from vfs.notify.inotify import (
    IN_ATTRIB,
    IN_CREATE,
    IN_DELETE,
    IN_ISDIR,
    IN_MODIFY,
    IN_MOVED_FROM,
    IN_MOVED_TO,
    Event,
)

#: Seconds that an event waits for a process to tell of it: long enough for a machine that is busy.
HOLD: Final = 0.4
#: Seconds that what a process told is remembered, for the event that is late.
REMEMBER: Final = 2.0

_CAME: Final = "came"
_WENT: Final = "went"
_CHANGED: Final = "changed"
_KIND: Final = {
    FILE_ACTION_ADDED: _CAME,
    FILE_ACTION_RENAMED_NEW_NAME: _CAME,
    FILE_ACTION_REMOVED: _WENT,
    FILE_ACTION_RENAMED_OLD_NAME: _WENT,
    FILE_ACTION_MODIFIED: _CHANGED,
}
_MODIFIED: Final = FILE_NOTIFY_CHANGE_LAST_WRITE | FILE_NOTIFY_CHANGE_SIZE
_ATTRIBUTES: Final = (
    FILE_NOTIFY_CHANGE_ATTRIBUTES
    | FILE_NOTIFY_CHANGE_LAST_WRITE
    | FILE_NOTIFY_CHANGE_LAST_ACCESS
    | FILE_NOTIFY_CHANGE_EA
    | FILE_NOTIFY_CHANGE_SECURITY
)
_ACTIONS: Final = (
    (IN_CREATE, FILE_ACTION_ADDED, 0),
    (IN_MOVED_TO, FILE_ACTION_ADDED, 0),
    (IN_DELETE, FILE_ACTION_REMOVED, 0),
    (IN_MOVED_FROM, FILE_ACTION_REMOVED, 0),
    (IN_MODIFY, FILE_ACTION_MODIFIED, _MODIFIED),
    (IN_ATTRIB, FILE_ACTION_MODIFIED, _ATTRIBUTES),
)


class _Held:
    """A change that waits; `dropped` once somebody told of it."""

    __slots__ = ("change", "cookie", "dropped", "due")

    def __init__(self, due: float, change: Change, cookie: int) -> None:
        self.due = due
        self.change = change
        self.cookie = cookie
        self.dropped = False


class LocalChanges:
    """Takes events and what the server's processes tell; gives out what is left.

    Args:
        is_ours: whether a process of the server has the file of a path open for writing.
        clock: monotonic time.
    """

    def __init__(self, is_ours: Callable[[bytes], bool], clock: Callable[[], float]) -> None:
        self._is_ours = is_ours
        self._clock = clock
        self._held: deque[_Held] = deque()  # in the order of their coming, the dropped ones included
        self._held_of: dict[bytes, list[_Held]] = {}  # by path, without those
        self._told: dict[tuple[str, bytes], deque[float]] = {}
        self._told_order: deque[tuple[float, tuple[str, bytes]]] = deque()

    def event(self, directory: bytes, event: Event) -> None:
        """Note an event of the kernel in `directory`."""
        path = directory.rstrip(b"/") + b"/" + event.name
        name = FILE_NOTIFY_CHANGE_DIR_NAME if event.mask & IN_ISDIR else FILE_NOTIFY_CHANGE_FILE_NAME
        for bit, action, completion_filter in _ACTIONS:
            if event.mask & bit:
                change = Change(action, completion_filter or name, path)
                if not self._was_told(change) and not self._repeats(change):
                    held = _Held(self._clock() + HOLD, change, event.cookie)
                    self._held.append(held)
                    self._held_of.setdefault(path, []).append(held)
                return

    def _repeats(self, change: Change) -> bool:
        # Only repeated modifications are one: a name may come, go and come again.
        return change.action == FILE_ACTION_MODIFIED and any(
            held.change == change for held in self._held_of.get(change.path, ())
        )

    def told(self, changes: Iterable[Change]) -> None:
        """Note what a process of the server tells of."""
        now = self._clock()
        for change in changes:
            kind = _KIND.get(change.action)
            if kind is None:
                continue
            if kind != _CHANGED and self._drop_held(kind, change.path):
                # Its own event is paired; what else was done to the file is the server's doing, too.
                kind = _CHANGED
            self._drop_all_held(change.path)
            for key in {(kind, change.path), (_CHANGED, change.path)}:
                self._told.setdefault(key, deque()).append(now + REMEMBER)
                self._told_order.append((now + REMEMBER, key))
        self._forget(now)

    def _drop_held(self, kind: str, path: bytes) -> bool:
        for held in self._held_of.get(path, ()):
            if _KIND[held.change.action] == kind:
                self._drop(held)
                return True
        return False

    def _drop_all_held(self, path: bytes) -> None:
        for held in list(self._held_of.get(path, ())):
            if held.change.action == FILE_ACTION_MODIFIED:
                self._drop(held)

    def _drop(self, held: _Held) -> None:
        held.dropped = True
        path = held.change.path
        left = self._held_of[path]
        left.remove(held)
        if not left:
            del self._held_of[path]

    def _was_told(self, change: Change) -> bool:
        self._forget(self._clock())
        kind = _KIND[change.action]
        times = self._told.get((kind, change.path))
        if not times:
            return False
        if kind != _CHANGED:
            times.popleft()
        return True

    def _forget(self, now: float) -> None:
        order = self._told_order
        while order and order[0][0] <= now:
            _, key = order.popleft()
            times = self._told.get(key)
            while times and times[0] <= now:
                times.popleft()
            if not times:
                self._told.pop(key, None)

    def drop(self, directory: bytes) -> None:
        """Forget what is held back of a directory: whom it was for is gone."""
        for held in self._held:
            if not held.dropped and parent_of(held.change.path) == directory:
                self._drop(held)

    def next_due(self) -> float | None:
        """Return when `take` will have something; None if nothing is held."""
        while self._held and self._held[0].dropped:
            self._held.popleft()
        return self._held[0].due if self._held else None

    def take(self) -> list[list[Change]]:
        """Return the changes nobody has told of; those of one rename in one list."""
        now = self._clock()
        groups: list[list[Change]] = []
        renames: dict[int, list[Change]] = {}
        while self._held and (self._held[0].dropped or self._held[0].due <= now):
            held = self._held.popleft()
            if held.dropped:
                continue
            self._drop(held)
            change, cookie = held.change, held.cookie
            if change.action == FILE_ACTION_MODIFIED and self._is_ours(change.path):
                continue
            if cookie and cookie in renames:
                group = renames.pop(cookie)
                group[:] = _moved(group[0], change)
                continue
            groups.append([change])
            if cookie:
                renames[cookie] = groups[-1]
        return groups


def _moved(old: Change, new: Change) -> list[Change]:
    if parent_of(old.path) != parent_of(new.path):
        return [old, new]
    return [
        Change(FILE_ACTION_RENAMED_OLD_NAME, old.completion_filter, old.path),
        Change(FILE_ACTION_RENAMED_NEW_NAME, new.completion_filter, new.path),
    ]
