"""Running a coroutine on waiters: the same few lines for every event loop."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, TypeVar

from messaging.waiter import Waiter

T = TypeVar("T")


def drive(coro: Coroutine[Any, Any, T]) -> Waiter[T]:
    """Run `coro` until it waits, then on from whatever completes its wait; its end completes the result."""
    result: Waiter[T] = Waiter()

    def step(_completed: Waiter[Any] | None = None) -> None:
        try:
            waiter = coro.send(None)
        except StopIteration as end:
            result.set_result(end.value)
        except Exception as error:  # noqa: BLE001 - passed on to who awaits the result
            result.set_exception(error)
        else:
            waiter.add_done_callback(step)

    step()
    return result
