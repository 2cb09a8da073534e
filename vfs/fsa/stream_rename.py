"""Renaming named streams: [MS-FSA] 2.1.5.15.12, a new name that begins with a colon.

A stream stays with its file. It may take the place of another stream, or of the file's own contents, only while that
is empty and nobody has it open.

DEVIATION: a stream that somebody else has open, too, keeps its name (STATUS_SHARING_VIOLATION).

DEVIATION: the file's own contents are not made a named stream; that is STATUS_NOT_SUPPORTED, as with Samba.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from vfs.file_id import file_id_of
from vfs.fsa import names, stream_hold, streams
from vfs.locking.entry import ENTRY_STREAM
from vfs.locking.lease import LeaseFile
from vfs.ntstatus import (
    STATUS_INVALID_PARAMETER,
    STATUS_NOT_SUPPORTED,
    STATUS_OBJECT_NAME_COLLISION,
    STATUS_SHARING_VIOLATION,
    NTStatusError,
)

if TYPE_CHECKING:
    from vfs.file_id import FileId
    from vfs.fsa.file_object import FileObject
    from vfs.modules.streams_xattr import StreamsXattr
    from vfs.modules.xattr_stream import XattrStream

_COPY: Final = 1 << 20


def rename(fo: FileObject, new_name: str, replace: bool) -> None:
    """Give the stream of `fo` the name `new_name`, like ``:name`` or ``:name:$DATA``; ``::$DATA`` is the file itself.

    The caller has checked for DELETE.

    Raises:
        NTStatusError: STATUS_OBJECT_NAME_COLLISION, STATUS_INVALID_PARAMETER (what has the name is open or not empty),
            STATUS_SHARING_VIOLATION (a name with a path), STATUS_NOT_SUPPORTED, STATUS_FILE_DELETED.
        OSError: what the system call said.
    """
    stream, store = fo.stream, fo.volume.streams
    if stream is None or store is None:
        raise NTStatusError(STATUS_NOT_SUPPORTED, "the file itself does not become a stream")
    parsed = names.parse(new_name)
    if parsed.path:
        # The path is that of a file which is open: through this very handle.
        raise NTStatusError(STATUS_SHARING_VIOLATION, "streams do not leave their file")
    if parsed.stream:
        _to_stream(fo, stream, store, parsed.stream, replace)
    else:
        _to_file(fo, stream, replace)


def _to_stream(fo: FileObject, stream: XattrStream, store: StreamsXattr, name: str, replace: bool) -> None:
    if name == stream.name:
        return
    volume = fo.volume
    new_id = file_id_of(fo.stat, name)
    _check_alone(fo)
    old = fo.full_path
    if new_id != fo.file_id:
        found = store.find(fo.fd, name)
        if found is not None:
            target = streams.contents_of(fo, *found)
            try:
                _check_target(replace, target.size(), is_open=volume.share_modes.live_record(new_id) is not None)
                target.remove()
            finally:
                target.close()
    stream.rename(name)
    fo.name = f"{names.to_smb(fo.path)}:{name}"
    if new_id != fo.file_id:
        _move(fo, new_id, old)
    else:
        with volume.share_modes.lock(new_id) as lock:
            lock.rename(old, fo.full_path)


def _to_file(fo: FileObject, stream: XattrStream, replace: bool) -> None:
    """Make the stream the contents of the file; `fo` is an open of the file afterwards."""
    volume = fo.volume
    if fo.stat.is_directory:
        raise NTStatusError(STATUS_INVALID_PARAMETER, "a directory has no contents")
    _check_alone(fo)
    new_id = file_id_of(fo.stat, "")
    record = volume.share_modes.live_record(new_id)
    is_open = record is not None and any(not entry.flags & ENTRY_STREAM for entry in record.entries)
    fd = volume.backend.open(fo.path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        stat = volume.backend.stat(fd)
        if (stat.dev, stat.ino) != (fo.stat.dev, fo.stat.ino):
            raise NTStatusError(STATUS_SHARING_VIOLATION, "the name of the file means another one now")
        _check_target(replace, stat.size, is_open=is_open)
        buffer = memoryview(bytearray(_COPY))
        done = 0
        while count := stream.read_into(done, buffer):
            done += os.pwrite(fd, buffer[:count], done)
        os.dup2(fd, fo.fd, inheritable=False)
    finally:
        os.close(fd)
    old = fo.full_path
    stream.remove()
    stream.close()
    fo.stream = None
    fo.path_only = False
    fo.name = names.to_smb(fo.path)
    _move(fo, new_id, old)


def _check_alone(fo: FileObject) -> None:
    """Check that only `fo` has the stream open: its identity changes with its name, and others would not learn it."""
    record = fo.volume.share_modes.held_record(fo.file_id)
    if fo.stream is not None and not fo.stream.hold.is_there():
        raise stream_hold.gone()
    if fo.lock_count or (record is not None and len(record.entries) > 1):
        raise NTStatusError(STATUS_SHARING_VIOLATION, "somebody else has the stream open, or ranges are locked")


def _check_target(replace: bool, size: int, *, is_open: bool) -> None:
    if not replace:
        raise NTStatusError(STATUS_OBJECT_NAME_COLLISION, "the new name exists")
    if size or is_open:
        raise NTStatusError(STATUS_INVALID_PARAMETER, "what has the new name is in use")


def _move(fo: FileObject, new_id: FileId, old: bytes) -> None:
    """Move what the record of `fo` by the full path `old` says to that of its new identity.

    That is the share-mode entry, its share in a lease, and that the stream is delete-pending.
    """
    modes = fo.volume.share_modes
    owner = fo.owner
    with modes.lock(fo.file_id) as lock:
        entry = lock.find(owner.server_id, owner.open_id)
        pending = lock.delete_token(old)
    if entry is not None:
        entry.name = b""
        with modes.lock(new_id) as lock:
            lock.remove(owner.server_id, owner.open_id)
            lock.add(fo.volume.share_path, fo.full_path, entry)
            if pending is not None:
                pending.path = fo.full_path
                lock.set_delete(pending)
            if entry.lease_key and modes.leases is not None:
                with modes.leases.lock(entry.client_guid, entry.lease_key) as locked:
                    if locked.lease is not None:
                        locked.lease.files = [*locked.lease.files, LeaseFile(new_id.key(), fo.full_path)]
    old_id = fo.file_id
    fo.identify(new_id)
    with modes.lock(old_id) as lock:
        lock.remove(owner.server_id, owner.open_id)
