from __future__ import annotations

import os
import select

import pytest

from messaging.poll_reactor import PollReactor
from messaging.waiter import Cancelled, Waiter


class Clock:
    """A clock that the test sets."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_timers_fire_in_order_and_once() -> None:
    clock = Clock()
    reactor = PollReactor(clock)
    fired: list[str] = []
    reactor.call_later(2, lambda: fired.append("second"))
    reactor.call_later(1, lambda: fired.append("first"))
    reactor.call_later(1, lambda: fired.append("cancelled")).cancel()
    reactor.run_once(0)
    assert fired == []
    clock.now += 3
    reactor.run_once()
    reactor.run_once(0)
    assert fired == ["first", "second"]


def test_a_timer_set_by_a_timer_waits_for_the_next_turn() -> None:
    reactor = PollReactor(Clock())
    fired: list[int] = []
    reactor.call_later(0, lambda: reactor.call_later(0, lambda: fired.append(1)))
    reactor.run_once(0)
    assert fired == []
    reactor.run_once(0)
    assert fired == [1]


def test_readers() -> None:
    reactor = PollReactor()
    read_end, write_end = os.pipe()
    got: list[bytes] = []
    reactor.add_reader(read_end, lambda: got.append(os.read(read_end, 10)))
    reactor.run_once(0)
    os.write(write_end, b"x")
    reactor.run_once()
    assert got == [b"x"]
    os.write(write_end, b"y")
    reactor.remove_reader(read_end)
    reactor.remove_reader(read_end)
    reactor.run_once(0)
    assert got == [b"x"]
    os.close(read_end)
    os.close(write_end)


def test_a_reader_removed_in_the_same_turn_is_not_called() -> None:
    reactor = PollReactor()
    pipes = [os.pipe() for _ in range(2)]
    calls: list[int] = []

    def called(index: int) -> None:
        calls.append(index)
        for read_end, _ in pipes:
            reactor.remove_reader(read_end)

    for index, (read_end, write_end) in enumerate(pipes):
        reactor.add_reader(read_end, lambda index=index: called(index))
        os.write(write_end, b"x")
    reactor.run_once(0)
    assert len(calls) == 1
    for ends in pipes:
        for end in ends:
            os.close(end)


def test_a_failing_callback_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    reactor = PollReactor()
    reactor.call_later(0, lambda: int("none"))
    reactor.run_once()
    assert "event callback failed" in caplog.text


def test_coroutines_run_on_waiters() -> None:
    reactor = PollReactor()
    first: Waiter[int] = Waiter()
    second: Waiter[int] = Waiter()

    async def add() -> int:
        return await first + await second

    total = reactor.spawn(add())
    first.set_result(1)
    assert not total.done
    second.set_result(2)
    assert reactor.run_until(total, 5) == 3


def test_errors_and_cancellation_come_through() -> None:
    reactor = PollReactor()
    waiter: Waiter[int] = Waiter()

    async def wait() -> int:
        return await waiter

    result = reactor.spawn(wait())
    assert waiter.cancel()
    assert not waiter.set_result(1)
    with pytest.raises(Cancelled):
        reactor.run_until(result, 5)


def test_run_until_gives_up() -> None:
    clock = Clock()
    reactor = PollReactor(clock)

    def later() -> None:
        clock.now += 10

    reactor.call_later(0, later)
    with pytest.raises(TimeoutError):
        reactor.run_until(Waiter(), 5)


def test_writers() -> None:
    reactor = PollReactor()
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    called: list[str] = []
    reactor.add_writer(write_end, lambda: called.append("writable"))
    reactor.add_reader(read_end, lambda: called.append("readable"))
    reactor.run_once(0)
    assert called == ["writable"]
    while select.select([], [write_end], [], 0)[1]:
        os.write(write_end, bytes(65536))
    reactor.run_once(0)
    assert called == ["writable", "readable"]
    reactor.remove_reader(read_end)
    os.read(read_end, 1 << 20)
    reactor.run_once(0)
    assert called == ["writable", "readable", "writable"]
    reactor.remove_writer(write_end)
    reactor.remove_writer(write_end)
    reactor.run_once(0)
    assert len(called) == 3
    os.close(read_end)
    os.close(write_end)
