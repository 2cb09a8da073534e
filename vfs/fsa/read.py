"""Reading: [MS-FSA] 2.1.5.3."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Final

from vfs.access import FILE_EXECUTE, FILE_READ_DATA
from vfs.fsa import lock
from vfs.fsa.allocation import MAX_FILE_SIZE
from vfs.ntstatus import (
    STATUS_ACCESS_DENIED,
    STATUS_END_OF_FILE,
    STATUS_INVALID_DEVICE_REQUEST,
    STATUS_INVALID_PARAMETER,
    NTStatusError,
    from_oserror,
)

if TYPE_CHECKING:
    from vfs.fsa.file_object import FileObject

_READ: Final = FILE_READ_DATA | FILE_EXECUTE
#: Devices with file systems that cannot tell what the page cache holds: those in memory do not need to.
_cannot_tell: Final[set[int]] = set()


def _check(fo: FileObject, offset: int, length: int) -> None:
    if fo.is_directory:
        raise NTStatusError(STATUS_INVALID_DEVICE_REQUEST, "read of a directory")
    if not fo.granted_access & _READ:
        raise NTStatusError(STATUS_ACCESS_DENIED, "not opened for reading")
    if offset < 0 or offset + length > MAX_FILE_SIZE:
        raise NTStatusError(STATUS_INVALID_PARAMETER, "offset out of range")
    if length:
        lock.check_access(fo, offset, length, write=False)


def read_into(fo: FileObject, offset: int, view: memoryview) -> int:
    """Read at `offset` into `view` and return the number of bytes read.

    Raises:
        NTStatusError: STATUS_END_OF_FILE (nothing there), STATUS_FILE_LOCK_CONFLICT, STATUS_ACCESS_DENIED,
            STATUS_INVALID_PARAMETER, STATUS_INVALID_DEVICE_REQUEST (directory), or what the system call said.
    """
    length = len(view)
    _check(fo, offset, length)
    return read_granted(fo, offset, view) if length else 0


def read_granted(fo: FileObject, offset: int, view: memoryview) -> int:
    """Go on with a read that `read_cached` could not do: everything was checked. Other threads may call this.

    Raises:
        NTStatusError: STATUS_END_OF_FILE, or what the system call said.
    """
    try:
        count = (
            fo.volume.backend.preadv(fo.fd, (view,), offset)
            if fo.stream is None
            else fo.stream.read_into(offset, view)
        )
    except OSError as error:
        raise from_oserror(error, "read") from None
    if not count:
        raise NTStatusError(STATUS_END_OF_FILE, "nothing there")
    fo.position = offset + count
    return count


def read_cached(fo: FileObject, offset: int, view: memoryview) -> int | None:
    """Read as `read_into`, but only what the page cache holds: None if the disk has to be waited for.

    Raises:
        NTStatusError: as `read_into`.
    """
    length = len(view)
    _check(fo, offset, length)
    if not length:
        return 0
    if fo.stream is not None or fo.file_id.dev in _cannot_tell:
        return read_granted(fo, offset, view)
    try:
        count = fo.volume.backend.preadv(fo.fd, (view,), offset, os.RWF_NOWAIT)
        if 0 < count < length and offset + count < os.fstat(fo.fd).st_size:
            return None
    except BlockingIOError:
        return None
    except OSError as error:
        if error.errno == errno.EOPNOTSUPP:
            _cannot_tell.add(fo.file_id.dev)
            return read_granted(fo, offset, view)
        raise from_oserror(error, "read") from None
    if not count:
        raise NTStatusError(STATUS_END_OF_FILE, "nothing there")
    fo.position = offset + count
    return count


def is_cached(fo: FileObject, offset: int, length: int) -> bool:
    """Tell by its last byte whether a range is in the page cache, for a caller who sends it from `fo.fd`."""
    if fo.stream is not None or not fo.volume.backend.direct:
        return False
    if fo.file_id.dev in _cannot_tell:
        return True
    try:
        return os.preadv(fo.fd, (bytearray(1),), offset + length - 1, os.RWF_NOWAIT) > 0
    except OSError as error:
        return error.errno == errno.EOPNOTSUPP


def readable(fo: FileObject, offset: int, length: int) -> int:
    """Return how many of `length` bytes at `offset` there are: for a caller who sends them from `fo.fd` himself.

    Raises:
        NTStatusError: as `read_into`.
    """
    _check(fo, offset, length)
    if not length:
        return 0
    try:
        size = fo.end_of_file()
    except OSError as error:
        raise from_oserror(error, "read") from None
    if offset >= size:
        raise NTStatusError(STATUS_END_OF_FILE, "nothing there")
    count = min(length, size - offset)
    fo.position = offset + count
    return count
