"""What watchers are told of the operations of the object store."""

from __future__ import annotations

import pytest

from messaging.bus import MAX_POST, Bus
from messaging.dbwrap.memory import MemoryDb
from messaging.errors import MessagingError
from messaging.msg_types import MSG_SMB_NOTIFY_REC_CHANGES, MSG_SMB_NOTIFY_TRIGGER
from messaging.poll_reactor import PollReactor
from messaging.server_id import ServerId, new_server_id
from tests.unit.vfs_fsa.support import Share
from vfs.access import FILE_LIST_DIRECTORY, FILE_READ_ATTRIBUTES
from vfs.constants import (
    FILE_ACTION_ADDED,
    FILE_ACTION_MODIFIED,
    FILE_ACTION_REMOVED,
    FILE_ACTION_RENAMED_NEW_NAME,
    FILE_ACTION_RENAMED_OLD_NAME,
    FILE_ATTRIBUTE_HIDDEN,
    FILE_NOTIFY_CHANGE_ALL,
    FILE_NOTIFY_CHANGE_ATTRIBUTES,
    FILE_NOTIFY_CHANGE_CREATION,
    FILE_NOTIFY_CHANGE_DIR_NAME,
    FILE_NOTIFY_CHANGE_FILE_NAME,
    FILE_NOTIFY_CHANGE_LAST_WRITE,
    FILE_NOTIFY_CHANGE_NAME,
    FILE_NOTIFY_CHANGE_SIZE,
)
from vfs.fsa import change_notify, link, set_info, write
from vfs.fsa.close import close_file
from vfs.fsa.rename import rename
from vfs.notify.change import TRIGGER_CODEC, Change
from vfs.notify.index import NotifyIndex
from vfs.notify.notifier import MAX_TOLD_DIRECTLY, NOTIFYD_DELAY, Notifier
from vfs.notify.watch import Watch
from vfs.ntstatus import (
    STATUS_ACCESS_DENIED,
    STATUS_DELETE_PENDING,
    STATUS_INVALID_PARAMETER,
    STATUS_NOT_IMPLEMENTED,
    NTStatusError,
)

PLENTY = 65536


class Watched(Share):
    """A share with change notification."""

    def __init__(self, root, bus):
        super().__init__(root)
        self.index = NotifyIndex(MemoryDb("notify_index", 0))
        self.bus = bus
        self.notifier = Notifier(self.index, bus, kernel=True)
        self.volume.notifier = self.notifier

    def watch(self, path="", completion_filter=FILE_NOTIFY_CHANGE_ALL, *, recursive=False):
        fo = self.open(path, FILE_LIST_DIRECTORY)
        return change_notify.watch(fo, completion_filter, PLENTY, recursive=recursive)

    def seen(self, watch):
        self.bus.reactor.run_once(0)
        coroutine = watch.collect(PLENTY)
        try:
            coroutine.send(None)
        except StopIteration as stop:
            return [(change.action, change.name) for change in stop.value]
        coroutine.close()
        return []


@pytest.fixture
def share(tmp_path):
    for directory in ("root", "locks"):
        (tmp_path / directory).mkdir()
    bus = Bus(str(tmp_path / "locks"), new_server_id(), PollReactor())
    share = Watched(tmp_path / "root", bus)
    yield share
    share.close_all()
    bus.close()


def test_create_and_delete(share):
    names = share.watch(completion_filter=FILE_NOTIFY_CHANGE_FILE_NAME)
    directories = share.watch(completion_filter=FILE_NOTIFY_CHANGE_DIR_NAME)
    file, directory = share.create("File"), share.mkdir("dir")
    for fo in (file, directory):
        set_info.set_disposition(fo, True)
        close_file(fo)
    assert share.seen(names) == [(FILE_ACTION_ADDED, "File"), (FILE_ACTION_REMOVED, "File")]
    assert share.seen(directories) == [(FILE_ACTION_ADDED, "dir"), (FILE_ACTION_REMOVED, "dir")]


def test_depth(share):
    close_file(share.mkdir("a"))
    close_file(share.mkdir("a\\b"))
    here, below = (share.watch("a", FILE_NOTIFY_CHANGE_NAME, recursive=deep) for deep in (False, True))
    share.create("a\\b\\file")
    share.create("a\\file")
    share.create("file")
    assert share.seen(here) == [(FILE_ACTION_ADDED, "file")]
    assert share.seen(below) == [(FILE_ACTION_ADDED, "b\\file"), (FILE_ACTION_ADDED, "file")]


def test_rename_is_a_pair_and_told_of_once_more_at_close(share):
    file = share.create("old")
    watch = share.watch(completion_filter=FILE_NOTIFY_CHANGE_NAME | FILE_NOTIFY_CHANGE_CREATION)
    rename(file, "new", False)
    assert share.seen(watch) == [(FILE_ACTION_RENAMED_OLD_NAME, "old"), (FILE_ACTION_RENAMED_NEW_NAME, "new")]
    close_file(file)
    assert share.seen(watch) == [(FILE_ACTION_MODIFIED, "new")]


def test_move_is_a_removal_and_an_addition(share):
    close_file(share.mkdir("dir"))
    file = share.create("file")
    top, deep = (share.watch(completion_filter=FILE_NOTIFY_CHANGE_NAME, recursive=deep) for deep in (False, True))
    rename(file, "dir\\file", False)
    assert share.seen(top) == [(FILE_ACTION_REMOVED, "file")]
    assert share.seen(deep) == [(FILE_ACTION_REMOVED, "file"), (FILE_ACTION_ADDED, "dir\\file")]


def test_link(share):
    file = share.create("file")
    watch = share.watch()
    link.link(file, "second", False)
    assert share.seen(watch) == [(FILE_ACTION_ADDED, "second")]


def test_writes_are_told_of_at_the_first_and_at_the_close(share):
    file = share.create("file")
    watch = share.watch(completion_filter=FILE_NOTIFY_CHANGE_LAST_WRITE)
    for _ in range(3):
        write.write(file, 0, memoryview(b"data"))
    assert share.seen(watch) == [(FILE_ACTION_MODIFIED, "file")]
    close_file(file)
    assert share.seen(watch) == [(FILE_ACTION_MODIFIED, "file")]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((0, 0, 0, 0, FILE_ATTRIBUTE_HIDDEN), FILE_NOTIFY_CHANGE_ATTRIBUTES),
        ((130000000000000000, 0, 0, 0, 0), FILE_NOTIFY_CHANGE_CREATION),
        ((0, 0, 130000000000000000, 0, 0), FILE_NOTIFY_CHANGE_LAST_WRITE),
        ((0, 0, -1, 0, 0), 0),
    ],
)
def test_basic_information(share, arguments, expected):
    file = share.create("file")
    bits = [FILE_NOTIFY_CHANGE_ATTRIBUTES, FILE_NOTIFY_CHANGE_CREATION, FILE_NOTIFY_CHANGE_LAST_WRITE]
    watches = {bit: share.watch(completion_filter=bit) for bit in bits}
    set_info.set_basic(file, *arguments)
    assert sum(bit for bit, watch in watches.items() if share.seen(watch)) == expected


def test_end_of_file(share):
    file = share.create("file")
    watch = share.watch(completion_filter=FILE_NOTIFY_CHANGE_SIZE)
    set_info.set_end_of_file(file, 10)
    set_info.set_end_of_file(file, 10)
    assert share.seen(watch) == [(FILE_ACTION_MODIFIED, "file")]


def test_deleting_the_watched_directory(share):
    directory = share.mkdir("dir")
    watch = share.watch("dir")
    set_info.set_disposition(directory, True)
    with pytest.raises(NTStatusError) as caught:
        share.seen(watch)
    assert caught.value.status == STATUS_DELETE_PENDING


def test_a_directory_that_is_about_to_go_cannot_be_watched(share):
    directory, other = share.mkdir("dir"), share.open("dir", FILE_LIST_DIRECTORY)
    set_info.set_disposition(directory, True)
    close_file(directory)
    with pytest.raises(NTStatusError) as caught:
        share.seen(change_notify.watch(other, FILE_NOTIFY_CHANGE_ALL, PLENTY, recursive=False))
    assert caught.value.status == STATUS_DELETE_PENDING


def test_a_watch_follows_its_directory(share):
    directory = share.mkdir("old")
    watch = share.watch("old", FILE_NOTIFY_CHANGE_NAME)
    rename(directory, "new", False)
    share.bus.reactor.run_once(0)
    share.create("new\\file")
    assert share.seen(watch) == [(FILE_ACTION_ADDED, "file")]


def test_the_first_request_decides(share):
    directory = share.open("", FILE_LIST_DIRECTORY)
    watch = change_notify.watch(directory, FILE_NOTIFY_CHANGE_DIR_NAME, 100, recursive=False)
    again = change_notify.watch(directory, FILE_NOTIFY_CHANGE_ALL, PLENTY, recursive=True)
    assert again is watch
    assert (watch.completion_filter, watch.recursive, watch.max_length) == (FILE_NOTIFY_CHANGE_DIR_NAME, False, 100)


def test_who_may_watch(share):
    for fo, status in (
        (share.create("file"), STATUS_INVALID_PARAMETER),
        (share.open("", FILE_READ_ATTRIBUTES), STATUS_ACCESS_DENIED),
    ):
        with pytest.raises(NTStatusError) as caught:
            change_notify.watch(fo, FILE_NOTIFY_CHANGE_ALL, PLENTY, recursive=False)
        assert caught.value.status == status
    share.volume.notifier = None
    with pytest.raises(NTStatusError) as caught:
        share.watch()
    assert caught.value.status == STATUS_NOT_IMPLEMENTED


def test_closing_ends_the_watch_and_the_register_is_empty_again(share):
    watches = [share.watch() for _ in range(3)]
    assert share.index.anyone()
    assert share.notifier.statistics() == {"directories": 1, "watches": 3}
    share.close_all()
    assert not share.index.anyone()
    assert list(share.index.directories()) == []
    assert all(watch.directory == str(share.root).encode() for watch in watches)
    share.opens.clear()


def test_without_watches_nothing_is_looked_up_or_sent(share, monkeypatch):
    monkeypatch.setattr(share.notifier, "tell", lambda _: pytest.fail("told"))
    file = share.create("file")
    rename(file, "other", False)
    close_file(file)


class Recorder:
    """Stands for a bus that has many peers."""

    def __init__(self, dead=()):
        self.server_id = ServerId(1, unique_id=1)
        self.sent = []
        self.dead = dead
        self.reactor = PollReactor()

    def register(self, *_):
        pass

    def post(self, dest, msg_type, payload=b""):
        if dest in self.dead:
            raise MessagingError("gone")
        self.sent.append((dest, msg_type, payload))


NOTIFYD = ServerId(2, unique_id=2)
PEER = ServerId(3, unique_id=3)


@pytest.mark.parametrize(("count", "alive"), [(3, True), (MAX_TOLD_DIRECTLY + 1, True), (MAX_TOLD_DIRECTLY + 1, False)])
def test_a_large_audience_is_told_by_notifyd_if_it_lives(count, alive):
    index = NotifyIndex(MemoryDb("notify_index", 0))
    index.publish_notifyd(NOTIFYD)
    peers = [ServerId(pid, unique_id=pid) for pid in range(10, 10 + count)]
    for peer in peers:
        index.set_interest(b"/dir", peer, FILE_NOTIFY_CHANGE_ALL, 0)
    bus = Recorder(dead=() if alive else (NOTIFYD,))
    change = Change(FILE_ACTION_ADDED, FILE_NOTIFY_CHANGE_FILE_NAME, b"/dir/file")
    notifier = Notifier(index, bus, kernel=True)  # type: ignore[arg-type]
    notifier.tell([change])
    notifier.flush()
    by_notifyd = count > MAX_TOLD_DIRECTLY and alive
    assert all(msg_type == MSG_SMB_NOTIFY_TRIGGER for _, msg_type, _ in bus.sent)
    assert {dest for dest, _, _ in bus.sent} == ({NOTIFYD} if by_notifyd else {*peers, *([NOTIFYD] if alive else [])})
    for dest, _, payload in bus.sent:
        trigger = TRIGGER_CODEC.decode(payload)
        assert trigger.changes == [change]
        assert trigger.pass_on == (by_notifyd and dest == NOTIFYD)


def test_notifyd_hears_of_directories_once():
    index = NotifyIndex(MemoryDb("notify_index", 0))
    index.publish_notifyd(NOTIFYD)
    bus = Recorder()
    notifier = Notifier(index, bus, kernel=True)  # type: ignore[arg-type]
    watches = [Watch(b"/dir", bit, recursive=False, max_length=0) for bit in (1, 2)]
    for watch in watches:
        notifier.add(watch)
    for watch in watches:
        notifier.remove(watch)
    assert bus.sent == [(NOTIFYD, MSG_SMB_NOTIFY_REC_CHANGES, b"/dir")] * 2


def test_notifyd_learns_of_many_changes_by_one_message():
    index = NotifyIndex(MemoryDb("notify_index", 0))
    index.publish_notifyd(NOTIFYD)
    index.set_interest(b"/dir", PEER, FILE_NOTIFY_CHANGE_ALL, 0)
    bus = Recorder()
    notifier = Notifier(index, bus, kernel=True)  # type: ignore[arg-type]
    changes = [Change(FILE_ACTION_ADDED, FILE_NOTIFY_CHANGE_FILE_NAME, b"/dir/%d" % number) for number in range(5)]
    for change in changes:
        notifier.tell([change])
    assert [dest for dest, _, _ in bus.sent] == [PEER] * 5
    bus.reactor.run_for(2 * NOTIFYD_DELAY)
    ((dest, _, payload),) = bus.sent[5:]
    assert (dest, TRIGGER_CODEC.decode(payload).changes) == (NOTIFYD, changes)
    notifier.flush()
    assert len(bus.sent) == 6


def test_a_long_list_of_changes_is_sent_in_parcels_that_part_no_rename():
    name = b"/dir/" + bytes(4000)
    old, new = (Change(action, 1, name) for action in (FILE_ACTION_RENAMED_OLD_NAME, FILE_ACTION_RENAMED_NEW_NAME))
    index = NotifyIndex(MemoryDb("notify_index", 0))
    bus = Recorder()
    Notifier(index, bus, kernel=True).send({PEER: [old, new] * 20})  # type: ignore[arg-type]
    parcels = [TRIGGER_CODEC.decode(payload).changes for _, _, payload in bus.sent]
    assert [change for parcel in parcels for change in parcel] == [old, new] * 20
    assert all(parcel[0] == old and parcel[-1] == new for parcel in parcels)
    assert all(len(payload) <= MAX_POST for _, _, payload in bus.sent)
    assert len(parcels) < 10
