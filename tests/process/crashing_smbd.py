"""smbd of which a chosen process is killed between two steps of what it does, without a chance to tidy up.

A step is what others see of a process: a record stored or deleted, bytes appended to the journal, the wait for the
disk, a message to the client. The file that the environment variable CRASH_POINT names says ``PID TOKEN NUMBER``:
process PID kills itself before its step NUMBER, counted from zero from when it first meets TOKEN.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from messaging.dbwrap.journal import Journal
from messaging.dbwrap.tdb import TdbDb
from smbd.__main__ import main
from smbd.transport.tcp import TcpTransport

POINT = Path(os.environ.get("CRASH_POINT", "/nonexistent"))

_seen: dict[str, int] = {}


def step() -> None:
    """One more step; the last one, perhaps."""
    try:
        pid, token, number = POINT.read_text().split()
    except (OSError, ValueError):
        return
    if int(pid) != os.getpid():
        return
    count = _seen.get(token, 0)
    _seen[token] = count + 1
    if count == int(number):
        os.kill(os.getpid(), signal.SIGKILL)


def _before(function: Callable[..., Any]) -> Callable[..., Any]:
    def stepping(*arguments: Any) -> Any:
        step()
        return function(*arguments)

    return stepping


class _Database(TdbDb):
    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._store = _before(self._store)
        self._delete = _before(self._delete)


if __name__ == "__main__":
    sys.modules["messaging.dbwrap.tdb"].TdbDb = _Database  # type: ignore[misc]
    for owner, name in ((Journal, "append"), (Journal, "sync"), (TcpTransport, "flush")):
        setattr(owner, name, _before(getattr(owner, name)))
    sys.exit(main())
