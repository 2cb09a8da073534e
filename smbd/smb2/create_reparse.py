"""A CREATE that meets a symbolic link: the client is told where it leads ([MS-SMB2] 2.2.2.2.1, 3.3.5.9)."""

from __future__ import annotations

from smbd.smb2.request import Request
from smbd.wire.buffer import encode_utf16
from smbd.wire.constants import SMB2_DIALECT_311, SMB2_ERROR_ID_DEFAULT, SYMLINK_FLAG_RELATIVE
from smbd.wire.error import ErrorContext, SymbolicLinkError, pack_contexts
from smbd.wire.errors import WireError
from smbd.wire.fscc.reparse import ReparseDataBuffer, SymbolicLinkReparse
from vfs.fsa.reparse import ReparsePointError, StoppedOnLinkError, SymbolicLink
from vfs.ntstatus import STATUS_IO_REPARSE_DATA_INVALID, STATUS_STOPPED_ON_SYMLINK, NTStatusError


def stopped(request: Request, found: ReparsePointError | StoppedOnLinkError) -> NTStatusError:
    """Return the error that answers an open which met a reparse point or, with the POSIX extensions, a link."""
    if isinstance(found, StoppedOnLinkError):
        return _stopped(request, of_link(found.link, posix=True), 0)
    if found.status != STATUS_STOPPED_ON_SYMLINK:
        return found
    try:
        link = SymbolicLinkReparse.unpack(ReparseDataBuffer.unpack(found.point).data)
    except WireError as error:
        return NTStatusError(STATUS_IO_REPARSE_DATA_INVALID, str(error))
    return _stopped(request, link, len(encode_utf16(found.unparsed)))


def of_link(link: SymbolicLink, *, posix: bool) -> SymbolicLinkReparse:
    """Return what a symbolic link of the file system is as a reparse point.

    With the POSIX extensions slashes part the names of a path, and a backslash is like any other character.
    """
    target = link.target if posix else link.target.replace("/", "\\")
    return SymbolicLinkReparse(target, target, 0 if link.target.startswith("/") else SYMLINK_FLAG_RELATIVE)


def _stopped(request: Request, link: SymbolicLinkReparse, unparsed: int) -> NTStatusError:
    data = SymbolicLinkError(unparsed, link.substitute_name, link.print_name, link.flags).pack()
    if request.connection.dialect < SMB2_DIALECT_311:
        return NTStatusError(STATUS_STOPPED_ON_SYMLINK, "symbolic link", data)
    contexts = pack_contexts([ErrorContext(SMB2_ERROR_ID_DEFAULT, data)])
    return NTStatusError(STATUS_STOPPED_ON_SYMLINK, "symbolic link", contexts, 1)
