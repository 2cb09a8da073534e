"""Times that a client sets and what later changes do to them ([MS-FSA] 2.1.5.15.2)."""

from __future__ import annotations

import os
import time

import pytest

from tests.unit.vfs_fsa.support import Share
from vfs.constants import FILE_ATTRIBUTE_HIDDEN, FILETIME_FREEZE, FILETIME_THAW
from vfs.fsa import close, directory, query_info, set_info, times, write
from vfs.fsa.file_object import FileObject
from vfs.posix import dosattrib

OLD = times.to_filetime(1_000_000_000 * 10**9)
FAR = times.to_filetime(15_032_385_535 * 10**9)
BEFORE_1970 = times.to_filetime(-63_158_400 * 10**9)
DATA = memoryview(b"data")


def set_times(fo: FileObject, *, written: int = 0, changed: int = 0, attributes: int = 0) -> None:
    set_info.set_basic(fo, 0, 0, written, changed, attributes)


def tick() -> None:
    """Wait until the clock of the file system has moved on."""
    clock = 5  # CLOCK_REALTIME_COARSE
    now = time.clock_gettime_ns(clock)
    while time.clock_gettime_ns(clock) - now < 6_000_000:
        pass


@pytest.mark.parametrize("value", [OLD, FAR, BEFORE_1970])
def test_a_change_time_that_was_set_is_seen_everywhere(share: Share, value: int) -> None:
    fo = share.create("f")
    set_times(fo, written=OLD, changed=value)
    stat = query_info.stat(fo)
    assert (stat.change_time, stat.last_write_time) == (value, OLD)
    close.close_file(fo)
    again = share.open("f")
    assert query_info.opened_stat(again).change_time == value
    entry = next(directory.open_scan(share.open(""), "f"))
    assert (entry.change_time, entry.creation_time) == (value, stat.creation_time)


def test_any_other_change_makes_a_set_change_time_void(share: Share) -> None:
    fo = share.create("f")
    set_times(fo, changed=OLD)
    tick()
    (share.root / "f").chmod(0o600)
    assert query_info.stat(fo).change_time > OLD


def test_changes_through_the_same_open_leave_a_set_change_time(share: Share) -> None:
    fo, other = share.create("f"), share.open("f")
    set_times(fo, changed=OLD)
    tick()
    set_times(fo, attributes=FILE_ATTRIBUTE_HIDDEN)
    write.write(fo, 0, DATA)
    assert query_info.stat(fo).change_time == OLD
    set_times(fo, changed=FILETIME_THAW)
    assert query_info.stat(fo).change_time == OLD
    tick()
    write.write(other, 0, DATA)
    assert query_info.stat(fo).change_time > OLD


def test_a_frozen_change_time_stays(share: Share) -> None:
    fo = share.create("f")
    before = query_info.stat(fo).change_time
    set_times(fo, changed=FILETIME_FREEZE)
    tick()
    write.write(fo, 0, DATA)
    set_times(fo, attributes=FILE_ATTRIBUTE_HIDDEN)
    assert query_info.stat(fo).change_time == before


def test_without_stored_attributes_the_kernel_says_the_change_time(make_share) -> None:
    share = make_share(store_dos_attributes=False)
    fo = share.create("f")
    set_times(fo, changed=OLD)
    assert query_info.stat(fo).change_time == times.to_filetime((share.root / "f").stat().st_ctime_ns)


def test_a_sticky_write_time_does_not_undo_what_others_write(share: Share) -> None:
    fo, other = share.create("f"), share.open("f")
    set_times(fo, written=OLD)
    write.write(fo, 0, DATA)
    assert query_info.stat(fo).last_write_time == OLD
    write.write(other, 0, DATA)
    moved = query_info.stat(fo).last_write_time
    assert moved > OLD
    tick()
    write.write(fo, 0, DATA)
    set_info.set_end_of_file(fo, 2)
    set_info.set_allocation(fo, 4096)
    assert query_info.stat(fo).last_write_time == moved


@pytest.mark.parametrize("resize", [set_info.set_end_of_file, set_info.set_allocation])
@pytest.mark.parametrize("size", [0, 4])
def test_setting_the_size_that_is_moves_the_write_time(share: Share, resize, size: int) -> None:
    fo = share.create("f")
    write.write(fo, 0, DATA[:size])
    os.utime(share.root / "f", ns=(0, 0))
    resize(fo, size)
    stat = query_info.stat(fo)
    assert stat.last_write_time > OLD
    assert stat.end_of_file == size


def test_the_stored_form_of_a_change_time() -> None:
    found = dosattrib.unpack(dosattrib.pack(2, OLD, dosattrib.ChangeTime(FAR, -1, 10**18)))
    assert (found.attributes, found.create_time) == (2, OLD)
    assert found.change_time == dosattrib.ChangeTime(FAR, -1, 10**18)
    # As long, but not ours: what version 5 says holds.
    assert dosattrib.unpack(dosattrib.pack(2, OLD) + bytes(32)) == dosattrib.unpack(dosattrib.pack(2, OLD))


def test_setting_the_size_that_is_keeps_what_is_reserved(share: Share) -> None:
    fo = share.create("f")
    set_info.set_allocation(fo, 1 << 20)
    reserved = query_info.stat(fo).allocation_size
    set_info.set_end_of_file(fo, 0)
    assert query_info.stat(fo).allocation_size == reserved
    assert reserved >= 1 << 20
