"""An open of a file or directory: [MS-FSA] 2.1.1.6, the half of an open that knows nothing of SMB."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vfs.file_id import FileId
    from vfs.fsa.params import OpenOwner
    from vfs.fsa.stat import FileStat
    from vfs.posix.backend import Stat
    from vfs.token import SecurityToken
    from vfs.volume import Volume


class FileObject:
    """One open.

    Attributes:
        fd: descriptor; an O_PATH one if `path_only`.
        path: unix path relative to the share as spelled on disk; empty is the root.
        name: SMB path relative to the share as spelled on disk.
        granted_access: what the opener was given; every operation checks against it.
        create_action: FILE_SUPERSEDED, FILE_OPENED, FILE_CREATED or FILE_OVERWRITTEN.
        delete_on_close: opened with FILE_DELETE_ON_CLOSE (takes effect when this open closes).
        position: CurrentByteOffset of FilePositionInformation.
        mode: Mode of FileModeInformation.
        file_attributes: DOS attributes as last seen through this open.
        stat: statx result as last seen through this open.
        sticky_write_time: a set write time stays; later writes through this open do not move it.
        closed: `close_file` was called.
    """

    __slots__ = (
        "closed",
        "create_action",
        "create_options",
        "creation_time",
        "delete_on_close",
        "fd",
        "file_attributes",
        "file_id",
        "granted_access",
        "is_directory",
        "mode",
        "modified",
        "name",
        "open_stat",
        "owner",
        "path",
        "path_only",
        "position",
        "share_access",
        "stat",
        "sticky_write_time",
        "token",
        "volume",
    )

    volume: Volume
    token: SecurityToken
    owner: OpenOwner
    fd: int
    path: bytes
    name: str
    is_directory: bool
    granted_access: int
    share_access: int
    create_options: int
    create_action: int
    delete_on_close: bool
    file_id: FileId
    position: int
    mode: int
    file_attributes: int
    creation_time: int
    stat: Stat
    open_stat: FileStat
    path_only: bool
    sticky_write_time: bool
    modified: bool
    closed: bool

    def maximal_access(self) -> int:
        """Return what the opener could have been granted at most (MxAc create context, tree rules included).

        Raises:
            NTStatusError: the security descriptor cannot be read.
        """
        raise NotImplementedError
