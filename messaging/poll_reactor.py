"""A small event loop on poll(2), for tools and tests that have no other."""

from __future__ import annotations

import heapq
import itertools
import logging
import select
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from messaging.driver import drive
from messaging.waiter import Waiter

T = TypeVar("T")

_log = logging.getLogger(__name__)


class PollTimer:
    """A timer of a `PollReactor`."""

    __slots__ = ("callback", "when")

    def __init__(self, when: float, callback: Callable[[], None]) -> None:
        self.when = when
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        """Drop the timer; no effect once it has fired."""
        self.callback = None


class PollReactor:
    """Implements `messaging.reactor.Reactor`; the caller turns it with `run_once` or `run_until`.

    Args:
        clock: the time in seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._poll = select.poll()
        self._readers: dict[int, Callable[[], None]] = {}
        self._writers: dict[int, Callable[[], None]] = {}
        self._timers: list[tuple[float, int, PollTimer]] = []
        self._sequence = itertools.count()

    def add_reader(self, fd: int, callback: Callable[[], None]) -> None:
        """See `messaging.reactor.Reactor`."""
        self._readers[fd] = callback
        self._register(fd)

    def remove_reader(self, fd: int) -> None:
        """See `messaging.reactor.Reactor`."""
        if self._readers.pop(fd, None) is not None:
            self._register(fd)

    def add_writer(self, fd: int, callback: Callable[[], None]) -> None:
        """See `messaging.reactor.Reactor`."""
        self._writers[fd] = callback
        self._register(fd)

    def remove_writer(self, fd: int) -> None:
        """See `messaging.reactor.Reactor`."""
        if self._writers.pop(fd, None) is not None:
            self._register(fd)

    def _register(self, fd: int) -> None:
        events = (select.POLLIN if fd in self._readers else 0) | (select.POLLOUT if fd in self._writers else 0)
        if events:
            self._poll.register(fd, events)
        else:
            self._poll.unregister(fd)

    def call_later(self, seconds: float, callback: Callable[[], None]) -> PollTimer:
        """See `messaging.reactor.Reactor`."""
        timer = PollTimer(self._clock() + seconds, callback)
        heapq.heappush(self._timers, (timer.when, next(self._sequence), timer))
        return timer

    def spawn(self, coro: Coroutine[Any, Any, T]) -> Waiter[T]:
        """See `messaging.reactor.Reactor`."""
        return drive(coro)

    def run_once(self, timeout: float | None = None) -> None:
        """Wait for at most `timeout` seconds (None: for ever), then handle all that is due."""
        while self._timers and self._timers[0][2].callback is None:
            heapq.heappop(self._timers)
        if self._timers:
            due = max(0.0, self._timers[0][0] - self._clock())
            timeout = due if timeout is None else min(timeout, due)
        for fd, events in self._poll.poll(None if timeout is None else timeout * 1000):
            reader = self._readers.get(fd)  # an earlier callback of this turn may have removed it
            if reader is not None and events & ~select.POLLOUT:
                self._call(reader)
            writer = self._writers.get(fd)
            if writer is not None and events & ~select.POLLIN:
                self._call(writer)
        now = self._clock()
        due_timers: list[PollTimer] = []
        while self._timers and self._timers[0][0] <= now:
            due_timers.append(heapq.heappop(self._timers)[2])
        for timer in due_timers:
            callback, timer.callback = timer.callback, None
            if callback is not None:
                self._call(callback)

    def run_until(self, waiter: Waiter[T], timeout: float | None = None) -> T:
        """Turn until `waiter` completes and return its result.

        Raises:
            TimeoutError: if it has not completed after `timeout` seconds.
            BaseException: what the waiter completes with.
        """
        deadline = None if timeout is None else self._clock() + timeout
        while not waiter.done:
            left = None if deadline is None else deadline - self._clock()
            if left is not None and left <= 0:
                raise TimeoutError
            self.run_once(left)
        return waiter.result()

    def run_for(self, seconds: float) -> None:
        """Turn for a while."""
        deadline = self._clock() + seconds
        while (left := deadline - self._clock()) > 0:
            self.run_once(left)

    @staticmethod
    def _call(callback: Callable[[], None]) -> None:
        try:
            callback()
        except Exception:  # noqa: BLE001 - a callback's bug must not stop the loop
            _log.exception("event callback failed")
