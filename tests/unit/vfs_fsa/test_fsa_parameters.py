"""Parameters about names, times and space that change what one file looks like."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.unit.vfs_fsa.support import Share
from vfs.fsa import directory, query_info, set_info, times, write


@pytest.mark.parametrize(
    ("options", "given", "stored"),
    [
        ({}, "SHORT.TXT", "SHORT.TXT"),
        ({"short_preserve_case": False}, "SHORT.TXT", "short.txt"),
        ({"short_preserve_case": False}, "Short.txt", "Short.txt"),
        ({"short_preserve_case": False}, "A LONG NAME", "A LONG NAME"),
        ({"preserve_case": False}, "SHORT.TXT", "short.txt"),
        ({"preserve_case": False}, "Ä Long Name", "ä long name"),
        ({"preserve_case": False, "default_case_upper": True}, "Ä Long Name", "Ä LONG NAME"),
    ],
)
def test_the_case_of_new_names(make_share: Callable[..., Share], options, given: str, stored: str) -> None:
    share = make_share(**options)
    assert share.create(given).name == stored
    assert [entry.name for entry in share.root.iterdir()] == [stored]


def test_write_times_of_dos(make_share: Callable[..., Share]) -> None:
    share = make_share(dos_filetime_resolution=True)
    fo = share.create("f")
    odd = times.to_filetime(1_000_000_001 * 10**9)
    set_info.set_basic(fo, 0, odd, odd, 0, 0)
    stat = query_info.stat(fo)
    assert stat.last_write_time == times.to_filetime(1_000_000_000 * 10**9)
    assert stat.last_access_time == odd
    entry = next(directory.open_scan(share.open(""), "f"))
    assert entry.last_write_time == stat.last_write_time


@pytest.mark.parametrize("strict", [True, False])
def test_extending_a_file_allocates_its_space(make_share: Callable[..., Share], strict: bool) -> None:
    share = make_share(strict_allocate=strict)
    fo = share.create("f")
    set_info.set_end_of_file(fo, 1 << 20)
    truncated = (share.root / "f").stat()
    write.write(fo, 2 << 20, memoryview(b"x"))
    written = (share.root / "f").stat()
    assert (truncated.st_size, written.st_size) == (1 << 20, (2 << 20) + 1)
    assert (truncated.st_blocks * 512 >= 1 << 20) is strict
    assert (written.st_blocks * 512 >= 2 << 20) is strict
