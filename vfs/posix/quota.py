"""Disk quotas of users, by quotactl_fd(2): it takes a descriptor of the file system, so no device has to be found."""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from typing import Final, NamedTuple

# <linux/quota.h>
_SYS_QUOTACTL_FD: Final = 443
_USRQUOTA: Final = 0
_SUBCMD_SHIFT: Final = 8
_Q_GETQUOTA: Final = 0x800007
_Q_SETQUOTA: Final = 0x800008
_Q_GETNEXTQUOTA: Final = 0x800009
_QIF_BLIMITS: Final = 1
_BLOCK: Final = 1024
#: dqb_bhardlimit, dqb_bsoftlimit (blocks), dqb_curspace (bytes), five of inodes and times, dqb_valid, dqb_id
_DQBLK: Final = struct.Struct("=QQQ5QII")
_OFF: Final = frozenset({errno.ESRCH, errno.ENOSYS, errno.ENOTBLK, errno.EINVAL, errno.EOPNOTSUPP, errno.ENODEV})

_syscall = ctypes.CDLL(None, use_errno=True).syscall


class DiskQuota(NamedTuple):
    """What a user takes and may take, in bytes; a limit of 0 is none."""

    uid: int
    used: int
    soft_limit: int
    hard_limit: int


class QuotasOffError(OSError):
    """The file system keeps no quotas."""


def _call(fd: int, command: int, uid: int, buffer: ctypes.Array[ctypes.c_char]) -> None:
    if _syscall(_SYS_QUOTACTL_FD, fd, command << _SUBCMD_SHIFT | _USRQUOTA, uid, buffer):
        code = ctypes.get_errno()
        kind = QuotasOffError if code in _OFF else OSError
        raise kind(code, os.strerror(code))


def _read(fd: int, command: int, uid: int) -> DiskQuota:
    buffer = ctypes.create_string_buffer(_DQBLK.size)
    _call(fd, command, uid, buffer)
    hard, soft, used, *_, found = _DQBLK.unpack(buffer.raw)
    return DiskQuota(found if command == _Q_GETNEXTQUOTA else uid, used, soft * _BLOCK, hard * _BLOCK)


def get(fd: int, uid: int) -> DiskQuota:
    """Return the quota of a user on the file system of `fd`.

    Raises:
        QuotasOffError: there are none.
        OSError: as the kernel says.
    """
    return _read(fd, _Q_GETQUOTA, uid)


def first_from(fd: int, uid: int) -> DiskQuota | None:
    """Return the quota of the first user from `uid` on; None if there is no such user.

    Raises:
        QuotasOffError: there are none.
        OSError: as the kernel says.
    """
    try:
        return _read(fd, _Q_GETNEXTQUOTA, uid)
    except FileNotFoundError:
        return None


def set_limits(fd: int, uid: int, soft_limit: int, hard_limit: int) -> None:
    """Set the limits of a user, rounded up to whole blocks.

    Raises:
        QuotasOffError: there are none.
        OSError: as the kernel says.
    """
    soft, hard = (-(-limit // _BLOCK) for limit in (soft_limit, hard_limit))
    data = _DQBLK.pack(hard, soft, 0, 0, 0, 0, 0, 0, _QIF_BLIMITS, 0)
    _call(fd, _Q_SETQUOTA, uid, ctypes.create_string_buffer(data, len(data)))
