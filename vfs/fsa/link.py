"""Hard links: [MS-FSA] 2.1.5.15.7."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfs.fsa import leasing, streams, target
from vfs.notify import trigger
from vfs.ntstatus import (
    STATUS_FILE_IS_A_DIRECTORY,
    STATUS_INVALID_PARAMETER,
    STATUS_MEDIA_WRITE_PROTECTED,
    STATUS_OBJECT_NAME_COLLISION,
    NTStatusError,
    from_oserror,
)

if TYPE_CHECKING:
    from vfs.fsa.file_object import FileObject


def link(fo: FileObject, new_path: str, replace: bool) -> None:
    """Give the file of `fo` the further name `new_path`, relative to the share.

    Raises:
        NTStatusError: STATUS_FILE_IS_A_DIRECTORY, STATUS_OBJECT_NAME_COLLISION, STATUS_OBJECT_PATH_NOT_FOUND,
            STATUS_ACCESS_DENIED (the target is open, read-only or a directory), STATUS_TOO_MANY_LINKS,
            STATUS_MEDIA_WRITE_PROTECTED, or what the system call said.
    """
    check_may_link(fo)
    try:
        to = target.find(fo.volume, new_path)
        if to.file_id == fo.file_id and replace:
            return  # the name means this file already
        target.check_replace(fo.volume, to, replace)
        target.check_parent(fo, to)
        doomed = streams.doomed_side_files(fo.volume, to.existing) if to.existing is not None else []
        with target.keep_closed(fo, to):
            fo.volume.backend.link(fo.fd, to.existing or to.path, replace=to.existing is not None)
        leasing.parent_changed(fo, to.path)
        trigger.added(fo.volume, to.path, directory=False)
        streams.remove_side_files(fo.volume, doomed)
    except FileExistsError:
        raise NTStatusError(STATUS_OBJECT_NAME_COLLISION, "the new name exists") from None
    except OSError as error:
        raise from_oserror(error, "link") from None


def check_may_link(fo: FileObject) -> None:
    """Check what does not depend on the new name.

    Raises:
        NTStatusError: STATUS_MEDIA_WRITE_PROTECTED, STATUS_INVALID_PARAMETER, STATUS_FILE_IS_A_DIRECTORY.
    """
    if fo.volume.read_only:
        raise NTStatusError(STATUS_MEDIA_WRITE_PROTECTED, "read-only share")
    if fo.stream is not None:
        raise NTStatusError(STATUS_INVALID_PARAMETER, "streams are not linked")
    if fo.is_directory:
        raise NTStatusError(STATUS_FILE_IS_A_DIRECTORY, "directories have one name")
