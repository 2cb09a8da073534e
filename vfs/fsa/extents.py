"""Sharing blocks between files and telling which ranges are valid: [MS-FSA] 2.1.5.10.4, 2.1.5.10.24."""

from __future__ import annotations

import errno
import fcntl
import struct
from typing import TYPE_CHECKING, Final

from vfs.access import FILE_READ_DATA, FILE_WRITE_DATA
from vfs.constants import FILE_ATTRIBUTE_SPARSE_FILE
from vfs.fsa import lock, times, write
from vfs.fsa.allocation import MAX_FILE_SIZE
from vfs.locking.breaks import contend_level2
from vfs.notify import trigger
from vfs.ntstatus import (
    STATUS_INVALID_DEVICE_REQUEST,
    STATUS_INVALID_PARAMETER,
    STATUS_MEDIA_WRITE_PROTECTED,
    STATUS_NOT_SUPPORTED,
    NTStatusError,
    from_oserror,
)

if TYPE_CHECKING:
    from vfs.fsa.file_object import FileObject

FILE_REGION_USAGE_VALID_CACHED_DATA: Final = 1
FILE_REGION_USAGE_VALID_NONCACHED_DATA: Final = 2
_USAGE: Final = FILE_REGION_USAGE_VALID_CACHED_DATA | FILE_REGION_USAGE_VALID_NONCACHED_DATA

_FICLONERANGE: Final = 0x4020940D
"""ioctl_ficlonerange(2); the module `fcntl` has no name for it."""
_CLONE_RANGE: Final = struct.Struct("=qQQQ")  # source descriptor, source offset, length, target offset
_CANNOT: Final = frozenset({errno.EOPNOTSUPP, errno.ENOTTY, errno.ENOSYS})


def duplicate(source: FileObject, target: FileObject, source_offset: int, target_offset: int, length: int) -> None:
    """Make a range of `target` share the blocks of one of `source` (FSCTL_DUPLICATE_EXTENTS_TO_FILE).

    Raises:
        NTStatusError: STATUS_ACCESS_DENIED, STATUS_MEDIA_WRITE_PROTECTED; STATUS_INVALID_DEVICE_REQUEST: the file
            system shares no blocks; STATUS_NOT_SUPPORTED: the ranges overlap, lie outside of the files, or a sparse
            file would go into one that is not; STATUS_INVALID_PARAMETER: not on block boundaries, or not on one volume.
    """
    if target.volume.read_only:
        raise NTStatusError(STATUS_MEDIA_WRITE_PROTECTED, "read-only share")
    if source.is_directory or target.is_directory or source.file_id.dev != target.file_id.dev:
        raise NTStatusError(STATUS_INVALID_PARAMETER, "directory, or another volume")
    source.require(FILE_READ_DATA)
    target.require(FILE_WRITE_DATA)
    if min(source_offset, target_offset, length) < 0 or max(source_offset, target_offset) + length > MAX_FILE_SIZE:
        raise NTStatusError(STATUS_INVALID_PARAMETER, "bad range")
    if source.stream is not None or target.stream is not None:
        raise NTStatusError(STATUS_NOT_SUPPORTED, "named streams have no blocks of their own")
    if source.file_attributes & FILE_ATTRIBUTE_SPARSE_FILE and not target.file_attributes & FILE_ATTRIBUTE_SPARSE_FILE:
        raise NTStatusError(STATUS_NOT_SUPPORTED, "the source is sparse, the target is not")
    if source.file_id == target.file_id and abs(source_offset - target_offset) < length:
        raise NTStatusError(STATUS_NOT_SUPPORTED, "the ranges overlap")
    try:
        _clone(source, target, source_offset, target_offset, length)
    except OSError as error:
        if error.errno in _CANNOT:
            raise NTStatusError(STATUS_INVALID_DEVICE_REQUEST, "the file system shares no blocks") from None
        if error.errno == errno.EXDEV:
            raise NTStatusError(STATUS_INVALID_PARAMETER, "not on one volume") from None
        raise from_oserror(error, "duplicate extents") from None


def _clone(source: FileObject, target: FileObject, source_offset: int, target_offset: int, length: int) -> None:
    stat = source.refresh()
    # The last block may be asked for as a whole; the kernel wants the range to end with the file then.
    beyond = source_offset + length - stat.size
    if beyond > 0 and -stat.size % stat.blksize >= beyond:
        length -= beyond
        beyond = 0
    if beyond > 0 or target_offset + length > target.end_of_file():
        raise NTStatusError(STATUS_NOT_SUPPORTED, "beyond the end of a file")
    if not length:
        return
    lock.check_access(source, source_offset, length, write=False)
    lock.check_access(target, target_offset, length, write=True)
    contend_level2(target)
    times.before_change(target)
    fcntl.ioctl(target.fd, _FICLONERANGE, _CLONE_RANGE.pack(source.fd, source_offset, length, target_offset))
    write.modified(target)
    trigger.written(target)


def query_regions(fo: FileObject, offset: int, length: int, usage: int) -> list[tuple[int, int, int]]:
    """Return the ranges (offset, length, usage) whose data are valid (FSCTL_QUERY_FILE_REGIONS).

    POSIX keeps no valid data length apart from the size: unwritten space reads as zeros. So it is one range at most.

    Raises:
        NTStatusError: STATUS_ACCESS_DENIED, STATUS_INVALID_PARAMETER.
    """
    if fo.is_directory or not usage & _USAGE or usage & ~_USAGE:
        raise NTStatusError(STATUS_INVALID_PARAMETER, "directory, or unknown usage")
    if offset < 0 or length < 0 or offset + length > MAX_FILE_SIZE:
        raise NTStatusError(STATUS_INVALID_PARAMETER, "bad range")
    fo.require(FILE_READ_DATA)
    try:
        end = min(offset + length, fo.end_of_file())
    except OSError as error:
        raise from_oserror(error, "file regions") from None
    return [(offset, end - offset, usage)] if end > offset else []
