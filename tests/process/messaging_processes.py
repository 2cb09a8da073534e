"""Real child processes for the tests of the messaging layer."""

from __future__ import annotations

import os
import signal
import traceback
from collections.abc import Callable
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from messaging.bus import Bus
from messaging.dbwrap.tdb import open_tdb, reopen_all
from messaging.dbwrap.watch import WatchedDb, WatchService
from messaging.poll_reactor import PollReactor
from messaging.server_id import new_server_id

PATIENCE = 20.0
"""Seconds after which a test gives up on a child; nothing waits that long when all is well."""


class Child:
    """A forked process that runs ``body(link)`` and exits; `link` is the pipe between it and the test."""

    def __init__(self, body: Callable[[Connection], None]) -> None:
        self.link, theirs = Pipe()
        self.pid = os.fork()
        if self.pid == 0:
            status = 1
            try:
                self.link.close()
                reopen_all()
                body(theirs)
                status = 0
            except BaseException:  # noqa: BLE001 - told by the exit status
                traceback.print_exc()
            finally:
                os._exit(status)
        theirs.close()
        self._ended = False

    def hear(self) -> Any:
        """Return what the child says next."""
        assert self.link.poll(PATIENCE), "the child says nothing"
        return self.link.recv()

    def silent(self) -> bool:
        """Whether the child has said nothing (yet)."""
        return not self.link.poll(0)

    def tell(self, what: Any = None) -> None:
        """Say something to the child."""
        self.link.send(what)

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Send a signal; after SIGKILL also wait for the end."""
        os.kill(self.pid, number)
        if number == signal.SIGKILL:
            self._wait()

    def join(self) -> None:
        """Wait for the orderly end."""
        assert self._wait() == 0

    def stop(self) -> None:
        """Be gone, however the test went."""
        if not self._ended:
            self.kill()
        self.link.close()

    def _wait(self) -> int:
        self._ended = True
        return os.waitpid(self.pid, 0)[1]


def first_to_speak(children: list[Child]) -> Child:
    """Wait until one of `children` says something."""
    by_link = {child.link: child for child in children}
    ready = wait(by_link, PATIENCE)
    assert ready, "no child says anything"
    return by_link[ready[0]]  # type: ignore[index]


class Station:
    """What a process of the server has: a loop, a bus, a watched database."""

    def __init__(self, directory: Path, *, hash_size: int = 0) -> None:
        self.reactor = PollReactor()
        self.bus = Bus(str(directory), new_server_id(), self.reactor)
        self.service = WatchService(self.bus)
        self.db = WatchedDb(
            open_tdb(str(directory / "watched.tdb"), lock_order=1, hash_size=hash_size), self.service
        )

    def close(self) -> None:
        self.service.close()
        self.bus.close()
        self.db.close()
