"""AllocationSize: what is reported, and space reserved beyond the end of file ([MS-FSA] 2.1.5.1.1, 2.1.5.15.1)."""

from __future__ import annotations

import errno
import fcntl
import struct
from typing import TYPE_CHECKING, Final

from vfs.ntstatus import STATUS_DISK_FULL, NTStatusError

if TYPE_CHECKING:
    from vfs.fsa.file_object import FileObject
    from vfs.volume import Volume

BLOCK: Final = 512
"""The unit of `Stat.blocks`."""
_CANNOT: Final = frozenset({errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL})
MAX_FILE_SIZE: Final = (1 << 63) - 1
NTFS_MAX_FILE_SIZE: Final = 0xFFFFFFF0000
"""MAXFILESIZE of [MS-FSA] for NTFS, 16 TiB less 64 KiB: nothing is written beyond, even if it could be."""

# linux/fiemap.h
_FS_IOC_FIEMAP: Final = 0xC020660B
_FIEMAP: Final = struct.Struct("=QQIIII")  # start, length, flags, mapped_extents, extent_count, reserved
_FIEMAP_EXTENT: Final = struct.Struct("=QQQQQIIII")  # logical, physical, length, 2 reserved, flags, 3 reserved
_FIEMAP_EXTENT_LAST: Final = 1
_EXTENTS: Final = 16
"""How many are asked for at a time."""
_SPACE_FOR_EXTENTS: Final = bytes(_EXTENTS * _FIEMAP_EXTENT.size)


def of_data(volume: Volume, end_of_file: int, blocks: int, fd: int = -1) -> int:
    """Return how many bytes are allocated to the data of a file.

    AllocationSize is that of the stream, so the block of the attributes does not belong to it. If there is a block too
    many for the end of file, the extents tell whether it is one of the data.

    Args:
        volume: where it lies.
        end_of_file: its size.
        blocks: what it has of the file system's space, in units of 512 bytes.
        fd: to ask with. Without one, the block is taken for that of the security descriptor, if such can be stored.
    """
    size = blocks * BLOCK
    block = volume.attribute_block
    if block and size - block >= end_of_file:
        if fd < 0:
            size -= block if volume.options.acl_xattr else 0
        else:
            size = min(size, _end_of_extents(volume, fd, end_of_file))
    unit = volume.options.allocation_roundup_size
    return -(-size // unit) * unit if unit else size


def _end_of_extents(volume: Volume, fd: int, end_of_file: int) -> int:
    """Return the offset behind the last byte for which there is space."""
    end = max(end_of_file - 1, 0)
    try:
        while True:
            query = _FIEMAP.pack(end, MAX_FILE_SIZE - end, 0, 0, _EXTENTS, 0) + _SPACE_FOR_EXTENTS
            answer = fcntl.ioctl(fd, _FS_IOC_FIEMAP, query)
            *_, mapped, _, _ = _FIEMAP.unpack_from(answer)
            if not mapped:
                break
            last = _FIEMAP.size + (mapped - 1) * _FIEMAP_EXTENT.size
            logical, _, length, _, _, flags, *_ = _FIEMAP_EXTENT.unpack_from(answer, last)
            end = logical + length
            if flags & _FIEMAP_EXTENT_LAST:
                break
    except OSError:
        volume.attribute_block = 0  # no such file system
        return MAX_FILE_SIZE
    return max(end, end_of_file)


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
    if size - backend.stat(fo.fd).blocks * BLOCK > space.f_bavail * space.f_frsize:
        raise NTStatusError(STATUS_DISK_FULL, f"{size} bytes are more than there are")
    try:
        backend.fallocate(fo.fd, 0, size, keep_size=True)
    except OSError as error:
        if error.errno not in _CANNOT:
            raise
