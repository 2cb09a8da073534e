"""The one thing a coroutine of pysmbd can wait for.

A `Waiter` is completed exactly once: with a value, with an exception, or by cancellation. The event
loop's driver runs a coroutine with ``send(None)`` and receives the `Waiter` it suspends on; when that
completes, the driver runs the coroutine on.

Nothing here knows the event loop, so that every layer may wait and unit tests can complete a wait by hand.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import ClassVar, Generic, TypeVar

T = TypeVar("T")


class Cancelled(Exception):  # noqa: N818 - it is an order, not an error
    """The wait was given up: the request was cancelled or its owner went away."""


class Waiter(Generic[T]):
    """A single-shot result that a coroutine can await.

    The first of `set_result`, `set_exception` and `cancel` wins and returns True; later calls change
    nothing and return False.
    """

    __slots__ = ("_callbacks", "_exception", "_result", "done")

    brief: ClassVar[bool] = False
    """It ends soon by itself: nobody need be told that somebody waits."""

    def __init__(self) -> None:
        self.done = False
        self._result: T | None = None
        self._exception: BaseException | None = None
        self._callbacks: list[Callable[[Waiter[T]], None]] = []

    def set_result(self, result: T) -> bool:
        """Complete with `result`; False if it was complete already."""
        if self.done:
            return False
        self._result = result
        self._finish()
        return True

    def set_exception(self, exception: BaseException) -> bool:
        """Complete with `exception`, raised in the awaiting coroutine; False if it was complete already."""
        if self.done:
            return False
        self._exception = exception
        self._finish()
        return True

    def cancel(self) -> bool:
        """Complete with `Cancelled`; False if it was complete already."""
        return self.set_exception(Cancelled())

    def result(self) -> T:
        """Return the result or raise the exception; only after completion."""
        if self._exception is not None:
            raise self._exception
        return self._result  # type: ignore[return-value]  # set together with done

    def add_done_callback(self, callback: Callable[[Waiter[T]], None]) -> None:
        """Call `callback(self)` on completion, at once if that has happened."""
        if self.done:
            callback(self)
        else:
            self._callbacks.append(callback)

    def _finish(self) -> None:
        self.done = True
        callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback(self)

    def __await__(self) -> Generator[Waiter[T], None, T]:
        if not self.done:
            yield self
        return self.result()


class BriefWaiter(Waiter[T]):
    """What completes in a moment: a disk that writes."""

    __slots__ = ()

    brief: ClassVar[bool] = True
