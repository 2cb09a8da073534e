"""Recursive watches of local changes: real directories, real inotify, a clock of our own."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from smbd.daemons.kernel_feed import KernelFeed
from smbd.eventloop import EventLoop
from tests.unit.vfs_fsa.support import Share
from vfs.constants import (
    FILE_ACTION_ADDED,
    FILE_ACTION_REMOVED,
    FILE_ACTION_RENAMED_NEW_NAME,
    FILE_ACTION_RENAMED_OLD_NAME,
    FILE_NOTIFY_CHANGE_DIR_NAME,
    FILE_NOTIFY_CHANGE_FILE_NAME,
    FILE_NOTIFY_CHANGE_NAME,
)
from vfs.modules import side_files
from vfs.notify.change import DIRECTORY_CHANGES_LOST, Change
from vfs.notify.inotify import IN_Q_OVERFLOW, Event


class World:
    """A feed and what it has told of names."""

    def __init__(self, root: Path, limit: int = 1000) -> None:
        self.root = root
        self.clock = 0.0
        self.loop = EventLoop(lambda: self.clock)
        self._changes: list[Change] = []
        self._share = Share(root)
        self.feed = KernelFeed(self.loop, self._changes.extend, self._share.modes, limit)

    def watch(self, path: Path | None = None, *, recursive: bool = True) -> None:
        self.feed.watch(bytes(path or self.root), recursive=recursive)
        self.settle()

    def settle(self) -> None:
        for _ in range(100):
            self.clock += 0.001  # the feed looks now and then
            self.loop.call_soon(lambda: None)
            self.loop.turn()

    def told(self) -> list[tuple[int, str]]:
        """Return the changes of names since the last call, sorted: several directories have no common order."""
        self.settle()
        self.clock += 1
        self.settle()
        root = bytes(self.root)
        found = [
            (one.action, os.fsdecode(one.path[len(root) + 1 :]))
            for one in self._changes
            if one.action < 0 or one.completion_filter & FILE_NOTIFY_CHANGE_NAME
        ]
        self._changes.clear()
        return sorted(found)

    def server_tells(self, *names: str) -> None:
        self.feed.told(
            [Change(FILE_ACTION_ADDED, FILE_NOTIFY_CHANGE_FILE_NAME, bytes(self.root / name)) for name in names]
        )

    def close(self) -> None:
        self.feed.close()
        self.loop.close()
        self._share.close_all()


@pytest.fixture
def world(tmp_path):
    root = tmp_path / "root"
    (root / "a" / "b").mkdir(parents=True)
    made = World(root)
    yield made
    made.close()


def added(*names):
    return [(FILE_ACTION_ADDED, name) for name in sorted(names)]


def test_changes_further_down_are_told(world):
    world.watch()
    (world.root / "a" / "b" / "file").touch()
    assert world.told() == added("a/b/file")
    (world.root / "a" / "b" / "file").unlink()
    assert world.told() == [(FILE_ACTION_REMOVED, "a/b/file")]


def test_a_watch_that_is_not_recursive_costs_no_other(world):
    world.watch(recursive=False)
    (world.root / "a" / "file").touch()
    assert world.told() == []
    assert len(world.feed.trees) == 0


def test_everything_in_new_directories_is_told_once(world):
    world.watch()
    for name in ("a/new/x/y", "n1", "n2/deep"):
        (world.root / name).mkdir(parents=True)
        (world.root / name / "file").touch()
    assert world.told() == added(
        "a/new", "a/new/x", "a/new/x/y", "a/new/x/y/file", "n1", "n1/file", "n2", "n2/deep", "n2/deep/file"
    )
    (world.root / "n2" / "deep" / "late").touch()
    assert world.told() == added("n2/deep/late")


def test_what_appears_while_a_new_directory_is_looked_at_is_told_once(world, monkeypatch):
    world.watch()
    drain = world.feed.trees._drain

    def more_happens():
        (world.root / "new" / "between").touch()
        (world.root / "new" / "gone").unlink()
        drain()

    monkeypatch.setattr(world.feed.trees, "_drain", more_happens)
    (world.root / "new").mkdir()
    (world.root / "new" / "first").touch()
    (world.root / "new" / "gone").touch()
    assert world.told() == [*added("new", "new/between", "new/first"), (FILE_ACTION_REMOVED, "new/gone")]


def test_what_clients_put_into_a_new_directory_is_theirs_to_tell(world):
    world.watch()
    (world.root / "new").mkdir()
    (world.root / "new" / "file").touch()
    world.server_tells("new", "new/file")
    assert world.told() == []


def test_a_renamed_directory_keeps_its_watches(world):
    world.watch()
    (world.root / "a" / "b" / "before").touch()
    (world.root / "a").rename(world.root / "z")
    (world.root / "z" / "b" / "after").touch()
    assert world.told() == sorted(
        [
            *added("a/b/before", "z/b/after"),
            (FILE_ACTION_RENAMED_OLD_NAME, "a"),
            (FILE_ACTION_RENAMED_NEW_NAME, "z"),
        ]
    )
    assert len(world.feed.trees) == 2


def test_a_directory_that_is_renamed_at_once_is_found_by_its_new_name(world, monkeypatch):
    world.watch()
    drain = world.feed.trees._drain

    def renamed():
        (world.root / "new").rename(world.root / "final")
        drain()
        monkeypatch.undo()

    monkeypatch.setattr(world.feed.trees, "_drain", renamed)
    (world.root / "new" / "inner").mkdir(parents=True)
    world.told()
    (world.root / "final" / "inner" / "file").touch()
    assert world.told() == added("final/inner/file")


def test_a_directory_that_was_renamed_before_it_was_looked_at(world):
    world.watch()
    (world.root / "new" / "inner").mkdir(parents=True)
    (world.root / "new").rename(world.root / "final")
    world.told()
    (world.root / "final" / "inner" / "file").touch()
    assert world.told() == added("final/inner/file")


def test_directories_join_and_leave_the_tree_by_renames(world, tmp_path):
    world.watch()
    (world.root / "a").rename(tmp_path / "outside")
    assert world.told() == [(FILE_ACTION_REMOVED, "a")]
    assert len(world.feed.trees) == 0
    (tmp_path / "outside" / "b" / "file").touch()
    assert world.told() == []
    (tmp_path / "outside").rename(world.root / "back")
    assert world.told() == added("back")
    (world.root / "back" / "b" / "other").touch()
    assert world.told() == added("back/b/other")


def test_removed_directories_take_their_watches_along(world):
    world.watch()
    (world.root / "a" / "b").rmdir()
    (world.root / "a").rmdir()
    assert world.told() == [(FILE_ACTION_REMOVED, "a"), (FILE_ACTION_REMOVED, "a/b")]
    assert len(world.feed.trees) == 0


def test_a_watch_within_a_tree_comes_and_goes_without_it(world):
    world.watch()
    inner = world.root / "a" / "b"
    world.watch(inner, recursive=False)
    (inner / "one").touch()
    assert world.told() == added("a/b/one")
    world.feed.unwatch(bytes(inner))
    (inner / "two").touch()
    assert world.told() == added("a/b/two")


def test_a_tree_within_a_tree_outlives_it(world):
    world.watch(world.root / "a")
    world.watch()
    assert len(world.feed.trees) == 2
    world.feed.unwatch(bytes(world.root))
    assert len(world.feed.trees) == 1
    (world.root / "a" / "b" / "file").touch()
    assert world.told() == added("a/b/file")
    world.feed.unwatch(bytes(world.root / "a"))
    assert len(world.feed.trees) == 0


def test_a_watch_that_is_no_longer_recursive(world):
    world.watch()
    world.watch(recursive=False)
    assert len(world.feed.trees) == 0
    (world.root / "a" / "b" / "file").touch()
    (world.root / "file").touch()
    assert world.told() == added("file")


def test_after_lost_events_the_tree_is_walked_again(world, monkeypatch):
    world.watch()
    (world.root / "unheard" / "of").mkdir(parents=True)
    read = world.feed._inotify.read
    list(read())
    with monkeypatch.context() as patch:
        events = [Event(-1, IN_Q_OVERFLOW, 0, b"")]
        patch.setattr(world.feed._inotify, "read", lambda: iter([events.pop()] if events else []))
        world.feed._readable()
    assert world.told() == [(DIRECTORY_CHANGES_LOST, "")]
    (world.root / "unheard" / "of" / "file").touch()
    assert world.told() == added("unheard/of/file")
    assert len(world.feed.trees) == 4


def test_the_number_of_directories_is_limited(tmp_path, caplog):
    for number in range(20):
        (tmp_path / "root" / str(number)).mkdir(parents=True)
    world = World(tmp_path / "root", limit=10)
    world.watch()
    assert len(world.feed.trees) == 10
    assert caplog.text.count("go unnoticed") == 1
    world.close()


def test_links_are_not_followed(world, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (world.root / "link").symlink_to(outside)
    world.watch()
    (world.root / "new").symlink_to(outside)
    (outside / "file").touch()
    assert world.told() == added("new")
    assert len(world.feed.trees) == 2


def test_side_files_are_nobodys_business(world):
    hidden = world.root / os.fsdecode(side_files.DIRECTORY)
    world.watch()
    hidden.mkdir()
    (hidden / "file").touch()
    assert world.told() == []
    world.feed.trees.walk_again()
    (hidden / "other").touch()
    assert world.told() == []


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a file system")
def test_a_tree_ends_at_the_border_of_its_file_system(world):
    subprocess.run(["/bin/mount", "-t", "tmpfs", "none", world.root / "a"], check=True)
    try:
        (world.root / "a" / "c").mkdir()
        world.watch()
        assert len(world.feed.trees) == 0
    finally:
        subprocess.run(["/bin/umount", world.root / "a"], check=True)


def test_thousands_of_directories(tmp_path):
    for number in range(3000):
        (tmp_path / "root" / str(number // 60) / str(number)).mkdir(parents=True)
    world = World(tmp_path / "root", limit=10_000)
    world.watch()
    assert len(world.feed.trees) == 3050
    names = [f"{number // 60}/{number}/file" for number in range(3000)]
    for name in names:
        (world.root / name).touch()
    assert world.told() == added(*names)
    (world.root / "0").rename(world.root / "renamed")
    world.told()
    (world.root / "renamed" / "7" / "other").touch()
    assert world.told() == added("renamed/7/other")
    world.feed.unwatch(bytes(world.root))
    assert len(world.feed.trees) == 0
    world.close()


def test_the_filter_of_names_tells_directories_from_files(world):
    seen: list[Change] = []
    world.feed._tell = seen.extend
    world.watch()
    (world.root / "a" / "b" / "dir" / "inner").mkdir(parents=True)
    world.told()
    assert {one.completion_filter for one in seen} == {FILE_NOTIFY_CHANGE_DIR_NAME}
