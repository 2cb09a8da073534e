"""QUERY_DIRECTORY ([MS-SMB2] 3.3.5.18): entries encoded where they are sent from, without objects in between."""

from __future__ import annotations

from itertools import islice
from typing import Final

from smbd.smb2 import posix_extensions, respond
from smbd.smb2.credits import check_charge
from smbd.smb2.request import Request, Result
from smbd.wire.constants import (
    SMB2_HEADER_SIZE,
    SMB2_REOPEN,
    SMB2_RESTART_SCANS,
    SMB2_RETURN_SINGLE_ENTRY,
)
from smbd.wire.fscc.directory import (
    DIRECTORY_INFORMATION_CLASSES,
    DirectoryEncoder,
    FileIdExtdBothDirectoryInformation,
)
from smbd.wire.output_buffer import OUTPUT_BUFFER_OFFSET, pack_output_buffer_into
from smbd.wire.query_directory import QueryDirectoryRequest
from smbd.xsrv.open import Open
from vfs.access import FILE_LIST_DIRECTORY
from vfs.constants import (
    FileBothDirectoryInformation,
    FileFullDirectoryInformation,
    FileIdBothDirectoryInformation,
    FileIdExtdDirectoryInformation,
    FileIdFullDirectoryInformation,
    FilePosixInformation,
)
from vfs.fsa import directory
from vfs.fsa.directory import DirectoryScan
from vfs.fsa.file_object import FileObject
from vfs.ntstatus import (
    STATUS_ACCESS_DENIED,
    STATUS_BUFFER_OVERFLOW,
    STATUS_INVALID_INFO_CLASS,
    STATUS_INVALID_PARAMETER,
    STATUS_NO_MORE_FILES,
    STATUS_NO_SUCH_FILE,
    STATUS_OBJECT_NAME_INVALID,
    NTStatusError,
)

#: The classes that have a field for the 8.3 name; for the others none is made.
SHORT_NAME_CLASSES: Final = frozenset(
    {FileBothDirectoryInformation, FileIdBothDirectoryInformation, FileIdExtdBothDirectoryInformation}
)
#: Those that have one for EaSize, which is asked for each entry.
EA_SIZE_CLASSES: Final = SHORT_NAME_CLASSES | {
    FileFullDirectoryInformation,
    FileIdFullDirectoryInformation,
    FileIdExtdDirectoryInformation,
}


def handle(request: Request) -> Result:
    """List the next part of a directory.

    Raises:
        NTStatusError: STATUS_NO_SUCH_FILE if nothing matches at all, STATUS_NO_MORE_FILES at the end,
            STATUS_BUFFER_OVERFLOW if not even one entry fits, STATUS_INVALID_INFO_CLASS,
            STATUS_INVALID_PARAMETER, STATUS_ACCESS_DENIED.
    """
    message = QueryDirectoryRequest.unpack(request.pdu)
    size = message.output_buffer_length
    check_charge(request, size)
    if size > request.connection.max_transact:
        raise NTStatusError(STATUS_INVALID_PARAMETER, "buffer too large")
    opened = request.open(message.file_id_persistent, message.file_id_volatile)
    file = opened.file
    if file is None or not file.is_directory:
        raise NTStatusError(STATUS_INVALID_PARAMETER, "not a directory")
    if message.file_information_class not in DIRECTORY_INFORMATION_CLASSES and not (
        message.file_information_class == FilePosixInformation and file.volume.options.posix
    ):
        raise NTStatusError(STATUS_INVALID_INFO_CLASS)
    if not file.granted_access & FILE_LIST_DIRECTORY:
        raise NTStatusError(STATUS_ACCESS_DENIED)
    scan = _scan(opened, file, message)
    frame = respond.reserve(request, OUTPUT_BUFFER_OFFSET + size)
    in_place = frame is not None
    if frame is None:
        frame = memoryview(bytearray(OUTPUT_BUFFER_OFFSET + size))
    first_time = not scan.returned
    fill = posix_extensions.list_entries if message.file_information_class == FilePosixInformation else _list_entries
    length = fill(scan, frame[OUTPUT_BUFFER_OFFSET : OUTPUT_BUFFER_OFFSET + size], message)
    if not length:
        raise NTStatusError(STATUS_NO_SUCH_FILE if first_time else STATUS_NO_MORE_FILES)
    total = pack_output_buffer_into(frame, 0, length)
    return total - SMB2_HEADER_SIZE if in_place else frame[SMB2_HEADER_SIZE:total]


def _list_entries(scan: DirectoryScan, buffer: memoryview, message: QueryDirectoryRequest) -> int:
    """Put as many entries into `buffer` as it holds and return their length, 0 at the end."""
    encoder = DirectoryEncoder(message.file_information_class, buffer, 0, len(buffer))
    entries = scan.at_once()
    if not encoder.fill(islice(entries, 1) if message.flags & SMB2_RETURN_SINGLE_ENTRY else entries):
        scan.push_back()
        if not encoder.length:
            raise NTStatusError(STATUS_BUFFER_OVERFLOW, "the buffer holds not even one entry")
    return encoder.length


def _scan(opened: Open, file: FileObject, message: QueryDirectoryRequest) -> DirectoryScan:
    """Return the enumeration to go on with, a new one if the client asks for it ([MS-SMB2] 3.3.5.18)."""
    with_short_names = message.file_information_class in SHORT_NAME_CLASSES
    scan = opened.scan
    if scan is None or message.flags & SMB2_REOPEN:
        if not message.pattern or "\\" in message.pattern or "/" in message.pattern:
            raise NTStatusError(STATUS_OBJECT_NAME_INVALID, f"pattern {message.pattern!r}")
        scan = opened.scan = directory.open_scan(file, message.pattern, with_short_names=with_short_names)
    elif message.flags & SMB2_RESTART_SCANS:
        scan.restart(message.pattern)
    scan.with_short_names = with_short_names
    scan.with_ea_size = message.file_information_class in EA_SIZE_CLASSES
    return scan
