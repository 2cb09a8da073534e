"""What is done to an open file: status, attributes, space, contents.

Everything but reading, writing and locking also works on O_PATH descriptors, where the kernel often wants
the name in /proc/self/fd instead.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from vfs.posix import syscalls, xattr
from vfs.posix.names import to_bytes
from vfs.posix.syscalls import Stat

_COPY_CHUNK: Final = 1 << 20

# Directory entry types, <dirent.h>
DT_UNKNOWN: Final = 0
DT_DIR: Final = 4
DT_REG: Final = 8
DT_LNK: Final = 10


class DescriptorCalls:
    """The part of a backend that needs no path; failures are `OSError`."""

    def stat_at(self, dir_fd: int, name: bytes) -> Stat:
        """The status of the entry `name` of an open directory; of a symbolic link itself.

        Raises:
            OSError: as the kernel says.
        """
        return syscalls.statx(dir_fd, name)

    def listdir(self, fd: int) -> Iterator[tuple[bytes, int]]:
        """Names and types (DT_*) of the entries of an open directory, from its start, without ``.`` and ``..``.

        Raises:
            OSError: as the kernel says.
        """
        with os.scandir(fd) as entries:
            for entry in entries:
                if entry.is_symlink():
                    kind = DT_LNK
                elif entry.is_dir(follow_symlinks=False):
                    kind = DT_DIR
                elif entry.is_file(follow_symlinks=False):
                    kind = DT_REG
                else:
                    kind = DT_UNKNOWN
                yield to_bytes(entry.name), kind

    def names_in(self, fd: int) -> list[str]:
        """The names of all entries of an open directory, read at once.

        Raises:
            OSError: as the kernel says.
        """
        return os.listdir(fd)

    # The functions themselves: calling them here costs what calling them directly does.
    stat = staticmethod(syscalls.fstatx)
    utimens = staticmethod(syscalls.utimens)
    preadv = staticmethod(os.preadv)
    pwrite = staticmethod(os.pwrite)
    fdatasync = staticmethod(os.fdatasync)
    close_fd = staticmethod(os.close)

    fgetxattr = staticmethod(xattr.get)
    fsetxattr = staticmethod(xattr.put)
    fremovexattr = staticmethod(xattr.remove)
    flistxattr = staticmethod(xattr.names)

    def fchmod(self, fd: int, mode: int) -> None:
        """Set the permission bits.

        Raises:
            OSError: as the kernel says.
        """
        try:
            os.fchmod(fd, mode)
        except OSError as error:
            if error.errno != errno.EBADF:
                raise
            Path(f"/proc/self/fd/{fd}").chmod(mode)

    def fchown(self, fd: int, uid: int, gid: int) -> None:
        """Set owner and group; -1 leaves one as it is.

        Raises:
            OSError: as the kernel says.
        """
        try:
            os.fchown(fd, uid, gid)
        except OSError as error:
            if error.errno != errno.EBADF:
                raise
            os.chown(f"/proc/self/fd/{fd}", uid, gid)

    def fstatvfs(self, fd: int) -> os.statvfs_result:
        """Size and free space of the file system `fd` lies on.

        Raises:
            OSError: as the kernel says.
        """
        return os.fstatvfs(fd)

    # Space and contents

    def ftruncate(self, fd: int, size: int) -> None:
        """Set the end of file.

        Raises:
            OSError: as the kernel says.
        """
        os.ftruncate(fd, size)

    def fallocate(self, fd: int, offset: int, length: int, *, keep_size: bool = True) -> None:
        """Reserve space; with `keep_size` the end of file stays.

        Raises:
            OSError: as the kernel says.
        """
        syscalls.fallocate(fd, syscalls.FALLOC_FL_KEEP_SIZE if keep_size else 0, offset, length)

    def punch_hole(self, fd: int, offset: int, length: int) -> None:
        """Free the space of a range, which then reads as zeros; the end of file stays.

        Raises:
            OSError: as the kernel says.
        """
        syscalls.fallocate(
            fd, syscalls.FALLOC_FL_PUNCH_HOLE | syscalls.FALLOC_FL_KEEP_SIZE, offset, length
        )

    def seek_data(self, fd: int, offset: int) -> int | None:
        """The first offset from `offset` on that holds data; None if only a hole follows.

        Raises:
            OSError: as the kernel says.
        """
        return _seek(fd, offset, os.SEEK_DATA)

    def seek_hole(self, fd: int, offset: int) -> int | None:
        """The first offset from `offset` on that lies in a hole (the end of file counts); None beyond the end.

        Raises:
            OSError: as the kernel says.
        """
        return _seek(fd, offset, os.SEEK_HOLE)

    def fsync(self, fd: int) -> None:
        """Force contents and status to the disk.

        Raises:
            OSError: as the kernel says.
        """
        os.fsync(fd)

    def copy_range(self, source: int, source_offset: int, target: int, target_offset: int, length: int) -> int:
        """Copy up to `length` bytes between open files inside the kernel; the number of bytes copied.

        Less than `length` means the end of the source.

        Raises:
            OSError: as the kernel says.
        """
        done = 0
        while done < length:
            try:
                count = os.copy_file_range(
                    source, target, length - done, source_offset + done, target_offset + done
                )
            except OSError as error:
                if error.errno not in {errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP}:
                    raise
                data = os.pread(source, min(length - done, _COPY_CHUNK), source_offset + done)
                count = os.pwrite(target, data, target_offset + done) if data else 0
            if count == 0:
                break
            done += count
        return done


def _seek(fd: int, offset: int, whence: int) -> int | None:
    try:
        return os.lseek(fd, offset, whence)
    except OSError as error:
        if error.errno == errno.ENXIO:
            return None
        raise
