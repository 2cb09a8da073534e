"""The parent's book of its children: what each is, how it ended, and how to end it."""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from smbd.log_levels import NOTICE

_log = logging.getLogger(__name__)

WORKER: Final = "client"


@dataclass(slots=True)
class Child:
    """One forked process.

    Attributes:
        pid: of the process; safe to signal as long as it is in the book, because only the book reaps.
        role: `WORKER` or the name of a helper daemon.
        peer: address of the client of a worker.
        started: monotonic time of the fork.
    """

    pid: int
    role: str
    peer: str = ""
    started: float = field(default_factory=time.monotonic)

    def __str__(self) -> str:
        return f"{self.role} {self.peer} (pid {self.pid})" if self.peer else f"{self.role} (pid {self.pid})"


@dataclass(frozen=True, slots=True)
class Ended:
    """A child that is no more, and its wait status."""

    child: Child
    status: int

    @property
    def clean(self) -> bool:
        """Whether it has put its own things in order: exit code 0."""
        return self.status == 0


def describe_status(status: int) -> str:
    """Say in words how a process ended, from its wait status."""
    if os.WIFEXITED(status):
        code = os.WEXITSTATUS(status)
        return "ended" if code == 0 else f"ended with exit code {code}"
    signum = os.WTERMSIG(status)
    try:
        name = signal.Signals(signum).name
    except ValueError:
        name = str(signum)
    text = f"was killed by {name}"
    if signum == signal.SIGKILL:
        text += " (out of memory, or by the administrator?)"
    return f"{text}, core dumped" if os.WCOREDUMP(status) else text


class Children:
    """All children that have not been reaped."""

    def __init__(self) -> None:
        self._by_pid: dict[int, Child] = {}
        #: Tells whoever counts on a lower number.
        self.num_workers = 0

    def __len__(self) -> int:
        return len(self._by_pid)

    def __iter__(self) -> Iterator[Child]:
        return iter(list(self._by_pid.values()))

    def add(self, child: Child) -> None:
        """Note a child that was forked."""
        self._by_pid[child.pid] = child
        if child.role == WORKER:
            self.num_workers += 1

    def reap(self) -> list[Ended]:
        """Collect the children that have ended and log how; others of this process' children are only logged."""
        ended: list[Ended] = []
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return ended
            if pid == 0:
                return ended
            child = self._by_pid.pop(pid, None)
            if child is None:
                _log.info("unknown child %d %s", pid, describe_status(status))
                continue
            if child.role == WORKER:
                self.num_workers -= 1
            level = logging.INFO if status == 0 else NOTICE
            if status and not _wanted(status):
                level = logging.ERROR
            _log.log(level, "%s %s", child, describe_status(status))
            ended.append(Ended(child, status))

    def signal(self, signum: int, wanted: Callable[[Child], bool] = lambda _child: True) -> int:
        """Send a signal to the children that `wanted` chooses; return how many those are."""
        count = 0
        for child in self._by_pid.values():
            if wanted(child):
                os.kill(child.pid, signum)  # exists until reaped: the pid cannot be somebody else's
                count += 1
        return count


def _wanted(status: int) -> bool:
    """Whether a process ended by an order to end."""
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) in {signal.SIGTERM, signal.SIGINT}
