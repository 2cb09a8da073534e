"""Replacing the contents of an existing file: FILE_SUPERSEDE and FILE_OVERWRITE(_IF) ([MS-FSA] 2.1.5.1.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from vfs.constants import (
    FILE_ATTRIBUTE_ARCHIVE,
    FILE_ATTRIBUTE_HIDDEN,
    FILE_ATTRIBUTE_READONLY,
    FILE_ATTRIBUTE_REPARSE_POINT,
    FILE_ATTRIBUTE_SYSTEM,
    FILE_NOTIFY_CHANGE_ATTRIBUTES,
    FILE_NOTIFY_CHANGE_LAST_WRITE,
    FILE_NOTIFY_CHANGE_SIZE,
    FILE_OVERWRITTEN,
    FILE_SUPERSEDE,
    FILE_SUPERSEDED,
)
from vfs.fsa import allocation, attributes, ea, leasing, share, stream_hold, times
from vfs.notify import trigger
from vfs.ntstatus import STATUS_ACCESS_DENIED, NTStatusError

if TYPE_CHECKING:
    from vfs.fsa.file_object import FileObject
    from vfs.fsa.params import OpenParams

_CHANGES: Final = FILE_NOTIFY_CHANGE_ATTRIBUTES | FILE_NOTIFY_CHANGE_LAST_WRITE | FILE_NOTIFY_CHANGE_SIZE


def check_attributes(fo: FileObject, requested: int) -> None:
    """Refuse to overwrite a read-only file, or to drop HIDDEN or SYSTEM by overwriting.

    Raises:
        NTStatusError: STATUS_ACCESS_DENIED.
    """
    if fo.is_directory:
        return
    existing = fo.file_attributes
    # A dot file is hidden by its name alone: nobody asks for that attribute when he overwrites it.
    if attributes.hidden_by_name(fo.volume, fo.path):
        existing &= ~FILE_ATTRIBUTE_HIDDEN
    if existing & FILE_ATTRIBUTE_READONLY:
        raise NTStatusError(STATUS_ACCESS_DENIED, "read-only file")
    if existing & (FILE_ATTRIBUTE_HIDDEN | FILE_ATTRIBUTE_SYSTEM) & ~requested:
        raise NTStatusError(STATUS_ACCESS_DENIED, "hidden or system file")


def overwrite(fo: FileObject, params: OpenParams) -> None:
    """Empty the file, drop its streams and give it the attributes of the request; on failure the open is undone.

    Raises:
        NTStatusError, OSError: what failed.
    """
    volume = fo.volume
    try:
        volume.backend.ftruncate(fo.fd, 0)
        stream_hold.take_all(fo)
        if params.create_disposition == FILE_SUPERSEDE:
            fo.create_action = FILE_SUPERSEDED
            fo.creation_time = times.now()
        else:
            fo.create_action = FILE_OVERWRITTEN
        if volume.options.ea_support:
            ea.replace_all(fo, params.extended_attributes or [])
        if params.allocation_size:
            allocation.reserve(fo, params.allocation_size)
        stored = params.file_attributes & attributes.SETTABLE | FILE_ATTRIBUTE_ARCHIVE
        stored |= fo.file_attributes & FILE_ATTRIBUTE_REPARSE_POINT
        attributes.store(volume, fo.fd, fo.stat, stored, fo.creation_time)
        stat = fo.refresh()
        fo.file_attributes = attributes.complete(volume, stat, fo.path, stored)
    except BaseException:
        share.withdraw(fo)
        raise
    leasing.parent_changed(fo)
    trigger.modified(fo, _CHANGES)
