"""System calls that Python does not offer, or offers too slowly: openat2, statx, per-thread identity.

Hot calls go through ``ctypes.PyDLL`` without ``argtypes`` and with arguments built once: this costs 0.3 us
over the bare system call. ``PyDLL`` keeps the interpreter lock, so nothing runs between a failing call and the
look at ``errno``. Calls that may block for long or are rare use ``CDLL`` with declared arguments instead.

One statx buffer serves the process: a worker does its file work on one thread.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
from typing import Final

import msgspec

# <linux/openat2.h>
RESOLVE_NO_XDEV: Final = 0x01
RESOLVE_NO_MAGICLINKS: Final = 0x02
RESOLVE_NO_SYMLINKS: Final = 0x04
RESOLVE_BENEATH: Final = 0x08

# <linux/fcntl.h>, <linux/stat.h>, <linux/falloc.h>
AT_SYMLINK_NOFOLLOW: Final = 0x100
AT_EMPTY_PATH: Final = 0x1000
STATX_BASIC_STATS: Final = 0x07FF
STATX_BTIME: Final = 0x0800
FALLOC_FL_KEEP_SIZE: Final = 0x01
FALLOC_FL_PUNCH_HOLE: Final = 0x02
FALLOC_FL_ZERO_RANGE: Final = 0x10
_RENAME_NOREPLACE: Final = 1
_UTIME_OMIT: Final = (1 << 30) - 2

#: openat2, setresuid, setresgid, setgroups by machine.
_NUMBERS: Final = {
    "x86_64": (437, 117, 119, 116),
    "aarch64": (437, 147, 149, 159),
    "riscv64": (437, 147, 149, 159),
}
#: The kernel answers EAGAIN to openat2 when a rename raced with a ``..`` of the walk; Linux says: try again.
_OPENAT2_ATTEMPTS: Final = 64
_TRY_AGAIN: Final = frozenset({errno.EAGAIN, errno.EINTR})
#: `how` structures are built once for each combination in use; hostile variety must not grow the table.
_HOW_CACHE_SIZE: Final = 512

try:
    _NR_OPENAT2, _NR_SETRESUID, _NR_SETRESGID, _NR_SETGROUPS = map(ctypes.c_long, _NUMBERS[platform.machine()])
except KeyError:  # pragma: no cover - depends on the machine
    raise ImportError(f"no system call numbers known for {platform.machine()}") from None

_pydll = ctypes.PyDLL(None)
_syscall = _pydll.syscall
_statx_call = _pydll.statx
_errno_location = _pydll["__errno_location"]
_errno_location.restype = ctypes.c_void_p
_cdll = ctypes.CDLL(None, use_errno=True)


class Stat(msgspec.Struct, gc=False):
    """What statx tells; times in nanoseconds of the Unix epoch.

    Attributes:
        btime_ns: the oldest of the other times where the file system does not keep a birth time.
        raw: what the kernel wrote, of an open file; empty of an entry of a directory.
    """

    mode: int
    nlink: int
    uid: int
    gid: int
    ino: int
    size: int
    blocks: int
    dev: int
    rdev: int
    atime_ns: int
    mtime_ns: int
    ctime_ns: int
    btime_ns: int
    blksize: int = 4096
    raw: bytes = b""

    @property
    def is_directory(self) -> bool:
        """Whether this is a directory."""
        return self.mode & 0o170000 == 0o040000

    @property
    def is_regular(self) -> bool:
        """Whether this is a regular file."""
        return self.mode & 0o170000 == 0o100000

    @property
    def is_symlink(self) -> bool:
        """Whether this is a symbolic link."""
        return self.mode & 0o170000 == 0o120000


def os_error(code: int, path: bytes | None = None) -> OSError:
    """The error for the errno `code` of a call that was about `path`."""
    return OSError(code, os.strerror(code), path)


def _last_error(path: bytes | None = None) -> OSError:
    return os_error(ctypes.c_int.from_address(_errno_location()).value, path)


_HOW = struct.Struct("=QQQ")
_HOW_SIZE: Final = ctypes.c_size_t(_HOW.size)
_hows: dict[tuple[int, int, int], bytes] = {}


def openat2(dir_fd: int, path: bytes, flags: int, mode: int, resolve: int) -> int:
    """Open `path` relative to `dir_fd` under the `resolve` rules; always close-on-exec.

    Names that are not there are asked for all the time, so failures are returned as the kernel does, not raised.

    Returns:
        The descriptor, or the negative errno: EXDEV and ELOOP report broken rules; EINVAL an embedded NUL.
    """
    how = _hows.get((flags, mode, resolve))
    if how is None:
        if len(_hows) >= _HOW_CACHE_SIZE:
            _hows.clear()
        how = _HOW.pack(flags | os.O_CLOEXEC, mode, resolve)
        _hows[flags, mode, resolve] = how
    if b"\0" in path:
        return -errno.EINVAL
    for _ in range(_OPENAT2_ATTEMPTS):
        fd: int = _syscall(_NR_OPENAT2, dir_fd, path, how, _HOW_SIZE)
        if fd >= 0:
            return fd
        code = ctypes.c_int.from_address(_errno_location()).value
        if code not in _TRY_AGAIN:
            break
    return -code


_STATX = struct.Struct("=II8xIIIH2xQQQ8xqI4xqI4xqI4xqI4xIIII")
_statx_unpack = _STATX.unpack_from
# A bytearray, because struct reads one faster than a ctypes array; the array only lends its address.
_statx_buffer = bytearray(256)
_STATX_POINTER: Final = ctypes.c_void_p(ctypes.addressof(ctypes.c_char.from_buffer(_statx_buffer)))
_STATX_WANTED: Final = ctypes.c_uint(STATX_BASIC_STATS | STATX_BTIME)
_EMPTY_PATH: Final = ctypes.c_int(AT_EMPTY_PATH)
_NOFOLLOW: Final = ctypes.c_int(AT_SYMLINK_NOFOLLOW)
_makedev = os.makedev


def statx(fd: int, name: bytes) -> Stat:
    """The status of the entry `name` of an open directory; that of a symbolic link is its own.

    Raises:
        OSError: as the kernel says; EINVAL for an embedded NUL.
    """
    if b"\0" in name:
        raise OSError(errno.EINVAL, "NUL in a name", name)
    if _statx_call(fd, name, _NOFOLLOW, _STATX_WANTED, _STATX_POINTER):
        raise _last_error(name)
    return _read_status(b"")


def fstatx(fd: int, before: Stat | None = None) -> Stat:
    """The status of an open descriptor (O_PATH ones too); `before` itself if that is how it still is.

    Raises:
        OSError: as the kernel says.
    """
    if _statx_call(fd, b"", _EMPTY_PATH, _STATX_WANTED, _STATX_POINTER):
        raise _last_error()
    if before is not None and before.raw == _statx_buffer:
        return before
    return _read_status(bytes(_statx_buffer))


def _read_status(raw: bytes) -> Stat:
    (
        mask, blksize, nlink, uid, gid, mode, ino, size, blocks, atime, atime_n, btime, btime_n,
        ctime, ctime_n, mtime, mtime_n, rmajor, rminor, major, minor,
    ) = _statx_unpack(_statx_buffer)  # fmt: skip
    atime = atime * 1000000000 + atime_n
    mtime = mtime * 1000000000 + mtime_n
    ctime = ctime * 1000000000 + ctime_n
    return Stat(
        mode, nlink, uid, gid, ino, size, blocks, _makedev(major, minor),
        _makedev(rmajor, rminor) if rmajor or rminor else 0, atime, mtime, ctime,
        btime * 1000000000 + btime_n if mask & STATX_BTIME else min(atime, mtime, ctime), blksize, raw,
    )  # fmt: skip


def statx_or_none(fd: int, name: bytes, before: Stat | None = None) -> Stat | None:
    """As `statx`, None if the status cannot be had, for whatever reason; `before` itself if that is how it still is."""
    if b"\0" in name or _statx_call(fd, name, _NOFOLLOW, _STATX_WANTED, _STATX_POINTER):
        return None
    if before is not None and before.raw == _statx_buffer:
        return before
    return _read_status(bytes(_statx_buffer))


_BRIEF = struct.Struct("=28xH2xQQQ8xqI20xqI4xqI")
_brief_unpack = _BRIEF.unpack_from


def statx_brief(fd: int, name: bytes) -> tuple[int, int, int, int, int, int, int, int, int, int]:
    """What a listing tells of the entry `name`, which has no NUL, of a directory: for whoever lists very many.

    Returns:
        Mode, inode, size, blocks of 512 bytes; seconds and nanoseconds of access, change and write time.

    Raises:
        OSError: as the kernel says.
    """
    if _statx_call(fd, name, _NOFOLLOW, _STATX_WANTED, _STATX_POINTER):
        raise _last_error(name)
    return _brief_unpack(_statx_buffer)


def setresuid(uid: int) -> None:
    """Set the effective user of this thread only; real and saved user stay.

    Raises:
        OSError: as the kernel says.
    """
    if _syscall(_NR_SETRESUID, -1, uid, -1):
        raise _last_error()


def setresgid(gid: int) -> None:
    """Set the effective group of this thread only; real and saved group stay.

    Raises:
        OSError: as the kernel says.
    """
    if _syscall(_NR_SETRESGID, -1, gid, -1):
        raise _last_error()


def setgroups(packed: bytes, count: int) -> None:
    """Set the supplementary groups of this thread only; `packed` holds `count` native 32-bit ids.

    Raises:
        OSError: as the kernel says.
    """
    if _syscall(_NR_SETGROUPS, count, packed):
        raise _last_error()


def _checked(result: int, path: bytes | None = None) -> None:
    if result:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), path)


_renameat2_call = _cdll.renameat2
_renameat2_call.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint)
_fallocate_call = _cdll.fallocate
_fallocate_call.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
_futimens_call = _pydll.futimens
_utimensat_call = _cdll.utimensat
_utimensat_call.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_int)


def rename_noreplace(old_dir: int, old: bytes, new_dir: int, new: bytes) -> None:
    """Rename, failing with EEXIST if the new name exists.

    Raises:
        OSError: as the kernel says; EINVAL where the file system cannot do it, or for an embedded NUL.
    """
    if b"\0" in old or b"\0" in new:
        raise OSError(errno.EINVAL, "NUL in a name", new)
    _checked(_renameat2_call(old_dir, old, new_dir, new, _RENAME_NOREPLACE), new)


def fallocate(fd: int, mode: int, offset: int, length: int) -> None:
    """``fallocate(2)`` with its mode flags.

    Raises:
        OSError: as the kernel says.
    """
    _checked(_fallocate_call(fd, mode, offset, length))


_TIMES = struct.Struct("@qqqq")


def utimens(fd: int, atime_ns: int | None, mtime_ns: int | None) -> None:
    """Set access and write time; None leaves one as it is.

    Raises:
        OSError: as the kernel says.
    """
    atime, atime_n = (0, _UTIME_OMIT) if atime_ns is None else divmod(atime_ns, 1000000000)
    mtime, mtime_n = (0, _UTIME_OMIT) if mtime_ns is None else divmod(mtime_ns, 1000000000)
    times = _TIMES.pack(atime, atime_n, mtime, mtime_n)
    if not _futimens_call(fd, times):
        return
    error = _last_error()
    if error.errno != errno.EBADF:
        raise error
    # An O_PATH descriptor does not do; its name in /proc does.
    _checked(_utimensat_call(-1, b"/proc/self/fd/%d" % fd, times, 0))


