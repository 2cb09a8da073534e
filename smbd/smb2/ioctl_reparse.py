"""Control codes of reparse points ([MS-FSCC] 2.3; [MS-FSA] 2.1.5.10)."""

from __future__ import annotations

import os
import stat
from typing import Final

from smbd.smb2.create_reparse import of_link
from smbd.smb2.ioctl_request import IoctlCall, IoctlOutput
from smbd.wire.buffer import Buffer
from smbd.wire.errors import WireError
from smbd.wire.fscc import reparse as wire
from vfs.constants import NFS_SPECFILE_BLK, NFS_SPECFILE_CHR, NFS_SPECFILE_FIFO, NFS_SPECFILE_SOCK
from vfs.fsa import reparse
from vfs.fsa.file_object import FileObject
from vfs.ntstatus import (
    STATUS_BUFFER_OVERFLOW,
    STATUS_BUFFER_TOO_SMALL,
    STATUS_IO_REPARSE_DATA_INVALID,
    STATUS_IO_REPARSE_TAG_INVALID,
    STATUS_SUCCESS,
    NTStatusError,
)

_HEADER_SIZE: Final = 8
#: Tags that mean none, and one.
_RESERVED_TAGS: Final = frozenset({0, 1})
_KINDS: Final = {
    stat.S_IFIFO: NFS_SPECFILE_FIFO,
    stat.S_IFSOCK: NFS_SPECFILE_SOCK,
    stat.S_IFCHR: NFS_SPECFILE_CHR,
    stat.S_IFBLK: NFS_SPECFILE_BLK,
}


def get_reparse_point(file: FileObject, call: IoctlCall) -> IoctlOutput:
    """Return the reparse point that the open is."""
    room = call.message.max_output_response
    if room < _HEADER_SIZE:
        raise NTStatusError(STATUS_BUFFER_TOO_SMALL)
    data = _pack(reparse.query(file), posix=file.volume.options.posix)
    return IoctlOutput(data[:room], STATUS_BUFFER_OVERFLOW if len(data) > room else STATUS_SUCCESS)


def _pack(found: bytes | reparse.SymbolicLink | reparse.SpecialFile, *, posix: bool) -> bytes:
    if isinstance(found, bytes):
        return found
    if isinstance(found, reparse.SymbolicLink):
        return wire.ReparseDataBuffer(wire.IO_REPARSE_TAG_SYMLINK, of_link(found, posix=posix).pack()).pack()
    special = wire.NfsReparse(_KINDS.get(found.kind, 0), "", os.major(found.rdev), os.minor(found.rdev))
    return wire.ReparseDataBuffer(wire.IO_REPARSE_TAG_NFS, special.pack()).pack()


def set_reparse_point(file: FileObject, call: IoctlCall) -> IoctlOutput:
    """Make the open a reparse point."""
    point = _unpack(call.message.input_data)
    if point.tag == wire.IO_REPARSE_TAG_SYMLINK:
        try:
            wire.SymbolicLinkReparse.unpack(point.data)
        except WireError as error:
            raise NTStatusError(STATUS_IO_REPARSE_DATA_INVALID, str(error)) from error
    reparse.set_point(file, bytes(call.message.input_data))
    return IoctlOutput()


def delete_reparse_point(file: FileObject, call: IoctlCall) -> IoctlOutput:
    """Make the open an ordinary file; the input names tag and owner, without data."""
    if _unpack(call.message.input_data).data:
        raise NTStatusError(STATUS_IO_REPARSE_DATA_INVALID, "data where only a tag is to be")
    reparse.delete_point(file, bytes(call.message.input_data))
    return IoctlOutput()


def _unpack(data: Buffer) -> wire.ReparseDataBuffer:
    if len(data) > wire.MAXIMUM_REPARSE_DATA_BUFFER_SIZE:
        raise NTStatusError(STATUS_IO_REPARSE_DATA_INVALID, "too long")
    try:
        point = wire.ReparseDataBuffer.unpack(data)
    except WireError as error:
        raise NTStatusError(STATUS_IO_REPARSE_DATA_INVALID, str(error)) from error
    if point.tag in _RESERVED_TAGS:
        raise NTStatusError(STATUS_IO_REPARSE_TAG_INVALID, "reserved tag")
    return point
