"""Phase 1 of an open: are the parameters valid at all ([MS-FSA] 2.1.5.1, [MS-SMB2] 3.3.5.9)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from vfs.access import (
    DELETE,
    GENERIC_ALL,
    MAXIMUM_ALLOWED,
    VALID_ACCESS_MASK,
)
from vfs.constants import (
    FILE_ATTRIBUTE_COMPRESSED,
    FILE_ATTRIBUTE_DIRECTORY,
    FILE_ATTRIBUTE_ENCRYPTED,
    FILE_ATTRIBUTE_READONLY,
    FILE_ATTRIBUTE_REPARSE_POINT,
    FILE_ATTRIBUTE_SPARSE_FILE,
    FILE_ATTRIBUTE_TEMPORARY,
    FILE_ATTRIBUTE_VALID_SET_FLAGS,
    FILE_CREATE,
    FILE_CREATE_OPTIONS_VALID,
    FILE_CREATE_TREE_CONNECTION,
    FILE_DELETE_ON_CLOSE,
    FILE_DIRECTORY_FILE,
    FILE_NO_INTERMEDIATE_BUFFERING,
    FILE_NON_DIRECTORY_FILE,
    FILE_OPEN,
    FILE_OPEN_BY_FILE_ID,
    FILE_OPEN_IF,
    FILE_OVERWRITE,
    FILE_OVERWRITE_IF,
    FILE_RESERVE_OPFILTER,
    FILE_SEQUENTIAL_ONLY,
    FILE_SHARE_ALL,
    FILE_SUPERSEDE,
    FILE_SYNCHRONOUS_IO_ALERT,
    FILE_SYNCHRONOUS_IO_NONALERT,
    FILE_WRITE_THROUGH,
)
from vfs.ntstatus import (
    STATUS_ACCESS_DENIED,
    STATUS_CANNOT_DELETE,
    STATUS_INVALID_PARAMETER,
    STATUS_NOT_A_DIRECTORY,
    STATUS_NOT_SUPPORTED,
    STATUS_OBJECT_NAME_INVALID,
    NTStatusError,
)

if TYPE_CHECKING:
    from vfs.fsa.names import ParsedName
    from vfs.fsa.params import OpenParams

CREATES: Final = frozenset({FILE_SUPERSEDE, FILE_CREATE, FILE_OPEN_IF, FILE_OVERWRITE_IF})
"""Dispositions that create what does not exist."""
OVERWRITES: Final = frozenset({FILE_SUPERSEDE, FILE_OVERWRITE, FILE_OVERWRITE_IF})
"""Dispositions that replace the data of what exists."""
_DIRECTORY_DISPOSITIONS: Final = frozenset({FILE_OPEN, FILE_CREATE, FILE_OPEN_IF})

_UNSUPPORTED_OPTIONS: Final = FILE_CREATE_TREE_CONNECTION | FILE_OPEN_BY_FILE_ID | FILE_RESERVE_OPFILTER
"""Options for which [MS-SMB2] 2.2.13 says that the server MUST fail the request with STATUS_NOT_SUPPORTED.

FILE_OPEN_BY_FILE_ID is one of them: unlike [MS-FSA] 2.1.5.1, the protocol has no opens by file id. smb2.create.gentest
expects exactly these three to be refused so, of Windows and of Samba.
"""
_ATTRIBUTES: Final = (
    FILE_ATTRIBUTE_VALID_SET_FLAGS
    | FILE_ATTRIBUTE_DIRECTORY
    | FILE_ATTRIBUTE_SPARSE_FILE
    | FILE_ATTRIBUTE_REPARSE_POINT
    | FILE_ATTRIBUTE_COMPRESSED
    | FILE_ATTRIBUTE_ENCRYPTED
)
MODE_FLAGS: Final = (
    FILE_WRITE_THROUGH
    | FILE_SEQUENTIAL_ONLY
    | FILE_NO_INTERMEDIATE_BUFFERING
    | FILE_SYNCHRONOUS_IO_ALERT
    | FILE_SYNCHRONOUS_IO_NONALERT
    | FILE_DELETE_ON_CLOSE
)
"""The create options that are a file's mode ([MS-FSCC] 2.4.31)."""
_MAY_DELETE: Final = DELETE | GENERIC_ALL | MAXIMUM_ALLOWED


def check_params(params: OpenParams) -> None:
    """Check what can be checked without looking at the file.

    Raises:
        NTStatusError: STATUS_INVALID_PARAMETER, STATUS_NOT_SUPPORTED, STATUS_ACCESS_DENIED, STATUS_CANNOT_DELETE.
    """
    options = params.create_options
    disposition = params.create_disposition
    access = params.desired_access
    if not access or access & ~VALID_ACCESS_MASK:
        raise NTStatusError(STATUS_ACCESS_DENIED, "no access asked for, or reserved bits")
    if disposition > FILE_OVERWRITE_IF or options & ~FILE_CREATE_OPTIONS_VALID:
        raise NTStatusError(STATUS_INVALID_PARAMETER, "unknown disposition or option")
    if params.share_access & ~FILE_SHARE_ALL or params.file_attributes & ~_ATTRIBUTES:
        raise NTStatusError(STATUS_INVALID_PARAMETER, "unknown share access or attribute")
    if options & _UNSUPPORTED_OPTIONS:
        raise NTStatusError(STATUS_NOT_SUPPORTED, "create option")
    if options & FILE_DIRECTORY_FILE:
        if options & FILE_NON_DIRECTORY_FILE or disposition not in _DIRECTORY_DISPOSITIONS:
            raise NTStatusError(STATUS_INVALID_PARAMETER, "options exclude each other")
        if params.file_attributes & FILE_ATTRIBUTE_TEMPORARY and disposition != FILE_OPEN:
            raise NTStatusError(STATUS_INVALID_PARAMETER, "temporary directory")
    if options & FILE_DELETE_ON_CLOSE:
        if not access & _MAY_DELETE:
            raise NTStatusError(STATUS_ACCESS_DENIED, "delete on close without DELETE")
        if params.file_attributes & FILE_ATTRIBUTE_READONLY and disposition in CREATES:
            raise NTStatusError(STATUS_CANNOT_DELETE, "delete on close of a read-only file")


def check_name(parsed: ParsedName, options: int) -> None:
    """Check the name against the options.

    Raises:
        NTStatusError: STATUS_OBJECT_NAME_INVALID, STATUS_NOT_A_DIRECTORY.
    """
    if parsed.must_be_directory and options & FILE_NON_DIRECTORY_FILE:
        raise NTStatusError(STATUS_OBJECT_NAME_INVALID, "a directory name for a file")
    if (parsed.must_be_file or parsed.stream) and options & FILE_DIRECTORY_FILE:
        raise NTStatusError(STATUS_NOT_A_DIRECTORY, "a stream name for a directory")
