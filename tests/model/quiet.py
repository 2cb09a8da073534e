"""When have processes nothing left to do? When all their threads sleep, and did so all the time between two looks.

Sending to a local socket makes its reader runnable before the sender goes on. So if every thread of a group of
processes sleeps at one instant, no message between them is under way, and nothing happens until a timer or somebody
else wakes one of them. Two looks at the counters of context switches prove that there was such an instant.
"""

from __future__ import annotations

import os
import time
from collections.abc import Collection
from pathlib import Path

from tests.smbxcli import ReplyTimeoutError

_SLEEPING = b"S"


class Watcher:
    """Looks at the threads of some processes; keeps the files open that tell about them."""

    def __init__(self) -> None:
        self._files: dict[int, list[int]] = {}

    def follow(self, pids: Collection[int]) -> None:
        """Look at these processes from now on."""
        for pid in [pid for pid in self._files if pid not in pids]:
            self._forget(pid)
        for pid in pids:
            if pid not in self._files:
                self._files[pid] = _open_threads(pid)

    def _forget(self, pid: int) -> None:
        for fd in self._files.pop(pid):
            os.close(fd)

    def close(self) -> None:
        """Look at nothing any more."""
        self.follow(())

    def _look(self) -> list[bytes] | None:
        """The context switches of all threads; None if one does not sleep."""
        seen = []
        for files in self._files.values():
            for fd in files:
                try:
                    status = os.pread(fd, 4096, 0)
                except ProcessLookupError:
                    continue
                at = status.index(b"State:\t") + 7
                if status[at : at + 1] != _SLEEPING:
                    return None
                seen.append(status[status.rindex(b"\nvoluntary_ctxt_switches") :])
        return seen

    def wait(self, timeout: float = 10) -> None:
        """Return when all is quiet.

        Raises:
            ReplyTimeoutError: it does not become quiet.
        """
        deadline = time.monotonic() + timeout
        while True:
            before = self._look()
            if before is not None and before == self._look():
                return
            if time.monotonic() > deadline:
                raise ReplyTimeoutError("the workers do not come to rest")
            os.sched_yield()


def _open_threads(pid: int) -> list[int]:
    threads = Path(f"/proc/{pid}/task").iterdir()
    return [os.open(thread / "status", os.O_RDONLY | os.O_CLOEXEC) for thread in threads]
