"""Opens whose clients are away, when somebody wants what they cache ([MS-SMB2] 3.3.4.6, 3.3.4.7, 3.3.6.1).

Nobody can be asked to give it up, so it depends on what kind of handle it is: a durable one ends, a persistent one
makes the others come again later, and a resilient one keeps what it caches for as long as its client, were it
there, could take to answer.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from vfs.locking.oplock import Break
    from vfs.locking.share_mode_lock import ShareModeLock

AWAY_LIMIT_S: Final = 35.0
"""How long a resilient handle may keep others waiting: as long as a client may take to answer a break."""


class Patience:
    """How long one opener has to wait yet for clients that are away."""

    __slots__ = ("_until",)

    def __init__(self) -> None:
        self._until: float | None = None

    def left(self) -> float:
        """Return the seconds that are left; the first call starts the clock."""
        now = time.monotonic()
        if self._until is None:
            self._until = now + AWAY_LIMIT_S
        return max(0.0, self._until - now)

    @property
    def over(self) -> bool:
        """Whether it is at its end."""
        return self._until is not None and time.monotonic() >= self._until


def give_way(lock: ShareModeLock, breaks: Iterable[Break], patience: Patience | None) -> int:
    """Have those of `breaks` whose clients are away give way, as far as they do, and return how many did.

    Raises:
        NTStatusError: STATUS_FILE_NOT_AVAILABLE: one is a persistent handle.
    """
    wanted = [one for one in breaks if one.entry.handle_id or one.entry.server_id.is_disconnected()]
    if not wanted:
        return 0
    lock.refuse_unavailable([entry for entry, _ in wanted])
    changed = lock.purge([entry for entry, _ in wanted])
    if patience is not None and patience.over:
        for entry, state in wanted:
            if entry.stays and entry.server_id.is_disconnected():
                lock.lower(entry, state)
                changed += 1
    return changed
