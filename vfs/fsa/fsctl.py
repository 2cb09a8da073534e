"""File system controls on one file: [MS-FSA] 2.1.5.10. Those that are not here are STATUS_INVALID_DEVICE_REQUEST."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final

from vfs.access import FILE_APPEND_DATA, FILE_READ_DATA, FILE_WRITE_ATTRIBUTES, FILE_WRITE_DATA
from vfs.constants import FILE_ATTRIBUTE_SPARSE_FILE
from vfs.fsa import attributes, lock, times, write
from vfs.fsa.allocation import MAX_FILE_SIZE
from vfs.locking.breaks import contend_level2
from vfs.notify import trigger
from vfs.ntstatus import (
    STATUS_INVALID_PARAMETER,
    STATUS_INVALID_VIEW_SIZE,
    STATUS_MEDIA_WRITE_PROTECTED,
    STATUS_NOT_SUPPORTED,
    NTStatusError,
    from_oserror,
)

if TYPE_CHECKING:
    from vfs.fsa.file_object import FileObject

COMPRESSION_FORMAT_NONE: Final = 0
COMPRESSION_FORMAT_DEFAULT: Final = 1
COMPRESSION_FORMAT_LZNT1: Final = 2
MAX_RANGES: Final = 1 << 16
"""Ranges looked up for one request: a mebibyte of answer, more than any client asks room for."""
_ZERO_CHUNK: Final = 1 << 20
_COPY_CHUNK: Final = 1 << 20
_NO_HOLES: Final = frozenset({errno.EOPNOTSUPP, errno.ENOSYS})


def _require_file(fo: FileObject) -> None:
    if fo.is_directory:
        raise NTStatusError(STATUS_INVALID_PARAMETER, "not for directories")


def set_sparse(fo: FileObject, sparse: bool) -> None:
    """Mark a file as sparse or not (FSCTL_SET_SPARSE, [MS-FSA] 2.1.5.10.36).

    Raises:
        NTStatusError: STATUS_ACCESS_DENIED, STATUS_INVALID_PARAMETER (directory), STATUS_MEDIA_WRITE_PROTECTED.
    """
    if fo.volume.read_only:
        raise NTStatusError(STATUS_MEDIA_WRITE_PROTECTED, "read-only share")
    _require_file(fo)
    fo.require_any(FILE_WRITE_DATA | FILE_WRITE_ATTRIBUTES | FILE_APPEND_DATA)
    try:
        stat = fo.refresh()
        stored, creation_time = attributes.load_stored(fo.volume, fo.fd, stat)
        wanted = stored | FILE_ATTRIBUTE_SPARSE_FILE if sparse else stored & ~FILE_ATTRIBUTE_SPARSE_FILE
        if wanted != stored:
            attributes.store(fo.volume, fo.fd, stat, wanted, creation_time)
        fo.file_attributes = attributes.complete(fo.volume, stat, fo.path, wanted)
    except OSError as error:
        raise from_oserror(error, "set sparse") from None


def set_zero_data(fo: FileObject, start: int, end: int) -> None:
    """Make the bytes from `start` up to `end` zero; the end of file stays (FSCTL_SET_ZERO_DATA, 2.1.5.10.39).

    Raises:
        NTStatusError: STATUS_ACCESS_DENIED, STATUS_INVALID_PARAMETER, or what the system call said.
    """
    _require_file(fo)
    fo.require(FILE_WRITE_DATA)
    if start < 0 or end < start or end > MAX_FILE_SIZE:
        raise NTStatusError(STATUS_INVALID_PARAMETER, "bad range")
    if end > start:
        lock.check_access(fo, start, end - start, write=True)
    try:
        length = min(end, fo.end_of_file()) - start
        if length > 0:
            contend_level2(fo)
            times.before_change(fo)
            _zero(fo, start, length)
            write.modified(fo)
            trigger.written(fo)
    except OSError as error:
        raise from_oserror(error, "zero data") from None


def _zero(fo: FileObject, start: int, length: int) -> None:
    if fo.stream is not None:
        fo.stream.zero(start, length)
        return
    try:
        fo.volume.backend.punch_hole(fo.fd, start, length)
    except OSError as error:
        if error.errno not in _NO_HOLES:
            raise
    else:
        return
    zeros = bytes(min(length, _ZERO_CHUNK))
    end = start + length
    while start < end:
        start += fo.volume.backend.pwrite(fo.fd, zeros[: end - start], start)


def query_allocated_ranges(
    fo: FileObject, offset: int, length: int, limit: int = MAX_RANGES
) -> list[tuple[int, int]]:
    """Return at most `limit` ranges (offset, length) that hold data (FSCTL_QUERY_ALLOCATED_RANGES, 2.1.5.10.22).

    Raises:
        NTStatusError: STATUS_ACCESS_DENIED, STATUS_INVALID_PARAMETER, or what the system call said.
    """
    _require_file(fo)
    fo.require(FILE_READ_DATA)
    if offset < 0 or length < 0 or offset + length > MAX_FILE_SIZE:
        raise NTStatusError(STATUS_INVALID_PARAMETER, "bad range")
    backend = fo.volume.backend
    ranges: list[tuple[int, int]] = []
    try:
        stat = fo.refresh()
        end = min(offset + length, stat.size if fo.stream is None else fo.stream.size())
        if offset >= end:
            return []
        stored, _ = attributes.load_stored(fo.volume, fo.fd, stat)
        if fo.stream is not None or not stored & FILE_ATTRIBUTE_SPARSE_FILE:
            return [(offset, end - offset)]
        while offset < end and len(ranges) < limit:
            start = backend.seek_data(fo.fd, offset)
            if start is None or start >= end:
                break
            stop = min(backend.seek_hole(fo.fd, start) or end, end)
            ranges.append((start, stop - start))
            offset = stop
    except OSError as error:
        raise from_oserror(error, "allocated ranges") from None
    return ranges


def copy_chunk(source: FileObject, target: FileObject, source_offset: int, target_offset: int, length: int) -> int:
    """Copy inside the kernel and return the number of bytes copied: FSCTL_SRV_COPYCHUNK, [MS-SMB2] 3.3.5.15.6.

    The caller has checked the access of both opens.

    Raises:
        NTStatusError: STATUS_INVALID_VIEW_SIZE: the range reaches beyond the end of the source;
            STATUS_INVALID_PARAMETER, or what the system call said.
    """
    if min(source_offset, target_offset, length) < 0 or max(source_offset, target_offset) + length > MAX_FILE_SIZE:
        raise NTStatusError(STATUS_INVALID_PARAMETER, "bad range")
    try:
        if source_offset + length > source.end_of_file():
            raise NTStatusError(STATUS_INVALID_VIEW_SIZE, "beyond the end of the source")
        if length:
            lock.check_access(source, source_offset, length, write=False)
            lock.check_access(target, target_offset, length, write=True)
            contend_level2(target)
        times.before_change(target)
        if source.stream is None and target.stream is None:
            count = source.volume.backend.copy_range(source.fd, source_offset, target.fd, target_offset, length)
        else:
            count = _copy_stream(source, target, source_offset, target_offset, length)
        write.modified(target)
        trigger.written(target)
    except OSError as error:
        raise from_oserror(error, "copy") from None
    return count


def _copy_stream(source: FileObject, target: FileObject, source_offset: int, target_offset: int, length: int) -> int:
    """Copy where one side is a named stream, which the kernel knows nothing of."""
    buffer = memoryview(bytearray(min(length, _COPY_CHUNK)))
    done = 0
    while done < length:
        part = buffer[: length - done]
        if source.stream is not None:
            count = source.stream.read_into(source_offset + done, part)
        else:
            count = source.volume.backend.preadv(source.fd, (part,), source_offset + done)
        if not count:
            break
        if target.stream is not None:
            target.stream.write(target_offset + done, part[:count])
        else:
            count = target.volume.backend.pwrite(target.fd, part[:count], target_offset + done)
        done += count
    return done


def trim(fo: FileObject, ranges: list[tuple[int, int]]) -> int:
    """Accept that ranges (offset, length) are not needed any more and return how many were processed (2.1.5.10.5).

    Raises:
        NTStatusError: STATUS_ACCESS_DENIED, STATUS_INVALID_PARAMETER.
    """
    _require_file(fo)
    fo.require(FILE_WRITE_DATA)
    for offset, length in ranges:
        if offset < 0 or length < 0 or offset + length > MAX_FILE_SIZE:
            raise NTStatusError(STATUS_INVALID_PARAMETER, "bad range")
        if length:
            lock.check_access(fo, offset, length, write=True)
    # Trimming is a hint, and what a trimmed range reads as is undefined: leaving the data is a correct answer.
    return len(ranges)


def get_compression(fo: FileObject) -> int:
    """Return the compression state (FSCTL_GET_COMPRESSION, 2.1.5.10.8): none."""
    del fo
    return COMPRESSION_FORMAT_NONE


def set_compression(fo: FileObject, state: int) -> None:
    """Set the compression state (FSCTL_SET_COMPRESSION, 2.1.5.10.32): only none is to be had.

    Raises:
        NTStatusError: STATUS_ACCESS_DENIED, STATUS_NOT_SUPPORTED, STATUS_INVALID_PARAMETER.
    """
    fo.require(FILE_WRITE_DATA)
    if state not in {COMPRESSION_FORMAT_NONE, COMPRESSION_FORMAT_DEFAULT, COMPRESSION_FORMAT_LZNT1}:
        raise NTStatusError(STATUS_INVALID_PARAMETER, "unknown compression format")
    if state != COMPRESSION_FORMAT_NONE:
        raise NTStatusError(STATUS_NOT_SUPPORTED, "no compression")
