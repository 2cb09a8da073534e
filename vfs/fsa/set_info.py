"""Changes to one file: [MS-FSA] 2.1.5.15, apart from rename, link, EAs and security."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from messaging.dbwrap.base import when_unlocked
from vfs.access import DELETE, FILE_WRITE_ATTRIBUTES, FILE_WRITE_DATA
from vfs.constants import (
    FILE_ATTRIBUTE_ARCHIVE,
    FILE_ATTRIBUTE_DIRECTORY,
    FILE_ATTRIBUTE_TEMPORARY,
    FILE_DELETE_ON_CLOSE,
    FILE_DISPOSITION_DELETE,
    FILE_DISPOSITION_IGNORE_READONLY_ATTRIBUTE,
    FILE_DISPOSITION_ON_CLOSE,
    FILE_DISPOSITION_POSIX_SEMANTICS,
    FILE_NOTIFY_CHANGE_ATTRIBUTES,
    FILE_NOTIFY_CHANGE_CREATION,
    FILE_NOTIFY_CHANGE_LAST_ACCESS,
    FILE_NOTIFY_CHANGE_LAST_WRITE,
    FILE_SYNCHRONOUS_IO_ALERT,
    FILE_SYNCHRONOUS_IO_NONALERT,
    FILETIME_FREEZE,
    FILETIME_THAW,
)
from vfs.file_id import file_id_of
from vfs.fsa import allocation, attributes, delete, leasing, stream_hold, times, write
from vfs.fsa.open_checks import MODE_FLAGS
from vfs.locking.breaks import contend_level2
from vfs.notify import trigger
from vfs.ntstatus import (
    STATUS_INVALID_PARAMETER,
    STATUS_PRIVILEGE_NOT_HELD,
    NTStatusError,
    from_oserror,
)
from vfs.posix import credentials
from vfs.token import SE_MANAGE_VOLUME_PRIVILEGE

if TYPE_CHECKING:
    from vfs.fsa.file_object import FileObject

_SETTABLE_MODE: Final = MODE_FLAGS & ~FILE_DELETE_ON_CLOSE
_DISPOSITION_FLAGS: Final = 0x1F


def set_basic(
    fo: FileObject,
    creation_time: int,
    last_access_time: int,
    last_write_time: int,
    change_time: int,
    file_attributes: int,
) -> None:
    """Set times and attributes ([MS-FSA] 2.1.5.15.2).

    Times are FILETIMEs; 0 leaves one, -1 leaves it and freezes it for this open, -2 thaws it. The change time is the
    kernel's; one that is set lasts until the file is changed in another way than through this open. Attributes 0 leave
    them.

    Raises:
        NTStatusError: STATUS_ACCESS_DENIED, STATUS_INVALID_PARAMETER, or what the system call said.
    """
    if not fo.granted_access & FILE_WRITE_ATTRIBUTES:
        raise fo.refusal(FILE_WRITE_ATTRIBUTES)
    if (
        creation_time < FILETIME_THAW
        or last_access_time < FILETIME_THAW
        or last_write_time < FILETIME_THAW
        or change_time < FILETIME_THAW
    ):
        raise NTStatusError(STATUS_INVALID_PARAMETER, "time out of range")
    changes = FILE_NOTIFY_CHANGE_CREATION if creation_time > 0 else 0
    if file_attributes:
        changes |= FILE_NOTIFY_CHANGE_ATTRIBUTES
        if fo.is_directory:
            if file_attributes & FILE_ATTRIBUTE_TEMPORARY:
                raise NTStatusError(STATUS_INVALID_PARAMETER, "temporary directory")
        elif file_attributes & FILE_ATTRIBUTE_DIRECTORY:
            raise NTStatusError(STATUS_INVALID_PARAMETER, "directory attribute for a file")
    try:
        if change_time == FILETIME_FREEZE and fo.sticky_change_time is None:
            fo.sticky_change_time = _current_change_time(fo)
        if changes:
            _set_stored(fo, creation_time, file_attributes)
        if last_access_time > 0 or last_write_time > 0:
            changes |= _set_times(fo, last_access_time, last_write_time)
        if last_write_time < 0:
            fo.sticky_write_time = fo.refresh().mtime_ns if last_write_time == FILETIME_FREEZE else None
        if change_time > 0:
            fo.sticky_change_time = change_time
        elif change_time == FILETIME_THAW:
            fo.sticky_change_time = None
        if fo.sticky_change_time is not None:
            attributes.restore_change_time(fo)  # last: any change makes it void
    except OSError as error:
        raise from_oserror(error, "set basic information") from None
    leasing.parent_changed(fo)
    if changes:
        trigger.modified(fo, changes)


def _set_stored(fo: FileObject, creation_time: int, file_attributes: int) -> None:
    volume = fo.volume
    stat = fo.refresh()
    stored, known_time = attributes.load_stored(volume, fo.fd, stat)
    if file_attributes:
        stored = file_attributes & attributes.SETTABLE | stored & attributes.UNSETTABLE
    fo.creation_time = creation_time if creation_time > 0 else known_time
    attributes.store(volume, fo.fd, stat, stored, fo.creation_time)
    if file_attributes and not stored & FILE_ATTRIBUTE_ARCHIVE and not stat.is_directory:
        _archive_taken(fo)
    fo.file_attributes = attributes.complete(volume, stat, fo.path, stored)


def _archive_taken(fo: FileObject) -> None:
    """Let others who have the file open know that they have to set ARCHIVE when they write."""
    modes = fo.volume.share_modes
    file_id = file_id_of(fo.stat, "")
    if modes.parse(file_id.key()) != fo.alone:
        with modes.lock(file_id) as lock:
            lock.take_archive(lock.find(fo.owner.server_id, fo.owner.open_id))


def _current_change_time(fo: FileObject) -> int:
    stat = fo.refresh()
    attributes.load_stored(fo.volume, fo.fd, stat)
    return times.to_filetime(stat.ctime_ns)


def _set_times(fo: FileObject, last_access_time: int, last_write_time: int) -> int:
    """Set what is above 0; return which changes that makes."""
    changes = 0
    atime = mtime = None
    if last_access_time > 0:
        changes = FILE_NOTIFY_CHANGE_LAST_ACCESS
        atime = times.to_unix_ns(last_access_time)
    if last_write_time > 0:
        changes |= FILE_NOTIFY_CHANGE_LAST_WRITE
        mtime = times.to_unix_ns(last_write_time)
    try:
        fo.volume.backend.utimens(fo.fd, atime, mtime)
    except PermissionError:
        # The kernel wants the owner; FILE_WRITE_ATTRIBUTES was granted (`dos filetimes`).
        with credentials.as_root():
            fo.volume.backend.utimens(fo.fd, atime, mtime)
    if mtime is not None:
        fo.sticky_write_time = mtime
    return changes


def _check_size(fo: FileObject, size: int) -> None:
    fo.require(FILE_WRITE_DATA)
    if fo.is_directory or not 0 <= size <= allocation.MAX_FILE_SIZE:
        raise NTStatusError(STATUS_INVALID_PARAMETER, "size out of range, or a directory")
    if fo.stream is not None and not fo.stream.hold.is_there():
        raise stream_hold.gone()


def _resize(fo: FileObject, size: int) -> None:
    times.before_change(fo)
    if fo.end_of_file() == size:
        times.touch(fo)  # the contents stay, the write time does not
        fo.file_attributes &= ~FILE_ATTRIBUTE_ARCHIVE  # not looked at for long
        write.modified(fo)
        return
    contend_level2(fo)
    if fo.volume.options.strict_allocate:
        allocation.reserve(fo, size)
    fo.truncate(size)
    leasing.parent_changed(fo)
    write.modified(fo)
    trigger.resized(fo)


def set_end_of_file(fo: FileObject, size: int) -> None:
    """Truncate or extend ([MS-FSA] 2.1.5.15.4).

    Raises:
        NTStatusError: STATUS_ACCESS_DENIED, STATUS_INVALID_PARAMETER, STATUS_DISK_FULL, or what the system call said.
    """
    _check_size(fo, size)
    try:
        _resize(fo, size)
    except OSError as error:
        raise from_oserror(error, "set end of file") from None


def set_allocation(fo: FileObject, size: int) -> None:
    """Reserve space, or truncate to less than the end of file ([MS-FSA] 2.1.5.15.1).

    Raises:
        NTStatusError: as `set_end_of_file`.
    """
    _check_size(fo, size)
    try:
        contend_level2(fo)
        if size < fo.end_of_file():
            _resize(fo, size)
        else:
            times.before_change(fo)
            allocation.reserve(fo, size)
            times.touch(fo)
            write.modified(fo)
    except OSError as error:
        raise from_oserror(error, "set allocation") from None


def set_valid_data_length(fo: FileObject, size: int) -> None:
    """Accept a valid data length ([MS-FSA] 2.1.5.15.14); POSIX keeps none, unwritten space always reads as zeros.

    Raises:
        NTStatusError: STATUS_ACCESS_DENIED, STATUS_PRIVILEGE_NOT_HELD, STATUS_INVALID_PARAMETER (too large).
    """
    _check_size(fo, size)
    if not fo.token.has_privilege(SE_MANAGE_VOLUME_PRIVILEGE):
        raise NTStatusError(STATUS_PRIVILEGE_NOT_HELD, "valid data length")
    try:
        end = fo.end_of_file()
    except OSError as error:
        raise from_oserror(error, "set valid data length") from None
    if size > end:
        raise NTStatusError(STATUS_INVALID_PARAMETER, "beyond the end of file")


def set_disposition(fo: FileObject, delete_file: bool) -> None:
    """Make the name delete-pending, or withdraw that ([MS-FSA] 2.1.5.15.3).

    Raises:
        NTStatusError: STATUS_ACCESS_DENIED, STATUS_CANNOT_DELETE, STATUS_DIRECTORY_NOT_EMPTY, STATUS_FILE_DELETED.
    """
    _set_disposition(fo, delete_file, ignore_readonly=False)


def set_disposition_ex(fo: FileObject, flags: int) -> None:
    """Set the disposition with its extended flags ([MS-FSCC] 2.4.12).

    Raises:
        NTStatusError: as `set_disposition`; STATUS_INVALID_PARAMETER for unknown flags.
    """
    if flags & ~_DISPOSITION_FLAGS:
        raise NTStatusError(STATUS_INVALID_PARAMETER, "unknown disposition flag")
    wanted = bool(flags & FILE_DISPOSITION_DELETE)
    if flags & FILE_DISPOSITION_ON_CLOSE:
        fo.require(DELETE)
        if wanted:
            delete.check_may_delete(fo)
        fo.delete_on_close = wanted
        return
    _set_disposition(fo, wanted, ignore_readonly=bool(flags & FILE_DISPOSITION_IGNORE_READONLY_ATTRIBUTE))
    fo.posix_delete = wanted and bool(flags & FILE_DISPOSITION_POSIX_SEMANTICS)


def _set_disposition(fo: FileObject, delete_file: bool, *, ignore_readonly: bool) -> None:
    fo.require(DELETE)
    try:
        if delete_file:
            delete.check_may_delete(fo, ignore_readonly=ignore_readonly)
        with fo.volume.share_modes.lock(fo.file_id) as lock:
            entry = lock.find(fo.owner.server_id, fo.owner.open_id)
            if entry is None and fo.stream is not None:
                raise stream_hold.gone()
            path = lock.record.name_of(entry) if lock.record is not None and entry is not None else fo.full_path
            if delete_file:
                lock.set_delete(delete.token_of(fo, path))
                if fo.is_directory:
                    when_unlocked(lambda: trigger.directory_deleted(fo.volume, fo.path))
            else:
                lock.clear_delete(path)
    except OSError as error:
        raise from_oserror(error, "set disposition") from None


def set_position(fo: FileObject, position: int) -> None:
    """Set the current byte offset ([MS-FSA] 2.1.5.15.11).

    Raises:
        NTStatusError: STATUS_INVALID_PARAMETER.
    """
    if not 0 <= position <= allocation.MAX_FILE_SIZE:
        raise NTStatusError(STATUS_INVALID_PARAMETER, "position out of range")
    fo.position = position


def set_mode(fo: FileObject, mode: int) -> None:
    """Set the mode ([MS-FSA] 2.1.5.15.9): kept and shown, without any effect on the server.

    Raises:
        NTStatusError: STATUS_INVALID_PARAMETER.
    """
    if mode & ~_SETTABLE_MODE:
        raise NTStatusError(STATUS_INVALID_PARAMETER, "no such mode")
    if mode & FILE_SYNCHRONOUS_IO_ALERT and mode & FILE_SYNCHRONOUS_IO_NONALERT:
        raise NTStatusError(STATUS_INVALID_PARAMETER, "modes exclude each other")
    fo.mode = mode
