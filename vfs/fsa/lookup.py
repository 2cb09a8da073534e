"""From the spelling of a client to a descriptor: exact first, then as Windows compares, then by short name."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Final

from vfs.fsa import reparse
from vfs.fsa.mangle import MANGLED_NO, could_be_mangled, find_mangled
from vfs.fsa.names import component_to_str
from vfs.fsa.visibility import path_is_vetoed
from vfs.locking.kernel_oplock import is_leased
from vfs.modules.side_files import hides
from vfs.ntstatus import (
    STATUS_ACCESS_DENIED,
    STATUS_NOT_A_DIRECTORY,
    STATUS_OBJECT_NAME_NOT_FOUND,
    STATUS_OBJECT_PATH_NOT_FOUND,
    NTStatusError,
)
from vfs.posix.backend import NoSuchName
from vfs.posix.names import to_bytes

if TYPE_CHECKING:
    from vfs.volume import Volume


_FINAL_ERRORS: Final = frozenset({
    errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EMFILE, errno.ENFILE, errno.EIO,
})  # fmt: skip
"""Failures that another access mode cannot change."""


_WITH_O_PATH: Final = os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
"""What openat2 accepts together with O_PATH."""


def check_veto(volume: Volume, path: bytes) -> None:
    """Refuse a path with a vetoed component, as if it did not exist.

    Raises:
        NTStatusError: STATUS_OBJECT_NAME_NOT_FOUND, STATUS_OBJECT_PATH_NOT_FOUND.
    """
    if path[:1] == b"." and volume.streams is not None and hides(path):
        raise NTStatusError(STATUS_OBJECT_NAME_NOT_FOUND, "the server's own")
    if volume.vetoed is not None:
        vetoed, last = path_is_vetoed(volume.vetoed, path)
        if vetoed:
            raise NTStatusError(
                STATUS_OBJECT_NAME_NOT_FOUND if last else STATUS_OBJECT_PATH_NOT_FOUND, "vetoed name"
            )


def resolve(volume: Volume, path: bytes, *, tried: bool = False) -> bytes | NoSuchName:
    """Return the on-disk spelling of `path`; what was found out about its directory if only the last name is missing.

    Args:
        volume: where to look.
        path: unix path as the client spells it.
        tried: the exact spelling was found missing just now.

    Raises:
        ReparsePointError: there is a reparse point on the way.
        NTStatusError: STATUS_OBJECT_PATH_NOT_FOUND; STATUS_OBJECT_NAME_NOT_FOUND for a link that leads nowhere.
        OSError: any other failure.
    """
    found = volume.backend.resolve(path, tried=tried)
    if isinstance(found, bytes):
        return found
    if b"~" in path and volume.options.mangled_names != MANGLED_NO:
        demangled = _demangle(volume, path)
        if demangled != path and not (volume.streams is not None and hides(demangled)):
            return resolve(volume, demangled)
    # A reparse point has nothing in it.
    if not found.populated and b"/" in path:
        reparse.refuse_below(volume, path)
    if not found.missing_last:
        raise NTStatusError(STATUS_OBJECT_PATH_NOT_FOUND, "directory does not exist")
    if found.occupied:
        raise NTStatusError(STATUS_OBJECT_NAME_NOT_FOUND, "symbolic link that may not be followed")
    return found


def _demangle(volume: Volume, path: bytes) -> bytes:
    """Replace the components of `path` that are computed short names by the names they stand for."""
    done: list[bytes] = []
    for component in path.split(b"/"):
        found = component
        text = component_to_str(component)
        if could_be_mangled(text):
            try:
                fd = volume.backend.open(b"/".join(done), os.O_RDONLY | os.O_DIRECTORY)
            except OSError:
                return path
            try:
                names = os.listdir(fd)  # noqa: PTH208 - by descriptor
            finally:
                os.close(fd)
            long_name = find_mangled(text, names)
            if long_name is not None:
                found = to_bytes(long_name)
        done.append(found)
    return b"/".join(done)


def not_a_directory(volume: Volume, path: bytes) -> NTStatusError:
    """Return the error for ENOTDIR on `path`: a file where a directory was asked for, or a file on the way.

    Raises:
        ReparsePointError: what is on the way is a reparse point.
    """
    try:
        volume.backend.stat_path(path)
    except OSError:
        reparse.refuse_below(volume, path)
        return NTStatusError(STATUS_OBJECT_PATH_NOT_FOUND, "a file is used as a directory")
    return NTStatusError(STATUS_NOT_A_DIRECTORY, "not a directory")


def open_itself(
    volume: Volume, path: bytes, modes: tuple[int, ...], flags: int
) -> tuple[int, bytes, int] | NoSuchName:
    """Open the existing `path` as `open_path` does, but if that is a symbolic link, the link (FILE_OPEN_REPARSE_POINT).

    Raises:
        NTStatusError, OSError: as `open_path`.
    """
    mode = modes[0]
    if not mode & os.O_PATH:
        try:
            fd = volume.backend.open_existing(path, mode | flags | os.O_NOFOLLOW)
        except OSError:
            fd = None
        if fd is not None:
            return fd, path, mode  # nearly always it is no link, and the first mode and the client's spelling are right
    link = _open_link(volume, path)
    if link is not None:
        return link, path, os.O_PATH
    opened = open_path(volume, path, modes, flags)
    if isinstance(opened, NoSuchName):
        return opened
    target, spelled, _ = opened
    if spelled != path:
        link = _open_link(volume, spelled)
        if link is not None:
            os.close(target)
            return link, spelled, os.O_PATH
    return opened


def _open_link(volume: Volume, path: bytes) -> int | None:
    """Return a descriptor of the symbolic link `path`; None if that is none."""
    try:
        fd = volume.backend.open_existing(path, os.O_PATH | os.O_NOFOLLOW)
    except OSError:
        return None
    if fd is None:
        return None
    try:
        is_link = volume.backend.stat(fd).is_symlink
    except BaseException:
        os.close(fd)
        raise
    if is_link:
        return fd
    os.close(fd)
    return None


def open_path(
    volume: Volume, path: bytes, modes: tuple[int, ...], flags: int
) -> tuple[int, bytes, int] | NoSuchName:
    """Open the existing `path` with the first of the access `modes` that the kernel allows.

    Returns:
        A descriptor, the on-disk spelling it was found by, and the access mode it has; if only the last name is
        missing, what `resolve` does.

    Raises:
        NTStatusError: why it cannot be opened, as far as it is about names.
        OSError: any other failure.
    """
    mode = modes[0]
    try:
        fd = volume.backend.open_existing(path, mode | (flags & _WITH_O_PATH if mode & os.O_PATH else flags))
    except NotADirectoryError:
        raise not_a_directory(volume, path) from None
    except OSError as error:
        if error.errno in _FINAL_ERRORS:
            raise
        # The other modes are tried below. It may be renamed meanwhile: then it is as if it had been missing at once.
        found: bytes | NoSuchName = path
    else:
        if fd is not None:
            return fd, path, mode  # nearly always the first mode and the spelling of the client are right
        found = resolve(volume, path, tried=True)
    if isinstance(found, NoSuchName):
        return found
    try:
        return _open_spelled(volume, found, modes, flags)
    except FileNotFoundError:
        found = resolve(volume, found)
        return found if isinstance(found, NoSuchName) else _open_spelled(volume, found, modes, flags)


def _open_spelled(volume: Volume, path: bytes, modes: tuple[int, ...], flags: int) -> tuple[int, bytes, int]:
    """Open `path`, which is spelled as on disk, as `open_path` does."""
    try:
        return _open_modes(volume, path, modes, flags)
    except NotADirectoryError:
        raise not_a_directory(volume, path) from None


def _open_modes(volume: Volume, path: bytes, modes: tuple[int, ...], flags: int) -> tuple[int, bytes, int]:
    last = len(modes) - 1
    for index, mode in enumerate(modes):
        try:
            fd = volume.backend.open(path, mode | (flags & _WITH_O_PATH if mode & os.O_PATH else flags))
        except (PermissionError, IsADirectoryError):
            if index == last:
                raise
        except OSError as error:
            # EROFS, ETXTBSY, ENXIO (sockets): another mode may do.
            if index == last or error.errno in _FINAL_ERRORS:
                raise
            if modes[0] != os.O_RDONLY and is_leased(error):
                raise  # who wants the contents has to wait
        else:
            return fd, path, mode
    raise NTStatusError(STATUS_ACCESS_DENIED, "no way to open")
