"""Flushing: [MS-FSA] 2.1.5.7."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from vfs.access import FILE_APPEND_DATA, FILE_WRITE_DATA
from vfs.ntstatus import from_oserror

if TYPE_CHECKING:
    from vfs.fsa.file_object import FileObject

_WRITE: Final = FILE_WRITE_DATA | FILE_APPEND_DATA


def check_flush(fo: FileObject) -> bool:
    """Check that `fo` may be flushed and tell whether there is anything to do (`strict sync`).

    The caller may run ``fsync`` on `fo.fd` in a thread then.

    Raises:
        NTStatusError: STATUS_ACCESS_DENIED, or what the system call said.
    """
    fo.require_any(_WRITE)
    if fo.stream is not None and fo.volume.options.strict_sync:
        try:
            fo.stream.sync()
        except OSError as error:
            raise from_oserror(error, "flush") from None
    return fo.volume.options.strict_sync and not fo.path_only


def flush(fo: FileObject) -> None:
    """Force what was written to the disk ([MS-FSA] 2.1.5.7).

    Raises:
        NTStatusError: STATUS_ACCESS_DENIED, or what the system call said.
    """
    if check_flush(fo):
        try:
            fo.volume.backend.fsync(fo.fd)
        except OSError as error:
            raise from_oserror(error, "flush") from None
