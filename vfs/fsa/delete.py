"""Deleting: may it be, is the directory empty, and the act itself ([MS-FSA] 2.1.5.15.3, 2.1.5.5)."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import shutil
from typing import TYPE_CHECKING

from messaging.dbwrap.base import when_unlocked
from vfs.access import DELETE
from vfs.constants import FILE_ATTRIBUTE_READONLY
from vfs.file_id import FileId
from vfs.fsa import attributes, tunnel
from vfs.fsa.names import component_to_str
from vfs.locking.entry import DeleteToken
from vfs.notify import trigger
from vfs.ntstatus import (
    STATUS_ACCESS_DENIED,
    STATUS_CANNOT_DELETE,
    STATUS_DELETE_PENDING,
    STATUS_DIRECTORY_NOT_EMPTY,
    NTStatusError,
)
from vfs.posix import credentials

if TYPE_CHECKING:
    from vfs.fsa.file_object import FileObject
    from vfs.fsa.parent import ParentDirectory
    from vfs.posix.syscalls import Stat
    from vfs.volume import Volume

_log = logging.getLogger(__name__)


def token_of(fo: FileObject, path: bytes) -> DeleteToken:
    """Return the delete token for the absolute `path` with the credentials of `fo`."""
    return DeleteToken(path, fo.token.uid, fo.token.gid, fo.token.groups)


def check_may_delete(fo: FileObject, *, ignore_readonly: bool = False) -> None:
    """Check that the name of `fo` can become delete-pending.

    Raises:
        NTStatusError: STATUS_ACCESS_DENIED, STATUS_CANNOT_DELETE, STATUS_DIRECTORY_NOT_EMPTY.
        OSError: it cannot be found out.
    """
    volume = fo.volume
    if volume.read_only or not (fo.path or fo.stream):
        raise NTStatusError(STATUS_ACCESS_DENIED, "read-only share, or its root")
    fo.require(DELETE)
    fo.follow()
    if not ignore_readonly and not volume.options.delete_readonly:
        # Not by the status that the open remembers: it may be older than the attributes.
        attribute_bits = attributes.look(volume, fo.fd, fo.path).file_attributes
        if attribute_bits & FILE_ATTRIBUTE_READONLY:
            raise NTStatusError(STATUS_CANNOT_DELETE, "read-only file")
    if fo.is_directory and not is_empty(fo):
        raise NTStatusError(STATUS_DIRECTORY_NOT_EMPTY, "directory is not empty")


def check_directory_stays(volume: Volume, parent: ParentDirectory) -> None:
    """Refuse to put a name into a directory that is delete-pending.

    Raises:
        NTStatusError: STATUS_DELETE_PENDING.
        OSError: the directory cannot be looked at.
    """
    if parent.path:
        stat = parent.stat
        if volume.share_modes.is_delete_pending(FileId(stat.dev, stat.ino), volume.full_path(parent.path)):
            raise NTStatusError(STATUS_DELETE_PENDING, "the directory is delete pending")


def is_empty(fo: FileObject) -> bool:
    """Tell whether a directory can be removed: what `delete veto files` would remove with it does not count.

    Raises:
        OSError: it cannot be listed.
    """
    volume = fo.volume
    fd = fo.fd
    if fo.path_only:
        fd = volume.backend.open(fo.path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        return all(
            volume.options.delete_veto_files and volume.vetoed is not None and volume.vetoed(component_to_str(name))
            for name, _ in volume.backend.listdir(fd)
        )
    finally:
        if fd != fo.fd:
            os.close(fd)


def remove_name(fo: FileObject, path: bytes) -> None:
    """Remove the share-relative name `path` if it is a name of the file of `fo`; another file by that name stays.

    Raises:
        OSError: as the kernel says.
    """
    backend = fo.volume.backend
    parent, name = backend.open_parent(path)
    try:
        found = backend.stat_at(parent, name)
        if not _is_name_of(fo, found):
            _log.info("%r is another file now and stays", path)
            return
        doomed = _side_files(fo, found)
        try:
            _remove_entry(fo, parent, path)
        except PermissionError:
            if not fo.volume.options.acl_xattr:
                raise
            # The file's own descriptor granted DELETE; the kernel asks the directory alone.
            with credentials.as_root():
                _remove_entry(fo, parent, path)
    finally:
        backend.close_parent(parent)
    # A module may have kept the file.
    if doomed and fo.volume.streams is not None and not backend.stat(fo.fd).nlink:
        fo.volume.streams.remove_side_files(doomed)
    tunnel.removed(fo.volume.share_path, path)
    # The caller holds the lock of the share modes.
    when_unlocked(lambda: trigger.removed(fo.volume, path, directory=fo.is_directory))


def _remove_entry(fo: FileObject, parent: int, path: bytes) -> None:
    if not fo.is_directory:
        fo.volume.backend.unlink(path, parent)
    else:
        _remove_directory(fo, parent, path)


def _side_files(fo: FileObject, found: Stat) -> list[bytes]:
    """Return what of the file's streams lies elsewhere and goes with its last name."""
    if fo.volume.streams is None or found.is_symlink or (found.nlink > 1 and not fo.is_directory):
        return []
    return fo.volume.streams.side_files(fo.fd, found.ino)


def _remove_directory(fo: FileObject, parent: int, path: bytes) -> None:
    try:
        fo.volume.backend.rmdir(path, parent)
    except OSError as error:
        if error.errno != errno.ENOTEMPTY or not fo.volume.options.delete_veto_files:
            raise
        _remove_vetoed(fo, parent, path[path.rfind(b"/") + 1 :])
        fo.volume.backend.rmdir(path, parent)


def _is_name_of(fo: FileObject, found: Stat) -> bool:
    # What was opened through a symbolic link is deleted by removing the link.
    return found.is_symlink or (found.ino == fo.file_id.ino and found.dev == fo.file_id.dev)


def _remove_vetoed(fo: FileObject, parent: int, name: bytes) -> None:
    """Remove the vetoed entries of a directory, whole trees included."""
    volume = fo.volume
    fd = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    try:
        for entry in os.listdir(fd):  # noqa: PTH208 - by descriptor
            if volume.vetoed is None or not volume.vetoed(entry):
                continue
            try:
                os.unlink(entry, dir_fd=fd)
            except IsADirectoryError:
                with contextlib.suppress(OSError):
                    shutil.rmtree(entry, dir_fd=fd)
    finally:
        os.close(fd)
