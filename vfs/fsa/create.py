"""Creating a file or directory: [MS-FSA] 2.1.5.1.1."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Final

from vfs.access import map_generic
from vfs.constants import (
    FILE_ATTRIBUTE_ARCHIVE,
    FILE_CREATED,
    FILE_DELETE_ON_CLOSE,
    FILE_DIRECTORY_FILE,
)
from vfs.file_id import FileId
from vfs.fsa import (
    access_check,
    allocation,
    attributes,
    delete,
    ea,
    initial_security,
    leasing,
    names,
    share,
    times,
    tunnel,
)
from vfs.fsa.file_object import FileObject
from vfs.fsa.mangle import MANGLED_NO
from vfs.fsa.parent import ParentDirectory
from vfs.notify import trigger
from vfs.ntstatus import STATUS_ACCESS_DENIED, STATUS_SHARING_VIOLATION, NTStatusError

if TYPE_CHECKING:
    from vfs.fsa.params import OpenOwner, OpenParams
    from vfs.token import SecurityToken
    from vfs.volume import Volume

_CREATE_FLAGS: Final = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_ALL: Final = 0o777
"""The mode where a default ACL is to decide: the kernel grants what both give."""
_DIRECTORY_FLAGS: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def create(
    volume: Volume, token: SecurityToken, params: OpenParams, owner: OpenOwner, path: bytes
) -> FileObject:
    """Create `path`, which did not exist a moment ago, and open it.

    Raises:
        FileExistsError: somebody else created it meanwhile.
        NTStatusError, OSError: why it cannot be created; nothing is left behind then.
    """
    directory = bool(params.create_options & FILE_DIRECTORY_FILE)
    if b"~" in path and volume.options.mangled_names != MANGLED_NO:
        path = tunnel.long_path(volume.share_path, path)
    options = volume.options
    if not (options.preserve_case and options.short_preserve_case):
        path = names.stored_case(
            path,
            preserve=options.preserve_case,
            short_preserve=options.short_preserve_case,
            upper=options.default_case_upper,
        )
    leasing.check_key(volume, owner, None, volume.full_path(path))
    with ParentDirectory(volume, path) as parent:
        granted = access_check.check_create(volume, token, parent, map_generic(params.desired_access), directory)
        delete.check_directory_stays(volume, parent)
        fo = _create_in(parent, volume, token, params, owner, path, granted)
    leasing.parent_changed(fo)
    trigger.added(volume, path, directory=directory)
    return fo


def _create_in(
    parent: ParentDirectory,
    volume: Volume,
    token: SecurityToken,
    params: OpenParams,
    owner: OpenOwner,
    path: bytes,
    granted: int,
) -> FileObject:
    """Create what was checked.

    Raises:
        FileExistsError, NTStatusError, OSError: as `create`.
    """
    directory = bool(params.create_options & FILE_DIRECTORY_FILE)
    stored = params.file_attributes & attributes.SETTABLE | (0 if directory else FILE_ATTRIBUTE_ARCHIVE)
    try:
        fd = _make(volume, path, directory, _mode(volume, params, parent, directory, stored))
    except PermissionError:
        raise NTStatusError(STATUS_ACCESS_DENIED, "the directory does not let create") from None
    try:
        stat = volume.backend.stat(fd)
    except OSError:
        os.close(fd)
        _remove(volume, path, directory)
        raise
    try:
        file_id = FileId(stat.dev, stat.ino)
        fo = FileObject(
            volume, token, owner, fd, path, stat, file_id, file_id.key(), directory,
            0, times.to_filetime(stat.btime_ns),
            params.share_access, params.create_options, bool(params.create_options & FILE_DELETE_ON_CLOSE), False,
            granted, FILE_CREATED,
        )  # fmt: skip
        entered = share.enter(fo, params)
    except BaseException:
        # Somebody opened the new name in the moment between: it is his now, too.
        os.close(fd)
        raise
    if not entered:
        os.close(fd)
        raise NTStatusError(STATUS_SHARING_VIOLATION, "removed at once by somebody else")
    try:
        _equip(fo, params, stored, parent)
    except BaseException:
        _remove(volume, path, directory)
        share.withdraw(fo)
        raise
    return fo


def _mode(
    volume: Volume, params: OpenParams, parent: ParentDirectory, directory: bool, stored: int
) -> int:
    """Return the permission bits for the new file, as far as the kernel is to set them."""
    options = volume.options
    if options.posix:
        if directory:
            return params.posix_mode & options.directory_mask | options.force_directory_mode
        return params.posix_mode & options.create_mask | options.force_create_mode
    if options.inherit_acls and initial_security.has_default_acl(volume, parent):
        return _ALL
    parent_mode = parent.stat.mode if options.inherit_permissions else None
    if directory:
        return attributes.directory_mode(volume, parent_mode)
    return attributes.file_mode(volume, stored, parent_mode)


def _make(volume: Volume, path: bytes, directory: bool, mode: int) -> int:
    if not directory:
        return volume.backend.open(path, _CREATE_FLAGS, mode)
    volume.backend.mkdir(path, mode)
    try:
        try:
            return volume.backend.open(path, _DIRECTORY_FLAGS)
        except PermissionError:
            # A directory mask without the read bit: the creator gets what is left.
            return volume.backend.open(path, os.O_PATH | _DIRECTORY_FLAGS)
    except OSError:
        _remove(volume, path, directory)
        raise


def _equip(fo: FileObject, params: OpenParams, stored: int, parent: ParentDirectory) -> None:
    """Give the new file all that the request carries: EAs, space, attributes, security."""
    volume = fo.volume
    if params.extended_attributes:
        ea.set_eas_unchecked(fo, params.extended_attributes)
    if params.allocation_size:
        allocation.reserve(fo, params.allocation_size)
    if stored or volume.options.store_dos_attributes:
        attributes.store(volume, fo.fd, fo.stat, stored, fo.creation_time)
    # Last: afterwards the kernel may refuse the rest.
    initial_security.equip(fo, params.security_descriptor, parent)
    fo.refresh()  # the response is to say what a query says afterwards
    fo.file_attributes = attributes.complete(volume, fo.stat, fo.path, stored)


def _remove(volume: Volume, path: bytes, directory: bool) -> None:
    with contextlib.suppress(OSError):
        if directory:
            volume.backend.rmdir(path)
        else:
            volume.backend.unlink(path)
