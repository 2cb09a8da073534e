"""Space reserved beyond the end of file: AllocationSize ([MS-FSA] 2.1.5.1.1, 2.1.5.15.1)."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final

from vfs.ntstatus import STATUS_DISK_FULL, NTStatusError

if TYPE_CHECKING:
    from vfs.fsa.file_object import FileObject

_BLOCK: Final = 512
_CANNOT: Final = frozenset({errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL})
MAX_FILE_SIZE: Final = (1 << 63) - 1


def reserve(fo: FileObject, size: int) -> None:
    """Reserve space for `size` bytes without moving the end of file; a no-op where the file system cannot.

    Raises:
        NTStatusError: STATUS_DISK_FULL.
        OSError: any other failure.
    """
    if fo.is_directory or size <= 0 or fo.stream is not None:
        return
    if size > MAX_FILE_SIZE:
        raise NTStatusError(STATUS_DISK_FULL, "no file is that large")
    backend = fo.volume.backend
    # What is too much is refused beforehand: the kernel would fill the disk with it before it says so.
    space = backend.fstatvfs(fo.fd)
    if size - backend.stat(fo.fd).blocks * _BLOCK > space.f_bavail * space.f_frsize:
        raise NTStatusError(STATUS_DISK_FULL, f"{size} bytes are more than there are")
    try:
        backend.fallocate(fo.fd, 0, size, keep_size=True)
    except OSError as error:
        if error.errno not in _CANNOT:
            raise
