"""Tables of names that follow their directories while these keep changing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from vfs.posix import name_cache, name_watch
from vfs.posix.name_cache import NameCache
from vfs.posix.names import fold
from vfs.posix.syscalls import fstatx


class Directory:
    """A directory and what a server asks about it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.fd = os.open(path, os.O_RDONLY)
        self.cache = NameCache()

    def spelling(self, name: str) -> str | None:
        stat = fstatx(self.fd)
        names = self.cache.table(stat)
        if names is None:
            names = self.cache.fill(stat, self.fd)
        return names.get(fold(name))


@pytest.fixture
def large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Directory]:
    monkeypatch.setattr(name_cache, "WATCH_FROM", 3)
    for name in ("One", "Two", "Three"):
        (tmp_path / name).touch()
    directory = Directory(tmp_path)
    if not name_watch.is_local(directory.fd):
        pytest.skip("not a local file system")
    # Just changed, so the first table is not kept; the second one is watched.
    assert directory.spelling("one") == "One"
    assert directory.spelling("one") == "One"
    assert directory.cache.scans == 2
    yield directory
    directory.cache.close()
    os.close(directory.fd)


def test_changes_cost_no_further_reading(large: Directory) -> None:
    for number in range(20):
        (large.path / f"New{number}").touch()
        assert large.spelling(f"NEW{number}") == f"New{number}"
        assert large.spelling(f"missing{number}") is None
    (large.path / "New3").unlink()
    assert large.spelling("new3") is None
    (large.path / "New4").rename(large.path / "Moved")
    assert large.spelling("new4") is None
    assert large.spelling("MOVED") == "Moved"
    (large.path / "Moved").rename(large.path / "mOVED")
    assert large.spelling("moved") == "mOVED"
    assert large.cache.scans == 2
    assert large.cache.statistics()["names"] == 3 + 20 - 1


def test_two_spellings_of_one_name(large: Directory) -> None:
    (large.path / "TWO").touch()
    assert large.spelling("two") == "Two"
    (large.path / "Two").unlink()
    assert large.spelling("two") == "TWO"
    assert large.cache.scans == 3
    (large.path / "TWO").unlink()
    assert large.spelling("two") is None


def test_a_removed_directory_has_no_names(large: Directory) -> None:
    for entry in list(large.path.iterdir()):
        entry.unlink()
    large.path.rmdir()
    assert large.spelling("one") is None
    assert large.cache.statistics()["names"] == 0


def test_an_overflow_forgets_what_is_watched(large: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    stat = fstatx(large.fd)
    overflow = name_watch.Change((stat.dev, stat.ino))
    monkeypatch.setattr(name_watch.NameWatches, "changes", lambda _self: iter([overflow]))
    assert large.cache.table(stat) is None


def test_where_nothing_can_be_watched_times_decide(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(name_cache, "WATCH_FROM", 1)
    monkeypatch.setattr(name_watch, "is_local", lambda _fd: False)
    (tmp_path / "One").touch()
    directory = Directory(tmp_path)
    for _ in range(3):
        assert directory.spelling("ONE") == "One"
    assert directory.cache.scans == 3
    os.close(directory.fd)
