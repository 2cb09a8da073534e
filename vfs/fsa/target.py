"""The new name of a rename or link: where it leads and what it may replace ([MS-FSA] 2.1.5.15.7, 2.1.5.15.12)."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec

from vfs.access import FILE_ADD_FILE, FILE_ADD_SUBDIRECTORY
from vfs.constants import FILE_ATTRIBUTE_READONLY
from vfs.file_id import FileId
from vfs.fsa import access_check, attributes, delete, names
from vfs.fsa.lookup import check_veto, resolve
from vfs.fsa.parent import ParentDirectory
from vfs.locking.entry import ENTRY_POSIX, ENTRY_REPLACING, ShareModeEntry
from vfs.ntstatus import (
    STATUS_ACCESS_DENIED,
    STATUS_NOT_SUPPORTED,
    STATUS_OBJECT_NAME_COLLISION,
    STATUS_OBJECT_NAME_INVALID,
    NTStatusError,
)
from vfs.posix.backend import NoSuchName

if TYPE_CHECKING:
    from vfs.fsa.file_object import FileObject
    from vfs.volume import Volume


class Target(msgspec.Struct):
    """A checked new name.

    Attributes:
        path: share-relative unix path in the wanted spelling.
        existing: on-disk spelling of what has the name now; None if it is free.
        file_id: of what has the name now.
        is_directory: what has the name now is a directory.
    """

    path: bytes
    existing: bytes | None = None
    file_id: FileId | None = None
    is_directory: bool = False


def find(volume: Volume, new_path: str) -> Target:
    """Check the spelling of the new name and look up what has it now.

    Raises:
        NTStatusError: as `names.parse` and `lookup.resolve`; STATUS_NOT_SUPPORTED for a stream.
        OSError: it cannot be looked up.
    """
    parsed = names.parse_posix(new_path) if volume.options.posix else names.parse(new_path)
    if parsed.stream:
        raise NTStatusError(STATUS_NOT_SUPPORTED, "streams cannot be renamed or linked")
    if not parsed.path:
        raise NTStatusError(STATUS_OBJECT_NAME_INVALID, "no name")
    check_veto(volume, parsed.path)
    existing = resolve(volume, parsed.path)
    if isinstance(existing, NoSuchName):
        return Target(existing.new_path(parsed.path))
    stat = volume.backend.stat_path(existing)
    head, slash, _ = existing.rpartition(b"/")
    last = parsed.path[parsed.path.rfind(b"/") + 1 :]
    return Target(head + slash + last, existing, FileId(stat.dev, stat.ino), stat.is_directory)


def check_replace(volume: Volume, target: Target, replace: bool) -> None:
    """Check that what has the name now may be replaced.

    Raises:
        NTStatusError: STATUS_OBJECT_NAME_COLLISION; STATUS_ACCESS_DENIED: a directory, read-only, or open.
        OSError: it cannot be looked at.
    """
    if target.existing is None or target.file_id is None:
        return
    if not replace:
        raise NTStatusError(STATUS_OBJECT_NAME_COLLISION, "the new name exists")
    if target.is_directory:
        raise NTStatusError(STATUS_ACCESS_DENIED, "a directory is not replaced")
    fd = volume.backend.open(target.existing, os.O_PATH)
    try:
        found = attributes.look(volume, fd, target.existing).file_attributes
    finally:
        os.close(fd)
    if found & FILE_ATTRIBUTE_READONLY:
        raise NTStatusError(STATUS_ACCESS_DENIED, "a read-only file is not replaced")
    record = volume.share_modes.live_record(target.file_id)
    if record is not None and any(_holds_name(volume, entry) for entry in record.entries):
        raise NTStatusError(STATUS_ACCESS_DENIED, "the file to replace is open")


def _holds_name(volume: Volume, entry: ShareModeEntry) -> bool:
    """Tell whether an open keeps its file from being replaced: a POSIX rename passes over POSIX opens."""
    return not (volume.options.posix and entry.flags & ENTRY_POSIX)


@contextmanager
def keep_closed(fo: FileObject, target: Target) -> Iterator[None]:
    """Keep others from opening what is replaced while `fo` takes its name: they wait, and then find the new file.

    Raises:
        NTStatusError: STATUS_ACCESS_DENIED: somebody has it open.
    """
    file_id = target.file_id
    if file_id is None or target.existing is None or file_id == fo.file_id:
        yield
        return
    volume, owner = fo.volume, fo.owner
    modes = volume.share_modes
    with modes.lock(file_id) as lock:
        if lock.record is not None and any(
            modes.holds(entry) and _holds_name(volume, entry) for entry in lock.record.entries
        ):
            raise NTStatusError(STATUS_ACCESS_DENIED, "the file to replace is open")
        entry = ShareModeEntry(
            owner.server_id, owner.open_id, 0, 0, 0, time.time_ns(), fo.token.uid, ENTRY_REPLACING
        )
        lock.add(volume.share_path, volume.full_path(target.existing), entry)
    try:
        yield
    finally:
        with modes.lock(file_id) as lock:
            lock.remove(owner.server_id, owner.open_id)


def check_parent(fo: FileObject, target: Target) -> None:
    """Check that the directory of the new name lets the opener add one.

    Raises:
        NTStatusError: STATUS_ACCESS_DENIED, STATUS_DELETE_PENDING.
        OSError: the directory cannot be looked at.
    """
    with ParentDirectory(fo.volume, target.path) as parent:
        delete.check_directory_stays(fo.volume, parent)
        # Without stored descriptors the kernel's check is the whole check.
        if not fo.volume.options.acl_xattr:
            return
        needed = FILE_ADD_SUBDIRECTORY if fo.is_directory else FILE_ADD_FILE
        granted = access_check.parent_rights(fo.volume, fo.token, parent)
    if needed & ~granted:
        raise NTStatusError(STATUS_ACCESS_DENIED, "the directory does not let add a name")
