"""Reparse points: [MS-FSA] 2.1.5.10.9, 2.1.5.10.37 and 2.1.5.1, [MS-FSCC] 2.1.2.

What a client set is kept whole in an extended attribute, in Samba's way, together with FILE_ATTRIBUTE_REPARSE_POINT. It
means nothing to the server, which never goes where one leads: clients do, and are told by STATUS_STOPPED_ON_SYMLINK.
Files that are neither regular nor directories are reparse points by themselves.
"""

from __future__ import annotations

import os
import stat as stat_module
import struct
from typing import TYPE_CHECKING, Final, NamedTuple

from vfs.access import FILE_WRITE_ATTRIBUTES, FILE_WRITE_DATA
from vfs.constants import (
    FILE_ATTRIBUTE_REPARSE_POINT,
    FILE_NOTIFY_CHANGE_ATTRIBUTES,
    IO_REPARSE_TAG_AF_UNIX,
    IO_REPARSE_TAG_LX_BLK,
    IO_REPARSE_TAG_LX_CHR,
    IO_REPARSE_TAG_LX_FIFO,
    IO_REPARSE_TAG_LX_SYMLINK,
    IO_REPARSE_TAG_NFS,
    IO_REPARSE_TAG_SYMLINK,
    NFS_SPECFILE_BLK,
    NFS_SPECFILE_CHR,
    NFS_SPECFILE_FIFO,
    NFS_SPECFILE_LNK,
    NFS_SPECFILE_SOCK,
)
from vfs.fsa import attributes, delete
from vfs.notify import trigger
from vfs.ntstatus import (
    STATUS_ACCESS_DENIED,
    STATUS_DIRECTORY_NOT_EMPTY,
    STATUS_IO_REPARSE_TAG_MISMATCH,
    STATUS_IO_REPARSE_TAG_NOT_HANDLED,
    STATUS_MEDIA_WRITE_PROTECTED,
    STATUS_NOT_A_REPARSE_POINT,
    STATUS_REPARSE_ATTRIBUTE_CONFLICT,
    STATUS_STOPPED_ON_SYMLINK,
    NTStatusError,
    from_oserror,
)
from vfs.posix.backend import NoSuchName
from vfs.posix.names import to_text

if TYPE_CHECKING:
    from vfs.fsa.file_object import FileObject
    from vfs.posix.backend import PosixBackend
    from vfs.posix.syscalls import Stat
    from vfs.volume import Volume

XATTR_NAME: Final = "user.SmbReparse"
_TAG: Final = struct.Struct("<I")
_MICROSOFT_TAG: Final = 0x80000000
_GUID: Final = slice(8, 24)
_INODE_TYPE: Final = slice(8, 16)  # of the NFS tag
#: What a reparse point stands for in Unix, by its tag or by the type that the NFS tag names.
_KINDS: Final = {
    IO_REPARSE_TAG_SYMLINK: stat_module.S_IFLNK,
    IO_REPARSE_TAG_LX_SYMLINK: stat_module.S_IFLNK,
    IO_REPARSE_TAG_LX_CHR: stat_module.S_IFCHR,
    IO_REPARSE_TAG_LX_BLK: stat_module.S_IFBLK,
    IO_REPARSE_TAG_LX_FIFO: stat_module.S_IFIFO,
    IO_REPARSE_TAG_AF_UNIX: stat_module.S_IFSOCK,
}
_NFS_KINDS: Final = {
    NFS_SPECFILE_LNK: stat_module.S_IFLNK,
    NFS_SPECFILE_CHR: stat_module.S_IFCHR,
    NFS_SPECFILE_BLK: stat_module.S_IFBLK,
    NFS_SPECFILE_FIFO: stat_module.S_IFIFO,
    NFS_SPECFILE_SOCK: stat_module.S_IFSOCK,
}


class SymbolicLink(NamedTuple):
    """A symbolic link of the file system: where it leads."""

    target: str


class SpecialFile(NamedTuple):
    """A pipe, socket or device of the file system: its type (S_IF*) and device numbers."""

    kind: int
    rdev: int


class ReparsePointError(NTStatusError):
    """An open met a reparse point that the client has to follow, or cannot.

    Attributes:
        point: REPARSE_DATA_BUFFER of the reparse point.
        unparsed: what follows it in the path, with the backslash in front.
    """

    def __init__(self, point: bytes, unparsed: str = "") -> None:
        follow = _tag_of(point) == IO_REPARSE_TAG_SYMLINK
        super().__init__(STATUS_STOPPED_ON_SYMLINK if follow else STATUS_IO_REPARSE_TAG_NOT_HANDLED, "reparse point")
        self.point = point
        self.unparsed = unparsed


class StoppedOnLinkError(NTStatusError):
    """An open met a symbolic link of the file system that the client has to follow.

    Attributes:
        link: where it leads.
    """

    def __init__(self, link: SymbolicLink) -> None:
        super().__init__(STATUS_STOPPED_ON_SYMLINK, "symbolic link")
        self.link = link


def _tag_of(point: bytes) -> int:
    tag: int = _TAG.unpack_from(point)[0]
    return tag


def _kind_of(point: bytes) -> int:
    tag = _tag_of(point)
    if tag == IO_REPARSE_TAG_NFS:
        return _NFS_KINDS.get(int.from_bytes(point[_INODE_TYPE], "little"), 0)
    return _KINDS.get(tag, 0)


def _stored(backend: PosixBackend, fd: int) -> bytes | None:
    point = backend.fgetxattr(fd, XATTR_NAME)
    return point if point is not None and len(point) >= _TAG.size else None


def query(fo: FileObject) -> bytes | SymbolicLink | SpecialFile:
    """Return the reparse point that `fo` is: as it was stored, or what it is in the file system.

    Raises:
        NTStatusError: STATUS_NOT_A_REPARSE_POINT, or what the system call said.
    """
    backend = fo.volume.backend
    try:
        if fo.stat.is_symlink:
            return SymbolicLink(to_text(backend.readlink(fo.path)))
        if not (fo.stat.is_regular or fo.stat.is_directory):
            return SpecialFile(stat_module.S_IFMT(fo.stat.mode), fo.stat.rdev)
        point = _stored(backend, fo.fd)
    except OSError as error:
        raise from_oserror(error, "reparse point") from None
    if point is None:
        raise NTStatusError(STATUS_NOT_A_REPARSE_POINT)
    return point


def look(fo: FileObject) -> tuple[int, int]:
    """Return the tag of the reparse point that `fo` is, and the type of file (S_IF*) it stands for in Unix; 0: none.

    Raises:
        NTStatusError: what the system call said.
    """
    of_itself = _of_itself(fo.stat)
    if of_itself is not None:
        return of_itself
    try:
        point = _stored(fo.volume.backend, fo.fd)
    except OSError as error:
        raise from_oserror(error, "reparse point") from None
    return (0, 0) if point is None else (_tag_of(point), _kind_of(point))


def look_at_entry(volume: Volume, path: bytes, stat: Stat) -> tuple[int, int]:
    """Return the same as `look` of what is at `path`, whose attributes say that it is a reparse point.

    Raises:
        OSError: it cannot be looked at.
    """
    of_itself = _of_itself(stat)
    if of_itself is not None:
        return of_itself
    point = _at(volume.backend, path)
    return (0, 0) if point is None else (_tag_of(point), _kind_of(point))


def _of_itself(stat: Stat) -> tuple[int, int] | None:
    """Return tag and type of what the file system has as such; None of regular files and directories."""
    if stat.is_symlink:
        return IO_REPARSE_TAG_SYMLINK, stat_module.S_IFLNK
    if stat.is_regular or stat.is_directory:
        return None
    return IO_REPARSE_TAG_NFS, stat_module.S_IFMT(stat.mode)


def _at(backend: PosixBackend, path: bytes) -> bytes | None:
    fd = backend.open(path, os.O_PATH | os.O_NOFOLLOW)
    try:
        return _stored(backend, fd)
    finally:
        os.close(fd)


def refuse(fo: FileObject) -> None:
    """End an open that is to follow the reparse point it has found (2.1.5.1).

    Raises:
        ReparsePointError: it is one.
        NTStatusError: STATUS_IO_REPARSE_TAG_NOT_HANDLED: it is a special file.
        OSError: it cannot be read.
    """
    if fo.stat.is_symlink:  # opened with the POSIX extensions: others get what it leads to
        raise StoppedOnLinkError(SymbolicLink(to_text(fo.volume.backend.readlink(fo.path))))
    if not (fo.stat.is_regular or fo.stat.is_directory):
        raise NTStatusError(STATUS_IO_REPARSE_TAG_NOT_HANDLED, "special file")
    point = _stored(fo.volume.backend, fo.fd)
    if point is not None:
        raise ReparsePointError(point)


def refuse_below(volume: Volume, path: bytes) -> None:
    """Refuse `path`, which does not exist, if there is a reparse point on the way.

    Raises:
        ReparsePointError: there is.
    """
    backend = volume.backend
    above = path
    while above:
        above = above.rpartition(b"/")[0]
        if not above:
            return
        try:
            spelled = backend.resolve(above)
            if isinstance(spelled, NoSuchName):
                continue
            point = _at(backend, spelled)
        except FileNotFoundError:
            continue
        except OSError:
            return
        if point is not None:
            raise ReparsePointError(point, to_text(path[len(above) :]).replace("/", "\\"))
        return


def _check(fo: FileObject) -> None:
    if fo.volume.read_only:
        raise NTStatusError(STATUS_MEDIA_WRITE_PROTECTED, "read-only share")
    fo.require_any(FILE_WRITE_DATA | FILE_WRITE_ATTRIBUTES)
    if not fo.path or not (fo.stat.is_regular or fo.stat.is_directory):
        raise NTStatusError(STATUS_ACCESS_DENIED, "the share's root, or a special file")


def _check_same(known: bytes, point: bytes) -> None:
    if _tag_of(known) != _tag_of(point):
        raise NTStatusError(STATUS_IO_REPARSE_TAG_MISMATCH, "another tag")
    if not _tag_of(point) & _MICROSOFT_TAG and known[_GUID] != point[_GUID]:
        raise NTStatusError(STATUS_REPARSE_ATTRIBUTE_CONFLICT, "another owner of the tag")


def set_point(fo: FileObject, point: bytes) -> None:
    """Make `fo` a reparse point, or change the one it is (2.1.5.10.37).

    Args:
        fo: the open.
        point: a well-formed REPARSE_DATA_BUFFER.

    Raises:
        NTStatusError: STATUS_ACCESS_DENIED, STATUS_DIRECTORY_NOT_EMPTY, STATUS_IO_REPARSE_TAG_MISMATCH,
            STATUS_REPARSE_ATTRIBUTE_CONFLICT, STATUS_MEDIA_WRITE_PROTECTED, or what the system call said.
    """
    _check(fo)
    backend = fo.volume.backend
    try:
        known = _stored(backend, fo.fd)
        if known is not None:
            _check_same(known, point)
        elif fo.stat.is_directory and not delete.is_empty(fo):
            raise NTStatusError(STATUS_DIRECTORY_NOT_EMPTY, "directory is not empty")
        backend.fsetxattr(fo.fd, XATTR_NAME, point)
        _mark(fo, is_point=True)
    except OSError as error:
        raise from_oserror(error, "set reparse point") from None


def delete_point(fo: FileObject, point: bytes) -> None:
    """Make `fo` an ordinary file again (2.1.5.10.3).

    Args:
        fo: the open.
        point: a REPARSE_DATA_BUFFER that names the tag and its owner.

    Raises:
        NTStatusError: as `set_point`; STATUS_NOT_A_REPARSE_POINT.
    """
    _check(fo)
    backend = fo.volume.backend
    try:
        known = _stored(backend, fo.fd)
        if known is None:
            raise NTStatusError(STATUS_NOT_A_REPARSE_POINT)
        _check_same(known, point)
        backend.fremovexattr(fo.fd, XATTR_NAME)
        _mark(fo, is_point=False)
    except OSError as error:
        raise from_oserror(error, "delete reparse point") from None


def _mark(fo: FileObject, *, is_point: bool) -> None:
    """Set or clear FILE_ATTRIBUTE_REPARSE_POINT.

    Raises:
        OSError: it cannot be kept.
    """
    stat = fo.refresh()
    stored, creation_time = attributes.load_stored(fo.volume, fo.fd, stat)
    stored &= ~FILE_ATTRIBUTE_REPARSE_POINT
    if is_point:
        stored |= FILE_ATTRIBUTE_REPARSE_POINT
    attributes.store(fo.volume, fo.fd, stat, stored, creation_time)
    fo.file_attributes = attributes.complete(fo.volume, stat, fo.path, stored)
    trigger.modified(fo, FILE_NOTIFY_CHANGE_ATTRIBUTES)
