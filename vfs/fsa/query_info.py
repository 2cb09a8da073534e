"""Queries about one file: [MS-FSA] 2.1.5.12. The caller checks the access each information class needs and packs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from vfs.constants import FILE_ATTRIBUTE_REPARSE_POINT
from vfs.fsa import allocation, attributes, ea, names, reparse, times
from vfs.fsa import streams as stream_opens
from vfs.fsa.mangle import MANGLED_YES, is_8_3, short_name
from vfs.fsa.stat import FileStat, StreamInfo
from vfs.ntstatus import STATUS_FILE_CLOSED, STATUS_OBJECT_NAME_NOT_FOUND, NTStatusError, from_oserror

if TYPE_CHECKING:
    from vfs.fsa.file_object import FileObject
    from vfs.fsa.known import KnownFile
    from vfs.posix.syscalls import Stat

__all__ = [
    "FileStat", "StreamInfo", "alternate_name", "ea_size", "normalized_name", "opened_stat", "reparse_point", "stat",
    "streams",
]  # fmt: skip

FILE_BYTE_ALIGNMENT: Final = 0
"""FileAlignmentInformation: buffers need no alignment."""


def _file_stat(fo: FileObject, status: Stat, delete_pending: bool) -> FileStat:
    links = status.nlink
    if fo.stream is not None:
        size, allocated = fo.stream.sizes()
        if status.is_directory:
            links = 1
    elif fo.is_directory:
        size = allocated = 0
        links = 1
    else:
        size = status.size
        allocated = allocation.of_data(fo.volume, size, status.blocks, -1 if fo.path_only else fo.fd)
    write_ns = status.mtime_ns
    if fo.volume.options.dos_filetime_resolution:
        write_ns = times.round_down(write_ns)
    access_time, write_time, change_time = times.to_filetimes(status.atime_ns, write_ns, status.ctime_ns)
    return FileStat(
        fo.creation_time, access_time, write_time, change_time, allocated, size,
        links - 1 if delete_pending and links else links, fo.file_attributes, status.ino, delete_pending,
        fo.is_directory,
    )  # fmt: skip


def opened_stat(fo: FileObject) -> FileStat:
    """Return the status as the open found or left it, without asking the file system: for the CREATE response.

    Others may get the same one: it is not to be changed.
    """
    known = fo.volume.known.get(fo.path)
    if known is None or known.stat is not fo.stat or fo.stream is not None:
        return _file_stat(fo, fo.stat, False)
    return known.file_stat or _note_stat(fo, known)


def _note_stat(fo: FileObject, known: KnownFile) -> FileStat:
    """Return the status of a file that is not delete-pending, of which `known` was just seen, and keep it."""
    result = _file_stat(fo, known.stat, False)
    if not fo.path_only:
        known.file_stat = result
    return result


def stat(fo: FileObject, with_ea_size: bool = False) -> FileStat:
    """Return the status of the file as it is now; not to be changed.

    Args:
        fo: the open.
        with_ea_size: fill in `ea_size`, which costs system calls.

    Raises:
        NTStatusError: what the system call said.
    """
    volume = fo.volume
    try:
        pending = volume.share_modes.raw(fo.key) != fo.alone and fo.follow()
        known = attributes.look(volume, fo.fd, fo.path)
        fo.stat, fo.creation_time = known.stat, known.creation_time
        if fo.stream is None:
            fo.file_attributes = known.file_attributes
            result = _file_stat(fo, known.stat, True) if pending else known.file_stat or _note_stat(fo, known)
        else:
            fo.file_attributes = stream_opens.attributes_of(known.file_attributes)
            result = _file_stat(fo, known.stat, pending)
        if with_ea_size:
            if known.ea_size < 0:
                known.ea_size = ea.size(fo)
            result.ea_size = known.ea_size
    except OSError as error:
        if fo.fd < 0:
            raise NTStatusError(STATUS_FILE_CLOSED, "closed") from None
        raise from_oserror(error, "stat") from None
    return result


def reparse_point(fo: FileObject) -> tuple[int, int]:
    """Return the tag of a reparse point, as `stat` found it, and the type of file (S_IF*) that it stands for in Unix.

    Both are 0 of what is none, the latter also of others that stand for nothing.

    Raises:
        NTStatusError: what the system call said.
    """
    return reparse.look(fo) if fo.file_attributes & FILE_ATTRIBUTE_REPARSE_POINT else (0, 0)


def ea_size(fo: FileObject) -> int:
    """Return EaSize ([MS-FSCC] 2.4.13).

    Raises:
        NTStatusError: what the system call said.
    """
    try:
        return ea.size(fo)
    except OSError as error:
        raise from_oserror(error, "EA size") from None


def normalized_name(fo: FileObject) -> str:
    """Return the name relative to the share in its on-disk spelling ([MS-FSCC] 2.4.30)."""
    fo.follow()
    return fo.name


def alternate_name(fo: FileObject) -> str:
    """Return the 8.3 name ([MS-FSCC] 2.4.5): of a name that is 8.3 itself, the same in upper case.

    Raises:
        NTStatusError: STATUS_OBJECT_NAME_NOT_FOUND: the share's root has none.
    """
    fo.follow()
    last = (fo.name if fo.stream is None else names.to_smb(fo.path)).rpartition("\\")[2]
    if not last:
        raise NTStatusError(STATUS_OBJECT_NAME_NOT_FOUND, "the root has no short name")
    if is_8_3(last):
        return last.upper()
    return short_name(last, MANGLED_YES)


def streams(fo: FileObject) -> list[StreamInfo]:
    """Return the data streams ([MS-FSCC] 2.4.49): the unnamed one, which only files have, and the named ones.

    Raises:
        NTStatusError: what the system call said.
    """
    try:
        status = fo.refresh()
        named = stream_opens.entries(fo)
    except OSError as error:
        raise from_oserror(error, "streams") from None
    if status.is_directory:
        return named
    allocated = allocation.of_data(fo.volume, status.size, status.blocks, -1 if fo.path_only else fo.fd)
    return [StreamInfo("::$DATA", status.size, allocated), *named]
