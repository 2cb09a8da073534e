"""The worker's event loop: epoll, timers, signals and the driver of coroutines.

Plays the part of tevent in Samba. It knows nothing of SMB. Level-triggered epoll with one callback per
descriptor and direction; the loop is the only place of a process that blocks.

A coroutine may await nothing but a `messaging.waiter.Waiter`. It runs at once, inside `spawn`, until its
first suspension: work that need not wait costs no scheduling. After that it is resumed from the loop, never
from inside `Waiter.set_result`, so that completing a wait cannot run foreign code under the caller's feet.
"""

from __future__ import annotations

import heapq
import logging
import os
import select
import signal
import time
from _thread import allocate_lock, start_new_thread
from collections import deque
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final, TypeVar

from messaging.waiter import Waiter

T = TypeVar("T")

Callback = Callable[[], object]

_log = logging.getLogger(__name__)

_EPOLLIN: Final = select.EPOLLIN
_READABLE: Final = select.EPOLLIN | select.EPOLLHUP | select.EPOLLERR | select.EPOLLRDHUP
_WRITABLE: Final = select.EPOLLOUT | select.EPOLLHUP | select.EPOLLERR
_MAX_EVENTS: Final = 16
#: Timers that are kept without a look whether they were cancelled.
_FEW_TIMERS: Final = 64
#: Threads for file I/O that the page cache cannot answer; more than a disk's queue serves is of no use.
_MAX_IO_THREADS: Final = 8


class Timer:
    """A callback due at a point of the monotonic clock."""

    __slots__ = ("callback",)

    def __init__(self, callback: Callback) -> None:
        self.callback: Callback | None = callback

    def cancel(self) -> None:
        """Forget the callback; harmless when it has run."""
        self.callback = None


class Task:
    """A coroutine in progress and the callbacks that want its end."""

    __slots__ = ("_coroutine", "_loop", "result")

    def __init__(self, loop: EventLoop, coroutine: Coroutine[Waiter[Any], None, Any]) -> None:
        self._loop = loop
        self._coroutine = coroutine
        self.result: Waiter[Any] = Waiter()

    def step(self) -> None:
        """Run the coroutine to its next suspension or its end."""
        try:
            pending = self._coroutine.send(None)
        except StopIteration as stop:
            self.result.set_result(stop.value)
        except Exception as error:  # noqa: BLE001 - handed to whoever awaits the result
            self.result.set_exception(error)
        else:
            pending.add_done_callback(self._wake)

    def _wake(self, _waiter: Waiter[Any]) -> None:
        self._loop.call_soon(self.step)


class Chore:
    """A blocking function with a thread of its own, for what is done over and over: half as dear as `run_in_thread`.

    The thread starts with the first run and lasts as long as the process.
    """

    __slots__ = ("_end", "_error", "_function", "_loop", "_running", "_start", "_started", "_waiter")

    def __init__(self, loop: EventLoop, function: Callable[[], object]) -> None:
        self._loop = loop
        self._function = function
        self._start, self._end = allocate_lock(), allocate_lock()
        self._start.acquire()
        self._end.acquire()
        self._started = self._running = False
        self._error: Exception | None = None
        self._waiter: Waiter[None] = Waiter()

    def run(self) -> Waiter[None]:
        """Run the function once more, after its last end; the `Waiter` completes through the loop."""
        self._waiter = Waiter()
        self._running = True
        if not self._started:
            self._started = True
            start_new_thread(self._main, ())
        self._start.release()
        return self._waiter

    def finish(self) -> None:
        """Wait for the end of the run under way, if there is one; its `Waiter` completes at once."""
        if self._running:
            self._end.acquire()
            self._deliver()

    def _main(self) -> None:
        while True:
            self._start.acquire()
            try:
                self._function()
            except Exception as error:  # noqa: BLE001 - handed to whoever awaits the result
                self._error = error
            self._end.release()
            self._loop.call_from_thread(self._on_end)

    def _on_end(self) -> None:
        # Who waited in `finish` has seen that end, and there may be another run by now.
        if self._running and self._end.acquire(blocking=False):
            self._deliver()

    def _deliver(self) -> None:
        self._running = False
        error, self._error = self._error, None
        if error is not None:
            self._waiter.set_exception(error)
        else:
            self._waiter.set_result(None)


class EventLoop:
    """One epoll loop; implements `messaging.reactor.Reactor`."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._epoll = select.epoll()
        self._poll = self._epoll.poll
        self._readers: dict[int, Callback] = {}
        self._writers: dict[int, Callback] = {}
        # When and, as no two are the same, a number: the heap compares them without a call.
        self._timers: list[tuple[float, int, Timer]] = []
        self._timer_number = 0
        self._sweep_at = _FEW_TIMERS
        self._due = False  # a timer was set in this turn for at once
        self._ready: deque[Callback] = deque()
        self._signals: dict[int, Callback] = {}
        self._stopped = False
        self._executor: ThreadPoolExecutor | None = None
        # Signals and finished threads wake the loop by a byte; what they want is looked up elsewhere.
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._finished: deque[Callback] = deque()
        self.add_reader(self._wake_read, self._on_wake)

    # descriptors

    def add_reader(self, fd: int, callback: Callback) -> None:
        """Call `callback` whenever `fd` is readable, closed or in error; replaces an earlier reader."""
        known = fd in self._readers or fd in self._writers
        self._readers[fd] = callback
        self._update(fd, known=known)

    def remove_reader(self, fd: int) -> None:
        """Stop watching `fd` for reading; harmless when it is not watched."""
        if self._readers.pop(fd, None) is not None:
            self._update(fd, known=True)

    def add_writer(self, fd: int, callback: Callback) -> None:
        """Call `callback` whenever `fd` is writable; replaces an earlier writer."""
        known = fd in self._readers or fd in self._writers
        self._writers[fd] = callback
        self._update(fd, known=known)

    def remove_writer(self, fd: int) -> None:
        """Stop watching `fd` for writing; harmless when it is not watched."""
        if self._writers.pop(fd, None) is not None:
            self._update(fd, known=True)

    def _update(self, fd: int, *, known: bool) -> None:
        mask = select.EPOLLIN if fd in self._readers else 0
        if fd in self._writers:
            mask |= select.EPOLLOUT
        if not mask:
            self._epoll.unregister(fd)
        elif known:
            self._epoll.modify(fd, mask)
        else:
            self._epoll.register(fd, mask)

    # time

    def now(self) -> float:
        """Return the loop's monotonic clock in seconds."""
        return self._clock()

    def call_later(self, seconds: float, callback: Callback) -> Timer:
        """Call `callback` once, `seconds` from now."""
        timer = Timer(callback)
        self._timer_number += 1
        self._due = self._due or seconds <= 0
        if len(self._timers) >= self._sweep_at:
            self._sweep()
        heapq.heappush(self._timers, (self._clock() + seconds, self._timer_number, timer))
        return timer

    def _sweep(self) -> None:
        """Drop the timers that were cancelled: most are, long before they are due."""
        timers = self._timers
        timers[:] = [one for one in timers if one[2].callback is not None]
        heapq.heapify(timers)
        self._sweep_at = 2 * len(timers) + _FEW_TIMERS

    def call_soon(self, callback: Callback) -> None:
        """Call `callback` once, in this or the next turn of the loop."""
        self._ready.append(callback)

    # signals and threads

    def add_signal(self, signum: int, callback: Callback) -> None:
        """Call `callback` from the loop after signal `signum`; the handler itself only wakes the loop."""
        self._signals[signum] = callback
        signal.signal(signum, self._on_signal)

    def _on_signal(self, signum: int, _frame: object) -> None:
        self._finished.append(self._signals[signum])
        self._wake()

    def run_in_thread(self, function: Callable[..., T], *args: object) -> Waiter[T]:
        """Run a blocking `function` in a thread; the result arrives through the loop.

        Costs more than reading 64 KiB from the page cache: only for what really blocks.
        """
        if self._executor is None:
            self._executor = ThreadPoolExecutor(_MAX_IO_THREADS, thread_name_prefix="io")
        waiter: Waiter[T] = Waiter()

        def finished(future: Future[T]) -> None:
            def deliver() -> None:
                error = future.exception()
                if error is not None:
                    waiter.set_exception(error)
                else:
                    waiter.set_result(future.result())

            self.call_from_thread(deliver)

        self._executor.submit(function, *args).add_done_callback(finished)
        return waiter

    def chore(self, function: Callable[[], object]) -> Chore:
        """Return what runs a blocking `function` in a thread of its own, again and again."""
        return Chore(self, function)

    def call_from_thread(self, callback: Callback) -> None:
        """Call `callback` once from the loop; of any thread."""
        self._finished.append(callback)
        self._wake()

    def _wake(self) -> None:
        try:
            os.write(self._wake_write, b"\0")
        except BlockingIOError:
            pass  # the pipe is full of wake-ups already

    def _on_wake(self) -> None:
        os.read(self._wake_read, 4096)
        while self._finished:
            self._ready.append(self._finished.popleft())

    # coroutines

    def spawn(self, coroutine: Coroutine[Waiter[Any], None, T]) -> Waiter[T]:
        """Start `coroutine` now and return the `Waiter` of its result."""
        task = Task(self, coroutine)
        task.step()
        return task.result

    def sleep(self, seconds: float) -> Waiter[None]:
        """Return a `Waiter` that completes after `seconds`."""
        waiter: Waiter[None] = Waiter()
        self.call_later(seconds, lambda: waiter.set_result(None))
        return waiter

    # the loop

    def run(self) -> None:
        """Serve events until `stop`."""
        while not self._stopped:
            self.turn()

    def stop(self) -> None:
        """End `run` after the current turn."""
        self._stopped = True

    def turn(self) -> None:
        """Wait for the next events or timer and serve them once."""
        timeout: float = -1  # for ever
        ready = self._ready
        if ready:
            timeout = 0
        elif self._timers:
            when, _, timer = self._timers[0]
            if timer.callback is None:
                timeout = self._skip_cancelled()
            else:
                clock = self._clock
                timeout = when - clock()
                if timeout < 0:  # noqa: PLR1730 - at each turn; max() is slower
                    timeout = 0
        poll = self._poll
        happened = poll(timeout, _MAX_EVENTS)
        for fd, events in happened:
            if events == _EPOLLIN:  # nearly always
                reader = self._readers.get(fd)
                if reader is not None:
                    reader()
            else:
                self._serve(fd, events)
        if not happened or not timeout or self._due:
            # Else no timer was due when the wait began; the next turn looks again.
            self._due = False
            self._run_timers()
        if ready:
            for _ in range(len(ready)):
                ready.popleft()()

    def _serve(self, fd: int, events: int) -> None:
        """Call who wants to know; either may take the other off."""
        if events & _READABLE:
            reader = self._readers.get(fd)
            if reader is not None:
                reader()
        if events & _WRITABLE:
            writer = self._writers.get(fd)
            if writer is not None:
                writer()

    def _skip_cancelled(self) -> float:
        """Forget the cancelled timers before the next one; return how long to wait for that."""
        timers = self._timers
        while timers and timers[0][2].callback is None:
            heapq.heappop(timers)
        return max(timers[0][0] - self._clock(), 0) if timers else -1

    def _run_timers(self) -> None:
        if not self._timers:
            return
        now = self._clock()
        while self._timers and self._timers[0][0] <= now:
            callback = heapq.heappop(self._timers)[2].callback
            if callback is not None:
                callback()

    def close(self) -> None:
        """Release the loop's descriptors and threads; watched descriptors are not closed."""
        if self._executor is not None:
            self._executor.shutdown(wait=False, cancel_futures=True)
        self._epoll.close()
        os.close(self._wake_read)
        os.close(self._wake_write)
