"""Times: FILETIME (100 ns since 1601) and unix nanoseconds, and the write time that stays ([MS-FSA] 2.1.5.15.2)."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Final

from vfs.constants import FILETIME_UNIX_EPOCH
from vfs.posix import credentials

if TYPE_CHECKING:
    from vfs.fsa.file_object import FileObject

_NS_PER_TICK: Final = 100
_DOS_STEP_NS: Final = 2_000_000_000


def to_filetime(unix_ns: int) -> int:
    """Return the FILETIME of `unix_ns`, never below 0."""
    ticks = unix_ns // _NS_PER_TICK + FILETIME_UNIX_EPOCH
    return ticks if ticks > 0 else 0  # noqa: FURB136 - called for every entry of a listing; max() is slower


def to_filetimes(first_ns: int, second_ns: int, third_ns: int) -> tuple[int, int, int]:
    """Return the FILETIMEs of three times; as `to_filetime`, for the cost of one call."""
    first = first_ns // _NS_PER_TICK + FILETIME_UNIX_EPOCH
    second = second_ns // _NS_PER_TICK + FILETIME_UNIX_EPOCH
    third = third_ns // _NS_PER_TICK + FILETIME_UNIX_EPOCH
    if first < 0 or second < 0 or third < 0:
        return max(first, 0), max(second, 0), max(third, 0)
    return first, second, third


def to_unix_ns(filetime: int) -> int:
    """Return `filetime` in nanoseconds of the unix epoch (negative before 1970)."""
    return (filetime - FILETIME_UNIX_EPOCH) * _NS_PER_TICK


def round_down(unix_ns: int) -> int:
    """Return `unix_ns` in steps of two seconds, as DOS had them (`dos filetime resolution`)."""
    return unix_ns - unix_ns % _DOS_STEP_NS


def now() -> int:
    """Return the present as FILETIME."""
    return to_filetime(time.time_ns())


def touch(fo: FileObject) -> None:
    """Set the write time, unless it is to stay, after what the kernel does not count as a change of the file's data.

    Such are changes of streams, and sizes that are set to what they were.

    Raises:
        OSError: the time cannot be set.
    """
    now_ns = time.time_ns() if fo.sticky_write_time is None else fo.sticky_write_time
    with credentials.as_root():
        fo.volume.backend.utimens(fo.fd, None, now_ns)


def before_change(fo: FileObject) -> None:
    """Before a change of data: remember the write time that the change must leave, if it may not move it.

    It need not be the one that was set: writes through other opens move it.

    Raises:
        OSError: the time cannot be read.
    """
    if fo.sticky_write_time is not None:
        fo.sticky_write_time = os.fstat(fo.fd).st_mtime_ns


def restore_write_time(fo: FileObject) -> None:
    """After a change of data: put back the write time if it was set or frozen through this open.

    The kernel updates the write time at once; what the client fixed must survive it.

    Raises:
        OSError: the time cannot be set.
    """
    if fo.sticky_write_time is not None:
        fo.volume.backend.utimens(fo.fd, None, fo.sticky_write_time)
