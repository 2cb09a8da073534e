"""Change notification over real processes: from client to client, from local users, and when notifyd is killed."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

import pytest

from messaging.dbwrap.tdb import open_tdb
from smbd.wire.change_notify import ChangeNotifyResponse
from smbd.wire.constants import SMB2_WATCH_TREE
from smbd.wire.fscc.notify import unpack_notify
from tests.process.smbd_support import by_title, eventually, logged_in, new_server, running_server
from vfs.access import FILE_ALL_ACCESS, FILE_LIST_DIRECTORY
from vfs.constants import (
    FILE_ACTION_ADDED,
    FILE_ACTION_MODIFIED,
    FILE_ACTION_REMOVED,
    FILE_ACTION_RENAMED_NEW_NAME,
    FILE_ACTION_RENAMED_OLD_NAME,
    FILE_CREATE,
    FILE_DELETE_ON_CLOSE,
    FILE_DIRECTORY_FILE,
    FILE_NOTIFY_CHANGE_ALL,
    FILE_NOTIFY_CHANGE_FILE_NAME,
    FILE_NOTIFY_CHANGE_NAME,
    FILE_OPEN,
)
from vfs.notify.index import NotifyIndex
from vfs.ntstatus import STATUS_NOT_IMPLEMENTED, STATUS_SUCCESS

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server():
    with running_server() as running:
        yield running
        running.check_alive()


@pytest.fixture
def watcher(server):
    with logged_in(server) as session:
        yield session.tree_connect("tmp")


@pytest.fixture
def changer(server):
    with logged_in(server) as session:
        yield session.tree_connect("tmp")


@pytest.fixture
def root(server, request):
    """A directory of this test's own: its name, and where it is on disk."""
    path = server.share_path("tmp") / request.node.originalname
    path.mkdir()
    path.chmod(0o777)
    return path


def watch(tree, path, completion_filter=FILE_NOTIFY_CHANGE_NAME, *, flags=0):
    directory = tree.create(
        path.name, access=FILE_LIST_DIRECTORY, disposition=FILE_OPEN, options=FILE_DIRECTORY_FILE
    )
    pending = directory.send_notify(completion_filter, watch_flags=flags)
    assert pending.recv_interim() is not None
    return directory, pending


def changes(pending):
    response = pending.recv()
    assert response.status == STATUS_SUCCESS
    return [(one.action, one.name) for one in unpack_notify(response.body(ChangeNotifyResponse).data)]


def create(tree, name, **options):
    return tree.create(name, access=FILE_ALL_ACCESS, disposition=FILE_CREATE, **options)


def watched(server, path):
    """Whether the kernel watches a directory for notifyd."""
    found = path.stat()
    for pid in by_title(server, "notifyd"):
        for info in Path(f"/proc/{pid}/fdinfo").iterdir():
            with contextlib.suppress(OSError):
                if f"ino:{found.st_ino:x} " in info.read_text():
                    return True
    return False


def test_one_client_sees_what_the_other_does(watcher, changer, root):
    directory, pending = watch(watcher, root)
    began = time.monotonic()
    with contextlib.closing(create(changer, f"{root.name}\\file", options=FILE_DELETE_ON_CLOSE)):
        assert changes(pending) == [(FILE_ACTION_ADDED, "file")]
        assert time.monotonic() - began < 0.5
    assert changes(directory.send_notify(FILE_NOTIFY_CHANGE_NAME)) == [(FILE_ACTION_REMOVED, "file")]


def test_a_change_is_reported_once_although_the_kernel_tells_of_it_too(server, watcher, changer, root):
    directory, pending = watch(watcher, root, FILE_NOTIFY_CHANGE_ALL)
    eventually(lambda: watched(server, root))
    file = create(changer, f"{root.name}\\file")
    assert changes(pending)[0] == (FILE_ACTION_ADDED, "file")
    file.write(b"data")
    file.close()
    time.sleep(0.3)  # longer than the kernel's events are held back
    seen = changes(directory.send_notify(FILE_NOTIFY_CHANGE_ALL))
    assert set(seen) == {(FILE_ACTION_MODIFIED, "file")}
    assert len(seen) <= 2
    (root / "marker").touch()
    assert changes(directory.send_notify(FILE_NOTIFY_CHANGE_ALL))[0] == (FILE_ACTION_ADDED, "marker")


def test_local_changes_are_seen(server, watcher, root):
    directory, pending = watch(watcher, root)
    eventually(lambda: watched(server, root))
    (root / "local").touch()
    assert changes(pending) == [(FILE_ACTION_ADDED, "local")]
    (root / "local").rename(root / "renamed")
    assert changes(directory.send_notify(FILE_NOTIFY_CHANGE_NAME)) == [
        (FILE_ACTION_RENAMED_OLD_NAME, "local"),
        (FILE_ACTION_RENAMED_NEW_NAME, "renamed"),
    ]
    directory.close()
    eventually(lambda: not watched(server, root))


def test_notifyd_may_be_killed(server, watcher, changer, root):
    directory, pending = watch(watcher, root)
    eventually(lambda: watched(server, root))
    (old,) = by_title(server, "notifyd")
    os.kill(old, signal.SIGKILL)
    # The clients do not need it among themselves ...
    create(changer, f"{root.name}\\file").close()
    assert changes(pending) == [(FILE_ACTION_ADDED, "file")]
    # ... and its successor knows what to watch.
    eventually(lambda: old not in by_title(server, "notifyd") and watched(server, root))
    (root / "local").touch()
    assert changes(directory.send_notify(FILE_NOTIFY_CHANGE_NAME)) == [(FILE_ACTION_ADDED, "local")]


def test_watches_of_a_killed_worker_are_gone(server, root):
    index = NotifyIndex(open_tdb(str(server.directory / "lock" / "notify_index.tdb"), lock_order=0, read_only=True))
    with logged_in(server) as session:
        eventually(lambda: len(by_title(server, "client")) == 1)
        watch(session.tree_connect("tmp"), root)
        assert index.anyone()
        assert index.interests(bytes(root))
        (worker,) = by_title(server, "client")
        os.kill(worker, signal.SIGKILL)
        eventually(lambda: not index.anyone())
        assert index.interests(bytes(root)) == []
    eventually(lambda: not watched(server, root))


def test_thousands_of_watches(server, watcher, changer, root):
    count = 2000
    pending = {}
    for number in range(count):
        (root / f"d{number}").mkdir(mode=0o777)
    for number in range(count):
        path = root / f"d{number}"
        directory = watcher.create(
            f"{root.name}\\{path.name}", access=FILE_LIST_DIRECTORY, disposition=FILE_OPEN, options=FILE_DIRECTORY_FILE
        )
        pending[number] = directory.send_notify(FILE_NOTIFY_CHANGE_FILE_NAME)
        assert pending[number].recv_interim() is not None
    _, deep = watch(watcher, root, FILE_NOTIFY_CHANGE_FILE_NAME, flags=SMB2_WATCH_TREE)
    for number in (0, count // 2, count - 1):
        (root / f"d{number}").chmod(0o777)
        create(changer, f"{root.name}\\d{number}\\file").close()
        assert changes(pending[number]) == [(FILE_ACTION_ADDED, "file")]
    assert changes(deep)[0] == (FILE_ACTION_ADDED, "d0\\file")


def collect(directory, pending, last):
    """Return all changes of names until the one of `last`."""
    seen = []
    while last not in (seen := seen + changes(pending)):
        pending = directory.send_notify(FILE_NOTIFY_CHANGE_NAME)
    return sorted(seen)


def test_local_changes_deep_in_a_tree_are_seen(server, watcher, root):
    for number in range(2000):
        (root / f"d{number // 50}" / f"e{number}").mkdir(parents=True)
    directory, pending = watch(watcher, root, flags=SMB2_WATCH_TREE)
    eventually(lambda: all(watched(server, root / f"d{n // 50}" / f"e{n}") for n in (0, 999, 1999)))
    (root / "d19" / "e999" / "file").touch()
    assert changes(pending) == [(FILE_ACTION_ADDED, "d19\\e999\\file")]
    (root / "new" / "below").mkdir(parents=True)
    (root / "new" / "below" / "file").touch()
    wanted = [(FILE_ACTION_ADDED, name) for name in ("new", "new\\below", "new\\below\\file")]
    assert collect(directory, directory.send_notify(FILE_NOTIFY_CHANGE_NAME), wanted[-1]) == wanted
    (root / "new").rename(root / "d0" / "moved")
    (root / "d0" / "moved" / "below" / "late").touch()
    last = (FILE_ACTION_ADDED, "d0\\moved\\below\\late")
    assert collect(directory, directory.send_notify(FILE_NOTIFY_CHANGE_NAME), last) == sorted(
        [(FILE_ACTION_REMOVED, "new"), (FILE_ACTION_ADDED, "d0\\moved"), last]
    )
    directory.close()
    eventually(lambda: not watched(server, root / "d0" / "e0"))


def test_what_clients_do_deep_in_a_tree_is_told_once(server, watcher, changer, root):
    (root / "a" / "b").mkdir(parents=True)
    (root / "a" / "b").chmod(0o777)
    directory, pending = watch(watcher, root, flags=SMB2_WATCH_TREE)
    eventually(lambda: watched(server, root / "a" / "b"))
    changer.mkdir(f"{root.name}\\a\\b\\new")
    for name in ("new\\one", "new\\two", "three"):
        create(changer, f"{root.name}\\a\\b\\{name}").close()
    time.sleep(0.5)  # longer than the kernel's events are held back
    (root / "marker").touch()
    names = ("a\\b\\new", "a\\b\\new\\one", "a\\b\\new\\two", "a\\b\\three", "marker")
    wanted = sorted((FILE_ACTION_ADDED, name) for name in names)
    assert collect(directory, pending, (FILE_ACTION_ADDED, "marker")) == wanted


def test_turned_off():
    with new_server() as server:
        server.write_conf({"change notify": "no"})
        with server, logged_in(server) as session:
            directory = session.tree_connect("tmp").create(
                "", access=FILE_LIST_DIRECTORY, disposition=FILE_OPEN, options=FILE_DIRECTORY_FILE
            )
            assert directory.send_notify(FILE_NOTIFY_CHANGE_ALL).recv().status == STATUS_NOT_IMPLEMENTED
