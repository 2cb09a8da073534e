"""notifyd: what it does with messages, deaths and configurations."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from messaging.dbwrap.memory import MemoryDb
from messaging.msg_types import MSG_SMB_NOTIFY_REC_CHANGES, MSG_SMB_NOTIFY_TRIGGER
from messaging.server_id import ServerId
from smbd.daemons.channel import ChildEnded
from smbd.daemons.kernel_feed import KernelFeed
from smbd.daemons.notifyd import NotifyState
from smbd.eventloop import EventLoop
from tests.unit.vfs_fsa.support import Share
from vfs.constants import (
    FILE_ACTION_ADDED,
    FILE_NOTIFY_CHANGE_ALL,
    FILE_NOTIFY_CHANGE_DIR_NAME,
    FILE_NOTIFY_CHANGE_FILE_NAME,
)
from vfs.notify.change import DIRECTORY_CHANGES_LOST, TRIGGER_CODEC, Change, Trigger
from vfs.notify.index import NotifyIndex
from vfs.notify.inotify import IN_Q_OVERFLOW, Event

ME, WORKER, WATCHER = (ServerId(pid, unique_id=pid) for pid in (1, 2, 3))


class FakeBus:
    def __init__(self):
        self.server_id = ME
        self.handlers = {}
        self.sent = []

    def register(self, msg_type, handler):
        self.handlers[msg_type] = handler

    def post(self, dest, msg_type, payload=b""):
        self.sent.append((dest, msg_type, TRIGGER_CODEC.decode(payload).changes))


class FakeHelper:
    def __init__(self, index, *, kernel=True):
        self.bus = FakeBus()
        self.loop = EventLoop()
        self.alive = {ME, WORKER, WATCHER}
        self.databases = SimpleNamespace(
            notify_index=index, share_modes=None, is_alive=lambda server_id: server_id in self.alive
        )
        self.config = self.configured(kernel=kernel)

    @staticmethod
    def configured(*, kernel):
        return SimpleNamespace(
            globals=SimpleNamespace(
                change_notify=True, kernel_change_notify=kernel, kernel_change_notify_directories=100
            )
        )

    def answer_common_messages(self):
        pass


@pytest.fixture
def index():
    return NotifyIndex(MemoryDb("notify_index", 0))


@pytest.fixture
def make(index):
    states = []

    def start(**options):
        helper = FakeHelper(index, **options)
        states.append((NotifyState(helper), helper))
        return states[-1]

    yield start
    for state, helper in states:
        if state._feed is not None:
            state._feed.close()
        helper.loop.close()


def interest(index, directory, server_id=WATCHER):
    index.enter(server_id)
    index.set_interest(bytes(directory), server_id, FILE_NOTIFY_CHANGE_ALL, 0)


def added(path):
    return Change(FILE_ACTION_ADDED, FILE_NOTIFY_CHANGE_FILE_NAME, bytes(path))


def test_it_makes_itself_known_and_watches_what_is_registered(index, make, tmp_path):
    interest(index, tmp_path)
    state, _ = make()
    assert index.notifyd() == ME
    assert list(state._feed._wds) == [bytes(tmp_path)]


def test_watches_of_the_dead_go_at_the_start_and_when_a_worker_dies(index, make, tmp_path):
    interest(index, tmp_path)
    interest(index, b"/nowhere", ServerId(9, unique_id=9))
    state, helper = make()
    assert list(index.directories()) == [bytes(tmp_path)]
    helper.alive.discard(WATCHER)
    helper.on_message(ChildEnded(3, clean=True))
    assert index.anyone()
    helper.on_message(ChildEnded(3, clean=False))
    assert not index.anyone()
    assert state._feed._wds == {}


def test_it_follows_the_register(index, make, tmp_path):
    state, helper = make()
    changed = helper.bus.handlers[MSG_SMB_NOTIFY_REC_CHANGES]
    interest(index, tmp_path)
    changed(WATCHER, bytes(tmp_path))
    assert list(state._feed._wds) == [bytes(tmp_path)]
    index.set_interest(bytes(tmp_path), WATCHER, 0, 0)
    changed(WATCHER, bytes(tmp_path))
    assert state._feed._wds == {}


@pytest.mark.parametrize("pass_on", [False, True])
def test_it_passes_on_what_it_is_asked_to(index, make, tmp_path, pass_on):
    _, helper = make()
    interest(index, tmp_path)
    interest(index, tmp_path, WORKER)
    change = added(tmp_path / "file")
    helper.bus.handlers[MSG_SMB_NOTIFY_TRIGGER](WORKER, TRIGGER_CODEC.encode(Trigger([change], pass_on)))
    # The worker that made the change has told its own watchers.
    assert helper.bus.sent == ([(WATCHER, MSG_SMB_NOTIFY_TRIGGER, [change])] if pass_on else [])


def test_a_damaged_message_does_no_harm(make, caplog):
    _, helper = make()
    helper.bus.handlers[MSG_SMB_NOTIFY_TRIGGER](WORKER, b"\x01garbage")
    assert "damaged" in caplog.text


def test_only_recursive_watches_reach_further_down(index, make, tmp_path):
    interest(index, tmp_path)
    (tmp_path / "dir").mkdir()
    state, helper = make()
    helper.loop.call_soon(lambda: None)
    helper.loop.turn()
    assert len(state._feed.trees) == 0
    index.set_interest(bytes(tmp_path), WATCHER, FILE_NOTIFY_CHANGE_ALL, FILE_NOTIFY_CHANGE_ALL)
    helper.bus.handlers[MSG_SMB_NOTIFY_REC_CHANGES](WATCHER, bytes(tmp_path))
    helper.loop.turn()
    assert len(state._feed.trees) == 1
    interest(index, tmp_path)
    helper.bus.handlers[MSG_SMB_NOTIFY_REC_CHANGES](WATCHER, bytes(tmp_path))
    assert len(state._feed.trees) == 0


def test_kernel_change_notify_can_be_turned_off_and_on(index, make, tmp_path):
    interest(index, tmp_path)
    state, helper = make(kernel=False)
    assert state._feed is None
    helper.bus.handlers[MSG_SMB_NOTIFY_REC_CHANGES](WATCHER, bytes(tmp_path))
    helper.on_reload(helper.configured(kernel=True))
    assert list(state._feed._wds) == [bytes(tmp_path)]
    helper.on_reload(helper.configured(kernel=False))
    assert state._feed is None


@pytest.fixture
def feed(tmp_path):
    clock = SimpleNamespace(now=0.0)
    loop = EventLoop(lambda: clock.now)
    told = []
    root = tmp_path / "root"
    root.mkdir()
    share = Share(root)
    feed = KernelFeed(loop, told.append, share.modes, limit=100)
    yield SimpleNamespace(feed=feed, loop=loop, clock=clock, told=told, root=root, share=share)
    feed.close()
    loop.close()
    share.close_all()


def run(feed):
    feed.loop.turn()
    feed.clock.now += 1
    feed.loop.call_soon(lambda: None)
    feed.loop.turn()


def test_a_local_change_is_told_once_its_time_is_up(feed):
    feed.feed.watch(bytes(feed.root), recursive=False)
    (feed.root / "file").touch()
    run(feed)
    assert feed.told[0] == [added(feed.root / "file")]


@pytest.mark.parametrize("heard_between", [False, True])
@pytest.mark.parametrize("read_before", [False, True])
def test_what_happened_between_two_watches_is_not_told(feed, heard_between, read_before):
    feed.feed.watch(bytes(feed.root), recursive=False)
    (feed.root / "file").touch()
    if read_before:
        feed.loop.turn()
    if heard_between:
        feed.feed.unwatch(bytes(feed.root))
    feed.feed.watch(bytes(feed.root), recursive=False)
    run(feed)
    assert feed.told == []
    (feed.root / "other").touch()
    run(feed)
    assert feed.told[0] == [added(feed.root / "other")]


def test_what_the_server_has_open_for_writing_is_not_told(feed):
    file = feed.share.create("file")
    feed.feed.watch(bytes(feed.root), recursive=False)
    (feed.root / "file").write_bytes(b"data")
    run(feed)
    assert feed.told == []
    assert file.fd >= 0


def test_a_directory_that_goes_takes_its_watch_along(feed):
    (feed.root / "dir").mkdir()
    feed.feed.watch(bytes(feed.root / "dir"), recursive=False)
    (feed.root / "dir").rmdir()
    feed.loop.turn()
    assert feed.feed._wds == {}
    feed.feed.unwatch(bytes(feed.root / "dir"))


def test_a_directory_that_cannot_be_watched_is_logged_once(feed, caplog):
    for name in ("a", "b"):
        feed.feed.watch(bytes(feed.root / name), recursive=False)
    assert caplog.text.count("go unnoticed") == 1


def test_lost_events_make_everybody_look(feed, monkeypatch):
    feed.feed.watch(bytes(feed.root), recursive=False)
    events = [Event(-1, IN_Q_OVERFLOW, 0, b"")]
    monkeypatch.setattr(feed.feed._inotify, "read", lambda: iter([events.pop()] if events else []))
    feed.feed._readable()
    assert feed.told == [[Change(DIRECTORY_CHANGES_LOST, 0, bytes(feed.root))]]


def test_a_burst_of_changes_does_not_wake_it_for_each(feed):
    feed.feed.watch(bytes(feed.root), recursive=False)
    read, looks = feed.feed._inotify.read, []

    def counted():
        looks.append(feed.clock.now)
        return read()

    feed.feed._inotify.read = counted
    for number in range(100):
        (feed.root / str(number)).mkdir()
        feed.clock.now += 0.001
        feed.loop.call_soon(lambda: None)
        feed.loop.turn()
    assert len(set(looks)) <= 10
    run(feed)
    run(feed)
    assert [change for changes in feed.told for change in changes] == [
        Change(FILE_ACTION_ADDED, FILE_NOTIFY_CHANGE_DIR_NAME, bytes(feed.root / str(number))) for number in range(100)
    ]
