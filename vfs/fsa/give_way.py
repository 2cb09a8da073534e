"""What others keep open only to save themselves the next open has to be closed before a name goes or moves.

[MS-FSA] 2.1.5.15.3, 2.1.5.15.7 and 2.1.5.15.12 check for oplock breaks of HANDLE caching first. These functions do
that and wait; the operation follows, and checks everything for itself.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from vfs.fsa import delete, link, rename, target
from vfs.locking.breaks import break_handles
from vfs.ntstatus import STATUS_FILE_CLOSED, NTStatusError, from_oserror

if TYPE_CHECKING:
    from vfs.file_id import FileId
    from vfs.fsa.file_object import FileObject


async def before_rename(fo: FileObject, new_path: str, replace: bool) -> None:
    """Wait until nobody caches a handle of the file, of what is in the directory, or of what is replaced.

    Raises:
        NTStatusError: the rename would fail anyway; STATUS_SHARING_VIOLATION: somebody does not react;
            STATUS_FILE_CLOSED: it was closed meanwhile.
        Cancelled: the wait was given up.
    """
    rename.check_may_rename(fo)
    modes = fo.volume.share_modes
    await break_handles(modes, lambda: fo.file_id, fo)
    if fo.is_directory:
        for file_id in modes.open_below(fo.full_path):
            await break_handles(modes, partial(_same, file_id))
    if replace:
        await _before_replacing(fo, new_path)
    _check_open(fo)


async def before_link(fo: FileObject, new_path: str, replace: bool) -> None:
    """Wait until nobody caches a handle of what the new link replaces.

    Raises:
        NTStatusError, Cancelled: as `before_rename`.
    """
    link.check_may_link(fo)
    if replace:
        await _before_replacing(fo, new_path)
        _check_open(fo)


async def before_delete(fo: FileObject, *, ignore_readonly: bool = False) -> None:
    """Wait until nobody else caches a handle of the file.

    Raises:
        NTStatusError, Cancelled: as `before_rename`.
    """
    try:
        delete.check_may_delete(fo, ignore_readonly=ignore_readonly)
    except OSError as error:
        raise from_oserror(error, "delete") from None
    await break_handles(fo.volume.share_modes, lambda: fo.file_id, fo)
    _check_open(fo)


async def _before_replacing(fo: FileObject, new_path: str) -> None:
    if fo.stream is not None or (new_path.startswith(":") and not fo.volume.options.posix):
        return

    def find() -> FileId | None:
        try:
            found = target.find(fo.volume, new_path).file_id
        except OSError as error:
            raise from_oserror(error, "look up") from None
        return None if found == fo.file_id else found

    await break_handles(fo.volume.share_modes, find)


def _same(file_id: FileId) -> FileId:
    return file_id


def _check_open(fo: FileObject) -> None:
    if fo.closed:
        raise NTStatusError(STATUS_FILE_CLOSED, "closed while it waited")
