"""The POSIX extensions of SMB 3.1.1: their create context and their information classes.

An open that carries the context goes to a view of the share in which names are as in Unix (`VolumeOptions.posix`).
Owners are told as S-1-22-1-uid and S-1-22-2-gid, which a client understands without asking anybody.
"""

from __future__ import annotations

from stat import S_IFDIR, S_IMODE
from typing import TYPE_CHECKING, Final

from smbd.wire.constants import SMB2_CREATE_TAG_POSIX, SMB2_RETURN_SINGLE_ENTRY
from smbd.wire.create_contexts import PosixRequest, PosixResponse
from smbd.wire.fscc.fs_info import FilePosixFsInformation
from smbd.wire.fscc.posix import FilePosixInformation, PosixDirectoryEncoder, to_wire_mode
from vfs.fsa import query_fs, query_info
from vfs.fsa.stat import DirEntry
from vfs.ntstatus import STATUS_BUFFER_OVERFLOW, NTStatusError, from_oserror
from vfs.sid import SID_NULL, unix_group_sid, unix_user_sid

if TYPE_CHECKING:
    from smbd.smb2.request import Request
    from smbd.wire.create import CreateRequest
    from smbd.wire.query_directory import QueryDirectoryRequest
    from smbd.xsrv.tcon import Tcon
    from vfs.fsa.directory import DirectoryScan
    from vfs.fsa.file_object import FileObject
    from vfs.fsa.params import OpenParams
    from vfs.volume import Volume

_DEVICE_MASK: Final = 0xFFFFFFFF


def view(request: Request, message: CreateRequest, tcon: Tcon) -> Volume | None:
    """Return the view of the share that the open is for; None if it is an ordinary one.

    Raises:
        NTStatusError: the view cannot be made.
    """
    if SMB2_CREATE_TAG_POSIX not in message.contexts or not request.connection.posix_extensions:
        return None
    try:
        return tcon.posix_view()
    except OSError as error:
        raise from_oserror(error, "POSIX view of the share") from None


def read(message: CreateRequest, params: OpenParams) -> None:
    """Take the mode of a new file; file attributes do not count then.

    Raises:
        WireError: the context is malformed.
    """
    params.posix_mode = PosixRequest.unpack(message.contexts[SMB2_CREATE_TAG_POSIX]).mode
    params.file_attributes = 0


def answer(file: FileObject) -> bytes:
    """Return the context of the response.

    Raises:
        NTStatusError: the file cannot be looked at.
    """
    query_info.stat(file)
    tag, kind = query_info.reparse_point(file)
    status = file.stat
    return PosixResponse(
        status.nlink,
        tag,
        _mode(status.mode, kind),
        unix_user_sid(status.uid),
        unix_group_sid(status.gid),
    ).pack()


def of_file(file: FileObject) -> tuple[bytes, int]:
    """Return FilePosixInformation of an open file, and the size of what has to fit.

    Raises:
        NTStatusError: the file cannot be looked at.
    """
    stat = query_info.stat(file)
    tag, kind = query_info.reparse_point(file)
    status = file.stat
    data = FilePosixInformation(
        stat.creation_time,
        stat.last_access_time,
        stat.last_write_time,
        stat.change_time,
        stat.end_of_file,
        stat.allocation_size,
        stat.file_attributes,
        status.ino,
        status.dev & _DEVICE_MASK,
        status.nlink,
        tag,
        _mode(status.mode, kind),
        unix_user_sid(status.uid),
        unix_group_sid(status.gid),
    ).pack()
    return data, len(data)


def of_volume(file: FileObject) -> tuple[bytes, int]:
    """Return the information about the file system of an open file, and the size of what has to fit.

    Raises:
        NTStatusError: what the system call said.
    """
    found = query_fs.statvfs(file)
    data = FilePosixFsInformation(
        found.f_bsize,
        found.f_frsize or found.f_bsize,
        found.f_blocks,
        found.f_bfree,
        found.f_bavail,
        found.f_files,
        found.f_ffree,
        found.f_fsid,
    ).pack()
    return data, len(data)


def list_entries(scan: DirectoryScan, buffer: memoryview, message: QueryDirectoryRequest) -> int:
    """Put as many entries into `buffer` as it holds and return their length, 0 at the end.

    Raises:
        NTStatusError: STATUS_BUFFER_OVERFLOW: it holds not even one.
    """
    encoder = PosixDirectoryEncoder(buffer)
    for entry in scan.at_once():
        if not encoder.add(entry[0], _of_entry(DirEntry(*entry))):
            scan.push_back()
            if not encoder.length:
                raise NTStatusError(STATUS_BUFFER_OVERFLOW, "the buffer holds not even one entry")
            break
        if message.flags & SMB2_RETURN_SINGLE_ENTRY:
            break
    return encoder.length


def _of_entry(entry: DirEntry) -> FilePosixInformation:
    status = entry.stat
    found = FilePosixInformation(
        entry.creation_time,
        entry.last_access_time,
        entry.last_write_time,
        entry.change_time,
        entry.end_of_file,
        entry.allocation_size,
        entry.file_attributes,
        0,
        0,
        1,
        entry.reparse_tag,
        to_wire_mode(S_IFDIR),
        SID_NULL,
        SID_NULL,
    )
    if status is not None:  # what is above the share's root remains unknown
        found.inode = status.ino
        found.device_id = status.dev & _DEVICE_MASK
        found.number_of_links = status.nlink
        found.mode = to_wire_mode(status.mode)
        found.owner = unix_user_sid(status.uid)
        found.group = unix_group_sid(status.gid)
    return found


def _mode(mode: int, reparse_kind: int) -> int:
    """Return the mode as it is sent; a reparse point has the type that it stands for."""
    return to_wire_mode(S_IMODE(mode) | reparse_kind if reparse_kind else mode)
