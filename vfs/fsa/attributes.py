"""DOS attributes and creation time: where they are kept ([MS-FSCC] 2.6, [MS-FSA] 2.1.1.3).

Stored in the xattr user.DOSATTRIB as Samba does, or without it expressed by mode bits as `map archive` and its kin say.
"""

from __future__ import annotations

import errno
import logging
import os
import time
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from vfs.constants import (
    FILE_ATTRIBUTE_ARCHIVE,
    FILE_ATTRIBUTE_DIRECTORY,
    FILE_ATTRIBUTE_HIDDEN,
    FILE_ATTRIBUTE_NORMAL,
    FILE_ATTRIBUTE_NOT_CONTENT_INDEXED,
    FILE_ATTRIBUTE_OFFLINE,
    FILE_ATTRIBUTE_READONLY,
    FILE_ATTRIBUTE_REPARSE_POINT,
    FILE_ATTRIBUTE_SPARSE_FILE,
    FILE_ATTRIBUTE_SYSTEM,
    FILE_ATTRIBUTE_TEMPORARY,
)
from vfs.file_id import FileId
from vfs.fsa import known, times
from vfs.fsa.names import component_to_str
from vfs.posix import credentials, dosattrib

if TYPE_CHECKING:
    from vfs.fsa.file_object import FileObject
    from vfs.fsa.known import KnownFile
    from vfs.posix.syscalls import Stat
    from vfs.volume import Volume

_log = logging.getLogger(__name__)

_BLOBS: Final = 1024
"""Decoded values kept: in a tree copied by one program many files have the same one."""

_CLOCK_REALTIME_COARSE: Final = 5
"""clock_gettime(2); the module `time` has no name for it."""
_CTIMES: Final = (
    (_CLOCK_REALTIME_COARSE, 0),
    (time.CLOCK_REALTIME, 300_000),
    (_CLOCK_REALTIME_COARSE, 0),
    (time.CLOCK_REALTIME, 1_000_000),
    (_CLOCK_REALTIME_COARSE, 5_000_000),
    (_CLOCK_REALTIME_COARSE, 20_000_000),
    (_CLOCK_REALTIME_COARSE, 100_000_000),
)
"""How to foretell a ctime, the most exact first: by which clock, and within how many nanoseconds. Changes are stamped
with the time of the last tick or, after somebody has asked for the time stamp (multigrain), with the present."""

_WRITE_BITS: Final = 0o222
_OWNER_WRITE: Final = 0o200
_ARCHIVE_BIT: Final = 0o100
_SYSTEM_BIT: Final = 0o010
_HIDDEN_BIT: Final = 0o001

STORED: Final = (
    FILE_ATTRIBUTE_READONLY
    | FILE_ATTRIBUTE_HIDDEN
    | FILE_ATTRIBUTE_SYSTEM
    | FILE_ATTRIBUTE_ARCHIVE
    | FILE_ATTRIBUTE_TEMPORARY
    | FILE_ATTRIBUTE_SPARSE_FILE
    | FILE_ATTRIBUTE_REPARSE_POINT
    | FILE_ATTRIBUTE_OFFLINE
    | FILE_ATTRIBUTE_NOT_CONTENT_INDEXED
)
"""What is kept about a file; DIRECTORY and NORMAL follow from the rest."""
UNSETTABLE: Final = FILE_ATTRIBUTE_SPARSE_FILE | FILE_ATTRIBUTE_REPARSE_POINT
"""What has control codes of its own to set it."""
SETTABLE: Final = STORED & ~UNSETTABLE
"""What a client sets directly."""


def hidden_by_name(volume: Volume, path: bytes) -> bool:
    """Tell whether `hide dot files` or `hide files` hide the last component of `path`."""
    last = path[path.rfind(b"/") + 1 :]
    if last[:1] == b"." and volume.options.hide_dot_files:
        return last not in {b".", b".."}
    return volume.hidden is not None and volume.hidden(component_to_str(last))


def complete(volume: Volume, stat: Stat, path: bytes, stored: int) -> int:
    """Return `stored` attributes with those that follow from type and name; NORMAL if there are none."""
    if hidden_by_name(volume, path):
        stored |= FILE_ATTRIBUTE_HIDDEN
    kind = stat.mode & 0o170000
    if kind == 0o040000:
        return stored | FILE_ATTRIBUTE_DIRECTORY
    if kind != 0o100000:
        return stored | FILE_ATTRIBUTE_REPARSE_POINT
    return stored or FILE_ATTRIBUTE_NORMAL


def of_mode(volume: Volume, stat: Stat) -> int:
    """Return the attributes that the mode bits express under the ``map`` options."""
    options = volume.options
    if stat.is_directory:
        return 0
    attributes = 0
    if options.map_archive and stat.mode & _ARCHIVE_BIT:
        attributes |= FILE_ATTRIBUTE_ARCHIVE
    if options.map_system and stat.mode & _SYSTEM_BIT:
        attributes |= FILE_ATTRIBUTE_SYSTEM
    if options.map_hidden and stat.mode & _HIDDEN_BIT:
        attributes |= FILE_ATTRIBUTE_HIDDEN
    if options.map_readonly and not stat.mode & _OWNER_WRITE:
        attributes |= FILE_ATTRIBUTE_READONLY
    return attributes


def from_blob(volume: Volume, stat: Stat, blob: bytes | None) -> tuple[int, int]:
    """Return (stored attributes, creation time as FILETIME) of a file whose xattr is `blob`.

    If a client set the change time, and nothing changed since, it takes the place of the kernel's in `stat`.
    """
    if blob is None:
        return of_mode(volume, stat), times.to_filetime(stat.btime_ns)
    plain = unpack_plain(blob)
    if plain is not None and plain[1]:
        return plain[0] & STORED, plain[1]
    kept, creation_time, change_time = _unpack(blob)
    if change_time is not None and change_time.first_ns <= stat.ctime_ns <= change_time.last_ns:
        stat.ctime_ns = times.to_unix_ns(change_time.value)
    return (
        of_mode(volume, stat) if kept is None else kept,
        creation_time or times.to_filetime(stat.btime_ns),
    )


unpack_plain = lru_cache(_BLOBS)(dosattrib.unpack_plain)
"""What the usual form of the xattr stores, attributes and creation time; None of another form."""


@lru_cache(_BLOBS)
def _unpack(blob: bytes) -> tuple[int | None, int, dosattrib.ChangeTime | None]:
    try:
        found = dosattrib.unpack(blob)
    except dosattrib.DosAttribError as error:
        _log.warning("%s", error)
        return None, 0, None
    kept = None if found.attributes is None else found.attributes & STORED
    return kept, found.create_time or 0, found.change_time


def load_stored(volume: Volume, fd: int, stat: Stat) -> tuple[int, int]:
    """Return (stored attributes, creation time as FILETIME) of an open file.

    Raises:
        OSError: the xattr cannot be read.
    """
    blob = None
    if volume.options.store_dos_attributes:
        try:
            blob = volume.backend.fgetxattr(fd, dosattrib.XATTR_NAME)
        except PermissionError:
            blob = _read_as_root(lambda: volume.backend.fgetxattr(fd, dosattrib.XATTR_NAME))
    return from_blob(volume, stat, blob)


def load_at(volume: Volume, name: str, stat: Stat) -> tuple[int, int]:
    """Return (stored attributes, creation time as FILETIME) of an entry of the working directory, no symbolic link.

    There is no getxattrat before Linux 6.13, and a path through /proc costs twice as much as changing the working
    directory, which nothing else in a worker depends on.

    Raises:
        OSError: the xattr cannot be read.
    """
    blob = None
    if volume.options.store_dos_attributes:
        try:
            blob = os.getxattr(name, dosattrib.XATTR_NAME, follow_symlinks=False)
        except PermissionError:
            blob = _read_as_root(lambda: os.getxattr(name, dosattrib.XATTR_NAME, follow_symlinks=False))
        except OSError as error:
            if error.errno not in {errno.ENODATA, errno.EOPNOTSUPP}:
                raise
    return from_blob(volume, stat, blob)


def _read_as_root(read: Callable[[], bytes | None]) -> bytes | None:
    """Read a user.* xattr, for which the kernel wants read permission: attributes are everybody's to see."""
    try:
        with credentials.as_root():
            return read()
    except OSError as error:
        if error.errno in {errno.EACCES, errno.EPERM, errno.ENODATA, errno.EOPNOTSUPP}:
            return None
        raise


def look(volume: Volume, fd: int, path: bytes) -> KnownFile:
    """Return what is known of an open file, with its present status.

    Raises:
        OSError: the status or the xattr cannot be read.
    """
    found = volume.known.get(path)
    stat = volume.backend.stat(fd, None if found is None else found.stat)
    if found is not None and found.stat is stat:
        return found
    return _learn(volume, fd, path, stat)


def _learn(volume: Volume, fd: int, path: bytes, stat: Stat) -> KnownFile:
    """Return what is known of an open file, which was just found to have the status `stat`.

    Raises:
        OSError: the xattr cannot be read.
    """
    found = volume.known.pop(path, None)
    if found is not None and found.is_of(stat):
        found.stat, found.file_stat = stat, None
        volume.known[path] = found
        return found
    read_ns = time.time_ns()  # before the reading, or a change behind it could be stamped as those before
    ctime_ns = stat.ctime_ns
    stored, creation_time = load_stored(volume, fd, stat)
    attributes = complete(volume, stat, path, stored)
    found = known.KnownFile(FileId(stat.dev, stat.ino), stat, path, attributes, creation_time)
    if stat.ctime_ns == ctime_ns:
        known.keep(volume, found, fd, read_ns)
    return found


def load(volume: Volume, fd: int, path: bytes, stat: Stat) -> tuple[int, int]:
    """Return (all attributes, creation time as FILETIME) of an open file, which has the status `stat`.

    Raises:
        OSError: the xattr cannot be read.
    """
    found = _learn(volume, fd, path, stat)
    return found.file_attributes, found.creation_time


def store(volume: Volume, fd: int, stat: Stat, attributes: int, creation_time: int) -> None:
    """Keep `attributes` and `creation_time`; the caller has checked that the opener may.

    Raises:
        OSError: they cannot be kept.
    """
    if volume.options.store_dos_attributes and _write_blob(
        volume, fd, dosattrib.pack(attributes & STORED, creation_time)
    ):
        return
    mode = mapped_mode(volume, stat, attributes)
    if mode != stat.mode & 0o7777:
        volume.backend.fchmod(fd, mode)


def _write_blob(volume: Volume, fd: int, blob: bytes) -> bool:
    """Store the xattr; False if the file system cannot.

    Raises:
        OSError: any other failure.
    """
    try:
        volume.backend.fsetxattr(fd, dosattrib.XATTR_NAME, blob)
    except PermissionError:
        # FILE_WRITE_ATTRIBUTES was granted; that the mode has no write bit must not matter.
        with credentials.as_root():
            volume.backend.fsetxattr(fd, dosattrib.XATTR_NAME, blob)
    except OSError as error:
        if error.errno not in {errno.EOPNOTSUPP, errno.ENOTSUP}:
            raise
        return False
    return True


def store_change_time(volume: Volume, fd: int, change_time: int) -> None:
    """Make clients see `change_time` (FILETIME) as the change time until anything changes the file again.

    The kernel's ctime cannot be set, so the wanted value is stored together with the ctime that storing it brings
    about. That one is foretold: storing happens at once, and if not, it is done anew with a wider range. A no-op where
    attributes are not stored.

    Raises:
        OSError: it cannot be kept.
    """
    if not volume.options.store_dos_attributes:
        return
    stored, creation_time = load_stored(volume, fd, volume.backend.stat(fd))
    for clock, width in _CTIMES:
        first = time.clock_gettime_ns(clock)
        expected = dosattrib.ChangeTime(change_time, first, first + width)
        if not _write_blob(volume, fd, dosattrib.pack(stored, creation_time, expected)):
            return
        if first <= volume.backend.stat(fd).ctime_ns <= first + width:
            return


def restore_change_time(fo: FileObject) -> None:
    """After a change through `fo`: put back the change time if it was set or frozen through it.

    Raises:
        OSError: it cannot be kept.
    """
    if fo.sticky_change_time is not None:
        store_change_time(fo.volume, fo.fd, fo.sticky_change_time)


def mapped_mode(volume: Volume, stat: Stat, attributes: int) -> int:
    """Return the permission bits of `stat` changed to express `attributes` under the ``map`` options."""
    options = volume.options
    mode = stat.mode & 0o7777
    if stat.is_directory:
        return mode
    for wanted, bit, attribute in (
        (options.map_archive, _ARCHIVE_BIT, FILE_ATTRIBUTE_ARCHIVE),
        (options.map_system, _SYSTEM_BIT, FILE_ATTRIBUTE_SYSTEM),
        (options.map_hidden, _HIDDEN_BIT, FILE_ATTRIBUTE_HIDDEN),
    ):
        if wanted:
            mode = mode | bit if attributes & attribute else mode & ~bit
    if options.map_readonly:
        if attributes & FILE_ATTRIBUTE_READONLY:
            mode &= ~_WRITE_BITS
        elif not mode & _OWNER_WRITE:
            mode |= _WRITE_BITS & (options.create_mask | _OWNER_WRITE)
    return mode


def file_mode(volume: Volume, attributes: int, parent_mode: int | None) -> int:
    """Return the mode for a new file; `parent_mode` only under ``inherit permissions``."""
    options = volume.options
    mode = 0o666
    if options.map_readonly and not options.store_dos_attributes and attributes & FILE_ATTRIBUTE_READONLY:
        mode &= ~_WRITE_BITS
    if options.map_archive and attributes & FILE_ATTRIBUTE_ARCHIVE:
        mode |= _ARCHIVE_BIT
    if options.map_system and attributes & FILE_ATTRIBUTE_SYSTEM:
        mode |= _SYSTEM_BIT
    if options.map_hidden and attributes & FILE_ATTRIBUTE_HIDDEN:
        mode |= _HIDDEN_BIT
    if parent_mode is not None:
        return mode & 0o111 | parent_mode & 0o666
    return mode & options.create_mask | options.force_create_mode


def directory_mode(volume: Volume, parent_mode: int | None) -> int:
    """Return the mode for a new directory; `parent_mode` only under ``inherit permissions``."""
    if parent_mode is not None:
        return parent_mode & 0o1777  # the kernel hands down set-gid
    return 0o777 & volume.options.directory_mask | volume.options.force_directory_mode
