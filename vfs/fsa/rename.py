"""Renaming: [MS-FSA] 2.1.5.15.12."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

from vfs.access import DELETE
from vfs.file_id import FileId
from vfs.fsa import leasing, stream_rename, streams, target
from vfs.notify import trigger
from vfs.ntstatus import (
    STATUS_ACCESS_DENIED,
    STATUS_MEDIA_WRITE_PROTECTED,
    STATUS_OBJECT_NAME_COLLISION,
    STATUS_SHARING_VIOLATION,
    NTStatusError,
    from_oserror,
)

if TYPE_CHECKING:
    from vfs.fsa.file_object import FileObject
    from vfs.fsa.target import Target


def rename(fo: FileObject, new_path: str, replace: bool) -> None:
    """Give the file of `fo` the name `new_path`, relative to the share.

    Raises:
        NTStatusError: STATUS_ACCESS_DENIED (no DELETE access; open children; into itself; the target is open, read-only
            or a directory), STATUS_OBJECT_NAME_COLLISION, STATUS_OBJECT_PATH_NOT_FOUND, STATUS_OBJECT_NAME_INVALID,
            STATUS_MEDIA_WRITE_PROTECTED, or what the system call said.
    """
    check_may_rename(fo)
    if fo.stream is not None or (new_path.startswith(":") and not fo.volume.options.posix):
        _rename_stream(fo, new_path, replace)
        return
    if not fo.path:
        raise NTStatusError(STATUS_ACCESS_DENIED, "the share's root stays")
    try:
        _rename(fo, target.find(fo.volume, new_path), replace)
    except FileExistsError:
        raise NTStatusError(STATUS_OBJECT_NAME_COLLISION, "the new name exists") from None
    except OSError as error:
        raise from_oserror(error, "rename") from None


def check_may_rename(fo: FileObject) -> None:
    """Check what does not depend on the new name.

    Raises:
        NTStatusError: STATUS_MEDIA_WRITE_PROTECTED, STATUS_ACCESS_DENIED.
    """
    if fo.volume.read_only:
        raise NTStatusError(STATUS_MEDIA_WRITE_PROTECTED, "read-only share")
    fo.require(DELETE)


def _rename_stream(fo: FileObject, new_name: str, replace: bool) -> None:
    try:
        stream_rename.rename(fo, new_name, replace)
    except OSError as error:
        raise from_oserror(error, "rename of a stream") from None


def _rename(fo: FileObject, to: Target, replace: bool) -> None:
    volume = fo.volume
    fo.follow()
    if to.existing == fo.path:
        if to.path == fo.path:
            return
        # The same name in another case: nothing is replaced, whatever `replace` says.
        replaces = False
    else:
        target.check_replace(volume, to, replace)
        replaces = to.existing is not None
    if fo.is_directory:
        if to.path.startswith(fo.path + b"/"):
            raise NTStatusError(STATUS_ACCESS_DENIED, "a directory does not move into itself")
        if volume.share_modes.is_open_below(fo.full_path):
            raise NTStatusError(STATUS_ACCESS_DENIED, "something in the directory is open")
        if replaces:
            raise NTStatusError(STATUS_ACCESS_DENIED, "a directory does not replace a file")
    if streams.any_open(volume, fo.file_id):
        raise NTStatusError(STATUS_ACCESS_DENIED, "a stream of the file is open")
    target.check_parent(fo, to)
    _check_parent_stays(fo, to)
    doomed = streams.doomed_side_files(volume, to.existing) if replaces and to.existing is not None else []
    old = fo.full_path
    with target.keep_closed(fo, to) if replaces else nullcontext(), volume.share_modes.lock(fo.file_id) as lock:
        if replaces and to.existing is not None and to.file_id == fo.file_id:
            # Two links of one file: the kernel would leave both.
            volume.backend.unlink(to.existing)
            replaces = False
        if replaces and to.existing is not None and to.existing != to.path:
            # What is replaced differs in case; its spelling does not survive.
            volume.backend.rename(fo.path, to.existing, replace=True)
            try:
                volume.backend.rename(to.existing, to.path, replace=False)
            except OSError:
                volume.backend.rename(to.existing, fo.path, replace=False)
                raise
        else:
            volume.backend.rename(fo.path, to.path, replace=replaces)
        lock.rename(old, volume.full_path(to.path))
    streams.remove_side_files(volume, doomed)
    leasing.parent_changed(fo, fo.path)
    leasing.parent_changed(fo, to.path)
    trigger.renamed(fo, to.path)
    fo.renamed_to(to.path)


def _check_parent_stays(fo: FileObject, to: Target) -> None:
    """Refuse while the client has the directory of the new name open with the right to delete it.

    Windows opens it for the time of the rename without sharing deletion.
    DEVIATION: as with Samba, opens of other clients and share modes do not count, or whoever watches a directory for
    changes would keep everybody from renaming in it.

    Raises:
        NTStatusError: STATUS_SHARING_VIOLATION.
        OSError: the directory cannot be looked at.
    """
    volume = fo.volume
    parent = volume.backend.stat_path(to.path.rpartition(b"/")[0])
    record = volume.share_modes.live_record(FileId(parent.dev, parent.ino))
    if record is not None and any(
        entry.access_mask & DELETE and entry.server_id == fo.owner.server_id for entry in record.entries
    ):
        raise NTStatusError(STATUS_SHARING_VIOLATION, "the directory is open in a way that forbids it")
