"""When persistent handles are written: once for all that changes in a turn, one sync for all who wait."""

from __future__ import annotations

from typing import Any

import pytest

from messaging.waiter import Waiter
from smbd.xsrv.persistent import FORGET_S, QUICK_ROW, QUICK_S, PersistentHandles
from smbd.xsrv.table import key_of


class Loop:
    """Runs what is due when it is told to; threads end when they are told to."""

    def __init__(self) -> None:
        self.ready: list[Any] = []
        self.syncs: list[Waiter[None]] = []
        self.later: list[Any] = []

    def call_later(self, seconds: float, callback: Any) -> None:
        assert seconds == FORGET_S
        self.later.append(callback)

    def call_soon(self, callback: Any) -> None:
        self.ready.append(callback)

    def chore(self, function: Any) -> Any:
        self.function = function
        return self

    def run(self) -> Waiter[None]:
        self.function()
        self.syncs.append(Waiter())
        return self.syncs[-1]

    def turn(self) -> None:
        ready, self.ready = self.ready, []
        for callback in ready:
            callback()


@pytest.fixture
def loop() -> Loop:
    return Loop()


@pytest.fixture
def handles(tmp_path, loop, monkeypatch) -> PersistentHandles:
    made = PersistentHandles(None, str(tmp_path / "journal"))  # type: ignore[arg-type]
    monkeypatch.setattr(made, "_state_of", lambda number: b"%d" % number)
    made.serve(loop)  # type: ignore[arg-type]
    yield made
    made.journal.close()


def test_one_write_and_one_sync_for_all_of_a_turn(handles, loop, monkeypatch):
    waiters = [handles.commit(number) for number in (1, 2, 3)]
    assert len(loop.ready) == 1
    loop.turn()
    assert handles.journal.read() == {key_of(number): b"%d" % number for number in (1, 2, 3)}
    assert len(loop.syncs) == 1
    assert not any(waiter.done for waiter in waiters)
    loop.syncs[0].set_result(None)
    assert all(waiter.done for waiter in waiters)


def test_who_comes_during_a_sync_shares_the_next(handles, loop):
    first = handles.commit(1)
    loop.turn()
    later = [handles.commit(2)]
    loop.turn()
    later.append(handles.commit(3))
    loop.turn()
    assert len(loop.syncs) == 1
    loop.syncs[0].set_result(None)
    assert first.done
    assert not any(waiter.done for waiter in later)
    assert len(loop.syncs) == 2
    loop.syncs[1].set_result(None)
    assert all(waiter.done for waiter in later)


def test_who_is_not_written_yet_does_not_count_as_synced(handles, loop):
    handles.commit(1)
    loop.turn()
    late = handles.commit(2)  # noted, but its turn is not at its end
    loop.syncs[0].set_result(None)
    assert not late.done
    assert len(loop.syncs) == 1


class Disk:
    """Takes as long as it is told, by a clock of its own."""

    def __init__(self, monkeypatch, handles) -> None:
        self.now = 0.0
        self.takes = 0.0
        self.error: OSError | None = None
        monkeypatch.setattr("smbd.xsrv.persistent.time.monotonic", lambda: self.now)
        monkeypatch.setattr(handles.journal, "sync", self.sync)

    def sync(self) -> None:
        self.now += self.takes
        if self.error is not None:
            raise self.error


@pytest.fixture
def disk(handles, monkeypatch) -> Disk:
    return Disk(monkeypatch, handles)


def commit(handles, loop) -> bool:
    """Commit something; whether that took a thread."""
    before = len(loop.syncs)
    waiter = handles.commit(1)
    loop.turn()
    threads = loop.syncs[before:]
    for sync in threads:
        assert not waiter.done
        sync.set_result(None)
    assert waiter.done
    return bool(threads)


def test_a_disk_that_is_always_quick_is_waited_for_at_once(handles, loop, disk):
    assert [commit(handles, loop) for _ in range(QUICK_ROW + 3)] == [True] * QUICK_ROW + [False] * 3
    disk.takes = QUICK_S
    assert not commit(handles, loop)  # nobody knew
    assert all(commit(handles, loop) for _ in range(QUICK_ROW + 1))
    disk.takes = 0.0
    assert [commit(handles, loop) for _ in range(QUICK_ROW + 1)] == [True] * QUICK_ROW + [False]


def test_a_quick_disk_that_fails(handles, loop, disk):
    for _ in range(QUICK_ROW):
        commit(handles, loop)
    disk.error = OSError(5, "no")
    waiter = handles.commit(1)
    loop.turn()
    assert not loop.syncs[QUICK_ROW:]
    with pytest.raises(OSError, match="no"):
        waiter.result()
    disk.error = None
    assert commit(handles, loop)  # no longer trusted


def test_a_touch_alone_waits_for_no_disk(handles, loop):
    handles.touch(1)
    loop.turn()
    assert handles.journal.read()
    assert not loop.syncs
    assert not handles.dirty


def test_what_was_closed_is_written_with_what_comes_next(handles, loop, monkeypatch):
    appended = []
    append = handles.journal.append
    monkeypatch.setattr(handles.journal, "append", lambda changes: appended.append(changes) or append(changes))
    handles.forget(1)
    assert not handles.dirty
    handles.touch(2)
    handles.forget(3)
    loop.turn()
    assert [sorted(key for key, _ in changes) for changes in appended] == [[key_of(1), key_of(2), key_of(3)]]
    assert len(loop.later) == 1
    loop.later.pop()()
    assert len(appended) == 1
    handles.forget(4)
    handles.forget(5)
    loop.turn()
    assert len(appended) == 1
    (later,) = loop.later
    later()
    assert len(appended) == 2
    assert not loop.syncs


def test_who_ends_writes_what_was_closed(handles, loop):
    handles.forget(1)
    handles.flush()
    assert handles.journal.read() == {key_of(1): b"1"}


def test_a_failing_disk_fails_all_who_wait(handles, loop, monkeypatch):
    waiter = handles.commit(1)
    loop.turn()
    loop.syncs[0].set_exception(OSError(5, "no"))
    with pytest.raises(OSError, match="no"):
        waiter.result()

    def full(_changes: Any) -> Any:
        raise OSError(28, "full")

    monkeypatch.setattr(handles.journal, "append", full)
    waiter = handles.commit(2)
    loop.turn()
    with pytest.raises(OSError, match="full"):
        waiter.result()


def test_a_process_without_a_loop_writes_at_once(handles):
    handles.serve(None)
    handles.touch(7)
    assert handles.journal.read() == {key_of(7): b"7"}
    assert handles.barrier().done


def test_a_grown_journal_is_announced(handles, loop, monkeypatch):
    told = []
    handles.on_grown = lambda: told.append(True)
    monkeypatch.setattr("smbd.xsrv.persistent.COMPACT_AT", 60)
    for number in range(5):
        handles.touch(number)
        loop.turn()
    assert 0 < len(told) < 5
