"""The event loop with real descriptors and a clock of our own."""

import os
import signal
import socket
import threading

import pytest

from messaging.waiter import Cancelled, Waiter
from smbd.eventloop import EventLoop


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def loop():
    loop = EventLoop()
    yield loop
    loop.close()


def test_a_reader_is_called_as_long_as_there_is_something(loop):
    read, write = os.pipe()
    seen = []
    loop.add_reader(read, lambda: seen.append(os.read(read, 1)))
    os.write(write, b"ab")
    loop.turn()
    loop.turn()
    assert seen == [b"a", b"b"]
    loop.remove_reader(read)
    loop.remove_reader(read)
    os.close(read)
    os.close(write)


def test_reader_and_writer_of_one_descriptor(loop):
    left, right = os.pipe()
    calls = []
    loop.add_writer(right, lambda: calls.append("writable"))
    loop.turn()
    loop.remove_writer(right)
    loop.call_soon(lambda: None)
    loop.turn()
    assert calls == ["writable"]
    os.close(left)
    os.close(right)


def test_timers_run_in_order_and_cancelled_ones_do_not():
    clock = Clock()
    loop = EventLoop(clock)
    calls = []
    loop.call_later(2, lambda: calls.append("late"))
    loop.call_later(1, lambda: calls.append("early"))
    loop.call_later(1.5, lambda: calls.append("never")).cancel()
    loop.call_soon(lambda: None)
    loop.turn()
    assert calls == []
    clock.now += 5
    loop.turn()
    assert calls == ["early", "late"]
    loop.close()


def test_a_coroutine_that_need_not_wait_runs_inside_spawn(loop):
    async def work():
        return 42

    result = loop.spawn(work())
    assert result.done
    assert result.result() == 42


def test_a_wait_is_resumed_by_the_loop_not_by_whoever_completes_it(loop):
    waiter: Waiter[str] = Waiter()
    steps = []

    async def work():
        steps.append(await waiter)

    loop.spawn(work())
    waiter.set_result("x")
    assert steps == []
    loop.turn()
    assert steps == ["x"]


def test_cancelling_a_wait_raises_in_the_coroutine(loop):
    waiter: Waiter[None] = Waiter()

    async def work():
        await waiter

    result = loop.spawn(work())
    assert waiter.cancel()
    assert not waiter.set_result(None)
    loop.turn()
    with pytest.raises(Cancelled):
        result.result()


def test_work_in_a_thread_comes_back_through_the_loop(loop):
    def work(number):
        return number * 2

    async def wait():
        return await loop.run_in_thread(work, 21)

    result = loop.spawn(wait())
    while not result.done:
        loop.turn()
    assert result.result() == 42


def test_an_error_in_a_thread_is_raised_in_the_coroutine(loop):
    def work():
        raise OSError(5, "broken")

    async def wait():
        return await loop.run_in_thread(work)

    result = loop.spawn(wait())
    while not result.done:
        loop.turn()
    with pytest.raises(OSError, match="broken"):
        result.result()


def test_a_chore_runs_in_the_same_thread_each_time(loop):
    threads = []

    def work():
        threads.append(threading.get_ident())
        if len(threads) == 2:
            raise OSError(5, "broken")

    chore = loop.chore(work)
    ends = []
    for _ in range(3):
        waiter = chore.run()
        assert not waiter.done
        while not waiter.done:
            loop.turn()
        ends.append(waiter)
    assert len(threads) == 3
    assert len(set(threads) - {threading.get_ident()}) == 1
    with pytest.raises(OSError, match="broken"):
        ends[1].result()
    assert ends[2].result() is None


def test_who_cannot_go_on_before_a_chore_has_ended_waits_for_it(loop):
    go, log = threading.Event(), []

    def work():
        go.wait()
        log.append("work")

    chore = loop.chore(work)
    chore.finish()  # nothing is under way
    first = chore.run()
    first.add_done_callback(lambda _waiter: log.append("told"))
    go.set()
    chore.finish()
    assert first.done
    assert log == ["work", "told"]
    go.clear()
    second = chore.run()
    loop.turn()  # the wake-up of the first run, which has been told already
    assert not second.done
    go.set()
    while not second.done:
        loop.turn()
    assert log == ["work", "told", "work"]


def test_a_signal_is_served_by_the_loop(loop):
    seen = []
    before = signal.getsignal(signal.SIGUSR1)
    try:
        loop.add_signal(signal.SIGUSR1, lambda: seen.append("signal"))
        os.kill(os.getpid(), signal.SIGUSR1)
        assert seen == []
        loop.turn()
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert seen == ["signal"]


def test_stop_ends_run(loop):
    loop.call_soon(loop.stop)
    loop.run()


def test_what_an_event_wants_done_at_once_comes_before_the_next_event(loop):
    ours, theirs = socket.socketpair()
    log = []

    def read():
        log.append(ours.recv(1))
        loop.call_later(0, lambda: log.append("at once"))

    loop.add_reader(ours.fileno(), read)
    loop.call_later(60, lambda: None)  # a wait with a time-out
    theirs.send(b"ab")
    loop.turn()
    assert log == [b"a", "at once"]
    loop.remove_reader(ours.fileno())
    ours.close()
    theirs.close()


def test_cancelled_timers_do_not_pile_up():
    clock = Clock()
    loop = EventLoop(clock)
    calls = []
    for number in range(100):
        loop.call_later(1000 - number, lambda number=number: calls.append(number))
    for _ in range(10_000):
        loop.call_later(2000, lambda: calls.append("never")).cancel()
    assert len(loop._timers) < 1000
    clock.now += 3000
    loop.call_soon(lambda: None)
    loop.turn()
    assert calls == list(range(99, -1, -1))
    loop.close()
