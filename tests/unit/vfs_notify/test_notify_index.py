"""The register of watches."""

from __future__ import annotations

import pytest

from messaging.dbwrap.memory import MemoryDb
from messaging.server_id import ServerId
from vfs.constants import (
    FILE_ACTION_ADDED,
    FILE_NOTIFY_CHANGE_DIR_NAME,
    FILE_NOTIFY_CHANGE_FILE_NAME,
    FILE_NOTIFY_CHANGE_NAME,
)
from vfs.notify.change import DIRECTORY_DELETED, Change, parent_of
from vfs.notify.index import NotifyIndex

ONE, TWO = ServerId(1, unique_id=1), ServerId(2, unique_id=2)


@pytest.fixture
def index():
    return NotifyIndex(MemoryDb("notify_index", 0))


def added(path, completion_filter=FILE_NOTIFY_CHANGE_FILE_NAME):
    return Change(FILE_ACTION_ADDED, completion_filter, path)


@pytest.mark.parametrize(
    ("path", "parent"), [(b"/a/b/c", b"/a/b"), (b"/a/b", b"/a"), (b"/a", b"/"), (b"/", b""), (b"/a/b\\c", b"/a")]
)
def test_parent(path, parent):
    assert parent_of(path) == parent


def test_nobody_watches(index):
    assert not index.anyone()
    assert index.receivers([added(b"/a/b")]) == {}


def test_entering_and_leaving_can_be_repeated(index):
    for server_id in (ONE, ONE, TWO):
        index.enter(server_id)
    index.leave(ONE)
    assert index.anyone()
    index.leave(TWO)
    index.leave(TWO)
    assert not index.anyone()


def test_receivers_by_directory_filter_and_depth(index):
    index.set_interest(b"/a", ONE, FILE_NOTIFY_CHANGE_NAME, FILE_NOTIFY_CHANGE_DIR_NAME)
    index.set_interest(b"/a/b", TWO, FILE_NOTIFY_CHANGE_FILE_NAME, 0)
    file, directory = added(b"/a/b/c"), added(b"/a/b/d", FILE_NOTIFY_CHANGE_DIR_NAME)
    assert index.receivers([file, directory]) == {ONE: [directory], TWO: [file]}
    assert index.receivers([added(b"/a/x")]) == {ONE: [added(b"/a/x")]}
    assert index.receivers([added(b"/ab/x")]) == {}


def test_directories_above_are_looked_at_while_anyone_watches_what_is_below(index):
    change = added(b"/a/b/c")
    name = FILE_NOTIFY_CHANGE_NAME
    for server_id, below in ((ONE, 0), (ONE, 4), (ONE, name), (TWO, name), (ONE, 0)):
        index.set_interest(b"/a", server_id, name, below)
    assert list(index.receivers([change])) == [TWO]
    assert index.forget(lambda server_id: server_id == TWO) == [b"/a"]
    assert index.receivers([change]) == {}
    assert [key for key, _ in index._db.traverse_read()] == [b"/a"]
    index.set_interest(b"/", ONE, 0, FILE_NOTIFY_CHANGE_NAME)
    assert list(index.receivers([change])) == [ONE]


def test_the_root_can_be_watched(index):
    index.set_interest(b"/", ONE, FILE_NOTIFY_CHANGE_NAME, FILE_NOTIFY_CHANGE_NAME)
    assert list(index.receivers([added(b"/a")])) == list(index.receivers([added(b"/a/b/c")])) == [ONE]


def test_what_happens_to_the_directory_itself_goes_to_its_watchers(index):
    index.set_interest(b"/a", ONE, FILE_NOTIFY_CHANGE_NAME, 0)
    index.set_interest(b"/", TWO, FILE_NOTIFY_CHANGE_NAME, FILE_NOTIFY_CHANGE_NAME)
    assert list(index.receivers([Change(DIRECTORY_DELETED, 0, b"/a")])) == [ONE]


def test_no_interest_leaves_no_record(index):
    index.set_interest(b"/a", ONE, FILE_NOTIFY_CHANGE_NAME, 0)
    index.set_interest(b"/a", ONE, 0, 0)
    assert list(index.directories()) == []


def test_the_dead_are_forgotten(index):
    for server_id in (ONE, TWO):
        index.enter(server_id)
        index.set_interest(b"/a", server_id, FILE_NOTIFY_CHANGE_NAME, 0)
    index.set_interest(b"/b", ONE, FILE_NOTIFY_CHANGE_NAME, 0)
    assert sorted(index.forget(lambda server_id: server_id == ONE)) == [b"/a", b"/b"]
    assert list(index.directories()) == [b"/a"]
    assert index.anyone()
    index.forget(lambda _: True)
    assert not index.anyone()


def test_notifyd_is_no_directory(index):
    assert index.notifyd() is None
    index.publish_notifyd(ONE)
    assert index.notifyd() == ONE
    assert list(index.directories()) == []
    assert not index.anyone()
