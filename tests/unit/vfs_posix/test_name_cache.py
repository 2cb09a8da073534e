"""Names: folding, and the table of spellings with the limits of time stamps."""

from __future__ import annotations

import os
import time

import pytest

from vfs.posix import name_cache
from vfs.posix.name_cache import NameCache
from vfs.posix.names import fold, fold_bytes, to_bytes, to_text
from vfs.posix.syscalls import fstatx


@pytest.mark.parametrize(
    ("one", "two", "equal"),
    [
        ("readme.TXT", "README.txt", True), ("ÄÖÜé", "äöüÉ", True), ("Straße", "STRASSE", False),
        ("ß", "ẞ", False), ("\u0131", "I", False), ("\u017f", "S", False), ("\u00b5", "\u039c", False),
        ("\u03c3", "\u03c2", True),
        ("ǆ", "Ǆ", True), ("ﬁ", "FI", False), ("\U00010428", "\U00010400", False), ("я", "Я", True),
    ],
)  # fmt: skip
def test_folding_is_that_of_windows(one, two, equal):
    assert (fold(one) == fold(two)) is equal
    assert fold_bytes(one.encode()) == fold(one)
    assert len(fold(one)) == len(one)


def test_every_byte_string_survives():
    for name in (b"plain", "é".encode(), b"\xff\xfe", b"a\xc3", bytes(range(1, 256))):
        assert to_bytes(to_text(name)) == name


@pytest.fixture
def directory(tmp_path):
    for name in ("One", "TWO", "three"):
        (tmp_path / name).touch()
    fd = os.open(tmp_path, os.O_RDONLY)
    yield tmp_path, fd
    os.close(fd)


def settle(monkeypatch, seconds=10):
    now = time.time_ns() + seconds * 10**9
    monkeypatch.setattr(name_cache.time, "time_ns", lambda: now)


def test_a_fresh_change_is_not_trusted(directory):
    _, fd = directory
    cache = NameCache()
    stat = fstatx(fd)
    assert cache.fill(stat, fd)[fold("one")] == "One"
    assert cache.table(stat) is None
    assert cache.statistics()["directories"] == 0


def test_a_quiet_directory_answers_from_memory(directory, monkeypatch):
    path, fd = directory
    settle(monkeypatch)
    cache = NameCache()
    stat = fstatx(fd)
    assert cache.fill(stat, fd)[fold("two")] == "TWO"
    assert cache.table(stat)[fold("ONE")] == "One"
    assert fold("four") not in cache.table(stat)
    (path / "four").touch()
    # The new time stamp is what invalidates; make sure it is one.
    os.utime(path, ns=(0, 5))
    changed = fstatx(fd)
    assert cache.table(changed) is None
    assert cache.fill(changed, fd)[fold("FOUR")] == "four"
    assert cache.statistics() == {"directories": 1, "names": 4, "hits": 2, "scans": 2}


def test_bounds(tmp_path, monkeypatch):
    settle(monkeypatch)
    cache = NameCache(max_directories=3, max_names=8)
    for number in range(5):
        path = tmp_path / str(number)
        path.mkdir()
        for name in range(number):
            (path / f"f{name}").touch()
        fd = os.open(path, os.O_RDONLY)
        cache.fill(fstatx(fd), fd)
        os.close(fd)
        numbers = cache.statistics()
        assert numbers["directories"] <= 3
        assert numbers["names"] <= 8


@pytest.mark.slow
def test_a_miss_in_a_big_known_directory_does_not_read_it(tmp_path, monkeypatch):
    for number in range(20_000):
        os.close(os.open(tmp_path / f"File{number}", os.O_CREAT | os.O_WRONLY))
    settle(monkeypatch)
    cache = NameCache()
    fd = os.open(tmp_path, os.O_RDONLY)
    stat = fstatx(fd)
    cache.fill(stat, fd)
    for number in range(1000):
        assert fold(f"none{number}") not in cache.table(stat)
    assert cache.table(stat)[fold("FILE19999")] == "File19999"
    assert cache.scans == 1
    os.close(fd)
