"""Writing: [MS-FSA] 2.1.5.4."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final

from vfs.access import FILE_APPEND_DATA, FILE_WRITE_DATA
from vfs.constants import FILE_ATTRIBUTE_ARCHIVE
from vfs.fsa import allocation, attributes, lock, times
from vfs.fsa.allocation import MAX_FILE_SIZE, NTFS_MAX_FILE_SIZE
from vfs.locking.breaks import contend_level2
from vfs.notify import trigger
from vfs.ntstatus import (
    STATUS_ACCESS_DENIED,
    STATUS_DISK_FULL,
    STATUS_INVALID_DEVICE_REQUEST,
    STATUS_INVALID_PARAMETER,
    NTStatusError,
    from_oserror,
)

if TYPE_CHECKING:
    from vfs.fsa.file_object import FileObject

_WRITE: Final = FILE_WRITE_DATA | FILE_APPEND_DATA
OFFSET_END_OF_FILE: Final = 0xFFFFFFFFFFFFFFFF
"""Offset -1: append."""
OFFSET_CURRENT: Final = 0xFFFFFFFFFFFFFFFE
"""Offset -2: go on at the current position."""


def write(fo: FileObject, offset: int, view: memoryview) -> int:
    """Write `view` at `offset` (unsigned as on the wire; -1 appends, -2 goes on) and return its length.

    An open with FILE_WRITE_THROUGH leaves it to the caller to wait for the disk.

    Raises:
        NTStatusError: STATUS_ACCESS_DENIED, STATUS_INVALID_DEVICE_REQUEST (directory), STATUS_INVALID_PARAMETER,
            STATUS_FILE_LOCK_CONFLICT, STATUS_DISK_FULL, STATUS_MEDIA_WRITE_PROTECTED, or what the system call said.
    """
    if fo.is_directory:
        raise NTStatusError(STATUS_INVALID_DEVICE_REQUEST, "write to a directory")
    access = fo.granted_access
    if not access & _WRITE:
        raise fo.refusal(_WRITE)
    try:
        if offset == OFFSET_CURRENT:
            offset = fo.position
        if offset == OFFSET_END_OF_FILE:
            offset = fo.end_of_file()
        length = len(view)
        if offset + length > NTFS_MAX_FILE_SIZE and (length or offset > MAX_FILE_SIZE):
            raise NTStatusError(STATUS_INVALID_PARAMETER, "offset out of range")
        if not access & FILE_WRITE_DATA and offset < fo.end_of_file():
            raise NTStatusError(STATUS_ACCESS_DENIED, "append only")
        if not length:
            return 0
        lock.check_access(fo, offset, length, write=True)
        contend_level2(fo)
        if fo.sticky_write_time is not None:
            times.before_change(fo)
        if fo.volume.options.strict_allocate and offset > fo.end_of_file():
            allocation.reserve(fo, offset + length)
        if fo.stream is None:
            pwrite = fo.volume.backend.pwrite
            count = pwrite(fo.fd, view, offset)
            if count < length:
                _write_rest(pwrite, fo.fd, offset + count, view[count:])
        else:
            fo.stream.write(offset, view)
            times.touch(fo)
            fo.file_attributes &= ~FILE_ATTRIBUTE_ARCHIVE  # only the file's own opens learn who takes that away
        fo.position = offset + length
        if not fo.written:
            trigger.written(fo)
        if (
            fo.sticky_write_time is not None
            or fo.sticky_change_time is not None
            or not fo.file_attributes & FILE_ATTRIBUTE_ARCHIVE
        ):
            modified(fo)
    except OSError as error:
        raise from_oserror(error, "write") from None
    return length


def write_apart(fo: FileObject, offset: int, view: memoryview) -> Callable[[], None] | None:
    """Check a write as `write` does; return what puts the data into the file, for another thread to call.

    That thread has to be the user whose request it is. None if more remains to be done than just that: `write` does.

    Raises:
        NTStatusError: as `write`, and so does what is returned.
    """
    if (
        fo.stream is not None
        or fo.is_directory
        or not fo.written
        or not fo.granted_access & FILE_WRITE_DATA
        or not fo.file_attributes & FILE_ATTRIBUTE_ARCHIVE
        or fo.sticky_write_time is not None
        or fo.sticky_change_time is not None
        or fo.volume.options.strict_allocate
        or offset + len(view) > NTFS_MAX_FILE_SIZE
    ):
        return None
    lock.check_access(fo, offset, len(view), write=True)
    contend_level2(fo)
    fo.position = offset + len(view)
    return partial(_put, fo.volume.backend.pwrite, fo.fd, offset, view)


def _put(pwrite: Callable[[int, memoryview, int], int], fd: int, offset: int, view: memoryview) -> None:
    try:
        _write_rest(pwrite, fd, offset, view)
    except OSError as error:
        raise from_oserror(error, "write") from None


def _write_rest(pwrite: Callable[[int, memoryview, int], int], fd: int, offset: int, view: memoryview) -> None:
    while view:  # a full disk or quota shows at the next call
        count = pwrite(fd, view, offset)
        if not count:
            raise NTStatusError(STATUS_DISK_FULL, "no progress")
        offset += count
        view = view[count:]


def modified(fo: FileObject) -> None:
    """Note that the contents changed: set ARCHIVE, put back times that are to stay.

    Raises:
        OSError: that cannot be done.
    """
    if not fo.file_attributes & FILE_ATTRIBUTE_ARCHIVE:
        volume = fo.volume
        stat = fo.refresh()
        stored, creation_time = attributes.load_stored(volume, fo.fd, stat)
        if not stored & FILE_ATTRIBUTE_ARCHIVE:
            stored |= FILE_ATTRIBUTE_ARCHIVE
            attributes.store(volume, fo.fd, stat, stored, creation_time)
        fo.file_attributes = attributes.complete(volume, stat, fo.path, stored)
    times.restore_write_time(fo)
    attributes.restore_change_time(fo)
