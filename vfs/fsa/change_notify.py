"""Waiting for changes in a directory: [MS-FSA] 2.1.5.11."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfs.access import FILE_LIST_DIRECTORY
from vfs.notify.watch import Watch
from vfs.ntstatus import STATUS_INVALID_PARAMETER, STATUS_NOT_IMPLEMENTED, NTStatusError

if TYPE_CHECKING:
    from vfs.fsa.file_object import FileObject


def watch(fo: FileObject, completion_filter: int, max_length: int, *, recursive: bool) -> Watch:
    """Return the watch of `fo`; the first call starts it, with its parameters for good.

    Raises:
        NTStatusError: STATUS_INVALID_PARAMETER (not a directory), STATUS_ACCESS_DENIED (no FILE_LIST_DIRECTORY),
            STATUS_NOT_IMPLEMENTED (the volume has no change notification).
        DbError: the watch cannot be registered.
    """
    if not fo.is_directory:
        raise NTStatusError(STATUS_INVALID_PARAMETER, "not a directory")
    notifier = fo.volume.notifier
    if notifier is None:
        raise NTStatusError(STATUS_NOT_IMPLEMENTED, "change notification is turned off")
    fo.require(FILE_LIST_DIRECTORY)
    if fo.watch is None:
        fo.follow()
        started = Watch(fo.full_path, completion_filter, recursive=recursive, max_length=max_length)
        notifier.add(started)
        fo.watch = started
        # Who deletes the directory tells those who watch it; whoever comes later has to see for himself.
        if fo.volume.share_modes.is_delete_pending(fo.file_id, fo.full_path):
            started.directory_deleted()
    return fo.watch


def unwatch(fo: FileObject) -> None:
    """End the watch of `fo`, if it has one.

    Raises:
        DbError: the register cannot be changed.
    """
    if fo.watch is not None and fo.volume.notifier is not None:
        fo.volume.notifier.remove(fo.watch)
        fo.watch = None

