"""Extended attributes by descriptor, of O_PATH descriptors too.

``fgetxattr`` and its siblings refuse O_PATH descriptors with EBADF; their name in /proc/self/fd does the same.
"""

from __future__ import annotations

import errno
import os


def get(fd: int, name: str) -> bytes | None:
    """The value of `name`, or None if the file has none (or the file system has no attributes).

    Raises:
        OSError: any other failure.
    """
    try:
        return os.getxattr(fd, name)
    except OSError as error:
        code = error.errno
        if code != errno.EBADF:
            if code in {errno.ENODATA, errno.EOPNOTSUPP}:
                return None
            raise
    try:
        return os.getxattr(f"/proc/self/fd/{fd}", name)
    except OSError as error:
        if error.errno in {errno.ENODATA, errno.EOPNOTSUPP}:
            return None
        raise


def put(fd: int, name: str, value: bytes, flags: int = 0) -> None:
    """Set `name`; `flags` may be ``os.XATTR_CREATE`` or ``os.XATTR_REPLACE``.

    Raises:
        OSError: as the kernel says.
    """
    try:
        os.setxattr(fd, name, value, flags)
    except OSError as error:
        if error.errno != errno.EBADF:
            raise
        os.setxattr(f"/proc/self/fd/{fd}", name, value, flags)


def remove(fd: int, name: str) -> bool:
    """Remove `name`; False if it was not there.

    Raises:
        OSError: any other failure.
    """
    try:
        os.removexattr(fd, name)
    except OSError as error:
        if error.errno == errno.EBADF:
            return _remove_by_name(fd, name)
        if error.errno in {errno.ENODATA, errno.EOPNOTSUPP}:
            return False
        raise
    return True


def _remove_by_name(fd: int, name: str) -> bool:
    try:
        os.removexattr(f"/proc/self/fd/{fd}", name)
    except OSError as error:
        if error.errno in {errno.ENODATA, errno.EOPNOTSUPP}:
            return False
        raise
    return True


def names(fd: int) -> list[str]:
    """The names of all attributes the caller may see.

    Raises:
        OSError: as the kernel says.
    """
    try:
        return os.listxattr(fd)
    except OSError as error:
        if error.errno == errno.EOPNOTSUPP:
            return []
        if error.errno != errno.EBADF:
            raise
    return os.listxattr(f"/proc/self/fd/{fd}")
