"""One open's watch of a directory: which changes it wants, and those that nobody has fetched yet."""

from __future__ import annotations

from collections import deque
from typing import Final

import msgspec

from messaging.waiter import Waiter
from vfs.constants import FILE_ACTION_MODIFIED
from vfs.ntstatus import STATUS_DELETE_PENDING, NTStatusError

#: Changes kept for a client that does not fetch them; then it has to enumerate the directory.
MAX_CHANGES: Final = 1000

_ENTRY_SIZE: Final = 12  # FILE_NOTIFY_INFORMATION without the name, [MS-FSCC] 2.7.1
_ALIGNMENT: Final = 4


class NamedChange(msgspec.Struct, frozen=True, gc=False):
    """A change as the watcher sees it: `name` is relative to the watched directory, with backslashes."""

    action: int
    name: str


class Watch:
    """A watch, from the first request for changes on an open until it is closed ([MS-FSA] 2.1.1.7).

    Attributes:
        directory: absolute unix path.
        completion_filter: FILE_NOTIFY_CHANGE_*, of the first request: those of later ones do not count.
        recursive: changes further down count, too; likewise.
        max_length: size of the first request's buffer; no answer will be longer.
    """

    __slots__ = (
        "_changes",
        "_deleted",
        "_lost",
        "_waiters",
        "completion_filter",
        "directory",
        "max_length",
        "recursive",
    )

    def __init__(self, directory: bytes, completion_filter: int, *, recursive: bool, max_length: int) -> None:
        self.directory = directory
        self.completion_filter = completion_filter
        self.recursive = recursive
        self.max_length = max_length
        self._changes: list[NamedChange] = []
        self._lost = False
        self._deleted = False
        self._waiters: deque[Waiter[None]] = deque()

    def add(self, action: int, name: str) -> None:
        """Note a change; `wake` follows when all that belong together are noted."""
        change = NamedChange(action, name)
        changes = self._changes
        if self._lost or (changes and change == changes[-1] and action == FILE_ACTION_MODIFIED):
            return
        if len(changes) >= MAX_CHANGES:
            self.lose()
            return
        changes.append(change)

    def lose(self) -> None:
        """Note that changes were lost."""
        self._lost = True
        self._changes.clear()

    def wake(self) -> None:
        """Let the request that waits longest have what there is."""
        if self._waiters and (self._changes or self._lost):
            self._waiters.popleft().set_result(None)

    def directory_deleted(self) -> None:
        """End all requests, now and later: the directory is about to go."""
        self._deleted = True
        while self._waiters:
            self._waiters.popleft().set_exception(_delete_pending())

    async def collect(self, max_length: int) -> list[NamedChange] | None:
        """Return the changes since the last call, at least one; None if they do not fit or some were lost.

        Args:
            max_length: bytes that the answer may have as a list of FILE_NOTIFY_INFORMATION.

        Raises:
            NTStatusError: STATUS_DELETE_PENDING.
        """
        waited = False
        while True:
            if self._deleted:
                raise _delete_pending()
            # Who comes later does not get what an earlier one waits for.
            if (self._changes or self._lost) and (waited or not self._waiters):
                return self._take(min(max_length, self.max_length))
            waiter: Waiter[None] = Waiter()
            if waited:
                self._waiters.appendleft(waiter)
            else:
                self._waiters.append(waiter)
            try:
                await waiter
            finally:
                if waiter in self._waiters:
                    self._waiters.remove(waiter)
            waited = True

    def _take(self, max_length: int) -> list[NamedChange] | None:
        changes, self._changes = self._changes, []
        lost, self._lost = self._lost, False
        return None if lost or list_size(changes) > max_length else changes


def list_size(changes: list[NamedChange]) -> int:
    """Return the size of `changes` as a list of FILE_NOTIFY_INFORMATION ([MS-FSCC] 2.7.1)."""
    size = 0
    for change in changes:
        size += -size % _ALIGNMENT
        size += _ENTRY_SIZE + len(change.name.encode("utf-16-le", "surrogatepass"))
    return size


def _delete_pending() -> NTStatusError:
    return NTStatusError(STATUS_DELETE_PENDING, "the watched directory is deleted")
