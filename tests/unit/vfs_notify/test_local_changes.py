"""Changes beside the server: what is reported, and what the server has reported itself."""

from __future__ import annotations

import pytest

from vfs.constants import (
    FILE_ACTION_ADDED,
    FILE_ACTION_MODIFIED,
    FILE_ACTION_REMOVED,
    FILE_ACTION_RENAMED_NEW_NAME,
    FILE_ACTION_RENAMED_OLD_NAME,
    FILE_NOTIFY_CHANGE_DIR_NAME,
    FILE_NOTIFY_CHANGE_FILE_NAME,
    FILE_NOTIFY_CHANGE_LAST_WRITE,
)
from vfs.notify.change import Change
from vfs.notify.inotify import (
    IN_ATTRIB,
    IN_CREATE,
    IN_DELETE,
    IN_ISDIR,
    IN_MODIFY,
    IN_MOVED_FROM,
    IN_MOVED_TO,
    Event,
    Inotify,
)
from vfs.notify.local_changes import HOLD, REMEMBER, LocalChanges


class Feed:
    def __init__(self):
        self.now = 0.0
        self.ours = set()
        self.changes = LocalChanges(lambda path: path in self.ours, lambda: self.now)

    def event(self, mask, name=b"file", cookie=0, directory=b"/dir"):
        self.changes.event(directory, Event(1, mask, cookie, name))

    def told(self, action, path=b"/dir/file", completion_filter=FILE_NOTIFY_CHANGE_FILE_NAME):
        self.changes.told([Change(action, completion_filter, path)])

    def taken(self):
        self.now += HOLD
        return [[(change.action, change.path) for change in group] for group in self.changes.take()]


@pytest.fixture
def feed():
    return Feed()


@pytest.mark.parametrize(
    ("mask", "action"),
    [
        (IN_CREATE, FILE_ACTION_ADDED),
        (IN_DELETE, FILE_ACTION_REMOVED),
        (IN_MOVED_FROM, FILE_ACTION_REMOVED),
        (IN_MOVED_TO, FILE_ACTION_ADDED),
        (IN_MODIFY, FILE_ACTION_MODIFIED),
        (IN_ATTRIB, FILE_ACTION_MODIFIED),
    ],
)
def test_local_changes_come_out_after_a_moment(feed, mask, action):
    assert feed.changes.next_due() is None
    feed.event(mask)
    assert feed.changes.take() == []
    assert feed.changes.next_due() == HOLD
    assert feed.taken() == [[(action, b"/dir/file")]]
    assert feed.taken() == []


def test_directories_have_a_filter_of_their_own(feed):
    feed.event(IN_CREATE | IN_ISDIR)
    feed.now = HOLD
    ((change,),) = feed.changes.take()
    assert change.completion_filter == FILE_NOTIFY_CHANGE_DIR_NAME


def test_renames_are_paired(feed):
    feed.event(IN_MOVED_FROM, b"old", 7)
    feed.event(IN_CREATE, b"other")
    feed.event(IN_MOVED_TO, b"new", 7)
    assert feed.taken() == [
        [(FILE_ACTION_RENAMED_OLD_NAME, b"/dir/old"), (FILE_ACTION_RENAMED_NEW_NAME, b"/dir/new")],
        [(FILE_ACTION_ADDED, b"/dir/other")],
    ]


def test_moves_between_directories(feed):
    feed.event(IN_MOVED_FROM, b"file", 7)
    feed.event(IN_MOVED_TO, b"file", 7, b"/")
    assert feed.taken() == [[(FILE_ACTION_REMOVED, b"/dir/file"), (FILE_ACTION_ADDED, b"/file")]]


@pytest.mark.parametrize("event_first", [True, False])
@pytest.mark.parametrize(
    ("mask", "action"),
    [
        (IN_CREATE, FILE_ACTION_ADDED),
        (IN_DELETE, FILE_ACTION_REMOVED),
        (IN_MOVED_TO, FILE_ACTION_RENAMED_NEW_NAME),
        (IN_MOVED_FROM, FILE_ACTION_RENAMED_OLD_NAME),
        (IN_MODIFY, FILE_ACTION_MODIFIED),
        (IN_ATTRIB, FILE_ACTION_MODIFIED),
    ],
)
def test_the_servers_own_change_is_not_reported_again(feed, mask, action, event_first):
    steps = [lambda: feed.event(mask), lambda: feed.told(action)]
    for step in steps if event_first else reversed(steps):
        step()
    assert feed.taken() == []


def test_creation_by_the_server_takes_several_steps(feed):
    feed.event(IN_CREATE)
    feed.event(IN_ATTRIB)
    feed.told(FILE_ACTION_ADDED)
    feed.event(IN_ATTRIB)
    feed.event(IN_MODIFY)
    assert feed.taken() == []


def test_one_told_name_pairs_with_one_event(feed):
    feed.told(FILE_ACTION_ADDED)
    feed.event(IN_CREATE)
    feed.event(IN_DELETE)
    feed.event(IN_CREATE)
    assert feed.taken() == [[(FILE_ACTION_REMOVED, b"/dir/file")], [(FILE_ACTION_ADDED, b"/dir/file")]]


def test_what_was_told_is_forgotten(feed):
    feed.told(FILE_ACTION_ADDED)
    feed.now += REMEMBER
    feed.event(IN_CREATE)
    assert feed.taken() == [[(FILE_ACTION_ADDED, b"/dir/file")]]


def test_other_files_do_not_matter(feed):
    feed.told(FILE_ACTION_ADDED, b"/dir/other")
    feed.event(IN_CREATE)
    assert len(feed.taken()) == 1


def test_what_the_server_writes_is_its_own_to_tell(feed):
    feed.ours.add(b"/dir/file")
    feed.event(IN_MODIFY)
    feed.event(IN_DELETE)
    assert feed.taken() == [[(FILE_ACTION_REMOVED, b"/dir/file")]]


def test_a_long_local_write_is_one_change_at_a_time(feed):
    for _ in range(100):
        feed.event(IN_MODIFY)
    feed.now = HOLD
    ((change,),) = feed.changes.take()
    assert change.completion_filter & FILE_NOTIFY_CHANGE_LAST_WRITE


def test_inotify_itself(tmp_path):
    inotify = Inotify()
    try:
        wd = inotify.add(bytes(tmp_path))
        assert inotify.add(bytes(tmp_path)) == wd
        (tmp_path / "a").write_bytes(b"x")
        (tmp_path / "a").rename(tmp_path / "b")
        events = list(inotify.read())
        assert [(event.mask, event.name) for event in events] == [
            (IN_CREATE, b"a"), (IN_MODIFY, b"a"), (IN_MOVED_FROM, b"a"), (IN_MOVED_TO, b"b")
        ]
        assert events[2].cookie == events[3].cookie != 0
        assert list(inotify.read()) == []
        inotify.remove(wd)
        with pytest.raises(FileNotFoundError):
            inotify.add(bytes(tmp_path / "missing"))
        with pytest.raises(NotADirectoryError):
            inotify.add(bytes(tmp_path / "b"))
    finally:
        inotify.close()
