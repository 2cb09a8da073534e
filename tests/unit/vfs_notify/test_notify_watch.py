"""The buffer of one watch."""

from __future__ import annotations

from typing import Any

import pytest

from messaging.waiter import Cancelled, Waiter
from vfs.constants import FILE_ACTION_ADDED, FILE_ACTION_MODIFIED, FILE_NOTIFY_CHANGE_FILE_NAME
from vfs.notify.watch import MAX_CHANGES, Watch, list_size
from vfs.ntstatus import STATUS_DELETE_PENDING, NTStatusError

PLENTY = 65536


def make(max_length=PLENTY):
    return Watch(b"/dir", FILE_NOTIFY_CHANGE_FILE_NAME, recursive=False, max_length=max_length)


class Collect:
    """One `Watch.collect`, driven by hand."""

    def __init__(self, watch, max_length=PLENTY):
        self.coroutine = watch.collect(max_length)
        self.waiter: Waiter[Any] | None = None
        self.result: object = ...
        self.go()

    def go(self):
        try:
            self.waiter = self.coroutine.send(None)
        except StopIteration as stop:
            self.result = stop.value
            self.waiter = None

    @property
    def names(self):
        return [change.name for change in self.result]


def add(watch, *names):
    for name in names:
        watch.add(FILE_ACTION_ADDED, name)
    watch.wake()


def test_changes_between_requests_are_kept_in_their_order():
    watch = make()
    add(watch, "a", "b")
    add(watch, "c")
    assert Collect(watch).names == ["a", "b", "c"]
    assert Collect(watch).waiter is not None


def test_a_waiting_request_gets_what_came_together():
    watch = make()
    waiting = Collect(watch)
    add(watch, "a", "b")
    assert waiting.waiter.done
    waiting.go()
    assert waiting.names == ["a", "b"]


def test_requests_are_answered_first_come_first():
    watch = make()
    first, second = Collect(watch), Collect(watch)
    add(watch, "a")
    assert first.waiter.done
    assert not second.waiter.done
    first.go()
    add(watch, "b")
    second.go()
    assert (first.names, second.names) == (["a"], ["b"])


def test_who_is_woken_too_late_waits_on_before_the_others():
    watch = make()
    first, second = Collect(watch), Collect(watch)
    add(watch, "a")
    add(watch, "b")
    first.go()
    assert first.names == ["a", "b"]
    third = Collect(watch)
    second.go()
    add(watch, "c")
    assert second.waiter.done
    assert not third.waiter.done


def test_a_request_that_is_given_up_leaves_the_queue():
    watch = make()
    first, second = Collect(watch), Collect(watch)
    first.waiter.cancel()
    with pytest.raises(Cancelled):
        first.go()
    add(watch, "a")
    second.go()
    assert second.names == ["a"]


@pytest.mark.parametrize(("first", "later"), [(10, PLENTY), (PLENTY, 10), (0, 0), (0, PLENTY)])
def test_the_smaller_of_first_and_present_buffer_counts(first, later):
    watch = make(first)
    add(watch, "name")
    assert Collect(watch, later).result is None
    assert Collect(watch, later).waiter is not None  # what did not fit is gone


def test_an_answer_may_fill_the_buffer():
    watch = make()
    add(watch, "abc", "d")
    assert Collect(watch, 20 + 14).names == ["abc", "d"]  # 12 + 6, padded by 2; 12 + 2


def test_size_of_a_list_counts_utf16():
    watch = make()
    add(watch, "\U0001f600")
    assert list_size(Collect(watch).result) == 16


def test_too_many_changes_become_one_answer_without_names():
    watch = make()
    add(watch, *map(str, range(MAX_CHANGES + 1)))
    assert Collect(watch).result is None
    add(watch, "after")
    assert Collect(watch).names == ["after"]


def test_repeated_modifications_are_one():
    watch = make()
    for name in ("a", "a", "b", "a"):
        watch.add(FILE_ACTION_MODIFIED, name)
    add(watch, "x", "x")
    assert Collect(watch).names == ["a", "b", "a", "x", "x"]


def test_deletion_of_the_directory_ends_requests_now_and_later():
    watch = make()
    waiting = Collect(watch)
    watch.directory_deleted()
    for end in (waiting.go, lambda: Collect(watch)):
        with pytest.raises(NTStatusError) as caught:
            end()
        assert caught.value.status == STATUS_DELETE_PENDING
