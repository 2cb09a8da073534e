"""Sizes, contents and times of named streams."""

from __future__ import annotations

import os

from tests.unit.vfs_fsa.streams.support import get, put, refused
from tests.unit.vfs_fsa.support import Share
from vfs import ntstatus as nt
from vfs.fsa import (
    ea,
    fsctl,
    query_info,
    read,
    set_info,
    write,
)


def test_sizes(share: Share) -> None:
    fo = share.create("file:s")
    put(fo, b"abc", 5)
    assert get(fo) == bytes(5) + b"abc"
    set_info.set_end_of_file(fo, 6)
    assert get(fo) == bytes(5) + b"a"
    set_info.set_end_of_file(fo, 8)
    set_info.set_allocation(fo, 4096)
    assert get(fo) == bytes(5) + b"a\0\0"
    set_info.set_allocation(fo, 2)
    assert query_info.stat(fo).end_of_file == 2
    put(fo, b"z", write.OFFSET_END_OF_FILE)
    assert get(fo) == b"\0\0z"
    assert (share.root / "file").stat().st_size == 0


def test_reading_at_the_end(share: Share) -> None:
    fo = share.create("file:s")
    with refused(nt.STATUS_END_OF_FILE):
        get(fo)
    with refused(nt.STATUS_END_OF_FILE):
        read.readable(fo, 0, 10)
    put(fo, b"abc")
    assert read.readable(fo, 1, 10) == 2
    assert not read.is_cached(fo, 0, 3)
    buffer = memoryview(bytearray(10))
    assert read.read_cached(fo, 2, buffer) == 1


def test_two_opens_see_the_same(share: Share) -> None:
    one = share.create("file:s")
    other = share.open("file:s")
    put(one, b"abc")
    put(other, b"XY", 1)
    assert get(one) == b"aXY"


def test_file_system_controls(share: Share) -> None:
    fo = share.create("file:s")
    put(fo, b"abcdef")
    fsctl.set_zero_data(fo, 1, 3)
    assert get(fo) == b"a\0\0def"
    assert fsctl.query_allocated_ranges(fo, 0, 100) == [(0, 6)]
    target = share.create("copy:t")
    assert fsctl.copy_chunk(fo, target, 3, 0, 3) == 3
    assert get(target) == b"def"
    base = share.open("copy")
    assert fsctl.copy_chunk(target, base, 0, 0, 3) == 3
    assert get(base) == b"def"
    assert fsctl.copy_chunk(base, target, 0, 3, 3) == 3
    assert get(target) == b"defdef"
    with refused(nt.STATUS_INVALID_VIEW_SIZE):
        fsctl.copy_chunk(fo, target, 4, 0, 3)


def test_writing_moves_the_write_time_of_the_file(share: Share) -> None:
    fo = share.create("file:s")
    os.utime(share.root / "file", ns=(0, 0))
    put(fo, b"1")
    assert (share.root / "file").stat().st_mtime_ns > 0
    set_info.set_basic(fo, 0, 0, 130_000_000_000_000_000, 0, 0)
    put(fo, b"2")
    assert query_info.stat(fo).last_write_time == 130_000_000_000_000_000


def test_streams_are_no_extended_attributes(share: Share) -> None:
    fo = share.create("file:s")
    assert ea.query(fo) == []
    assert query_info.ea_size(fo) == 0
