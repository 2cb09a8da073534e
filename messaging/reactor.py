"""What the messaging layer needs of an event loop.

The server has an epoll loop of its own; tools use `messaging.poll_reactor.PollReactor`; tests may step one
by hand.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Protocol, TypeVar

from messaging.waiter import Waiter

T = TypeVar("T")


class TimerHandle(Protocol):
    """A timer that has been set."""

    def cancel(self) -> None:
        """Drop the timer; no effect once it has fired."""


class Reactor(Protocol):
    """Descriptors, timers and coroutines of one single-threaded process."""

    def add_reader(self, fd: int, callback: Callable[[], None]) -> None:
        """Call `callback` from the loop whenever `fd` is readable (level-triggered)."""

    def remove_reader(self, fd: int) -> None:
        """Stop watching `fd`; call it before closing the descriptor."""

    def add_writer(self, fd: int, callback: Callable[[], None]) -> None:
        """Call `callback` from the loop whenever `fd` is writable (level-triggered)."""

    def remove_writer(self, fd: int) -> None:
        """Stop watching `fd` for writing; call it before closing the descriptor."""

    def call_later(self, seconds: float, callback: Callable[[], None]) -> TimerHandle:
        """Call `callback` once from the loop after `seconds`; 0 means in the next turn."""
        ...

    def spawn(self, coro: Coroutine[Any, Any, T]) -> Waiter[T]:
        """Run a coroutine until it waits, then on from the loop; its end completes the returned waiter."""
        ...
