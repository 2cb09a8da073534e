"""Opens that outlive their process: durable handles as the object store sees them.

When the client goes away, `disconnect` closes the descriptor, but leaves the open in the share modes, with its oplock
or lease and its byte-range locks, in the name of nobody: server id `DISCONNECTED` and the number of the handle. What
is not in those records goes into a cookie. `reconnect`, in any process, opens the file by its path, proves that it is
the same and unchanged, and takes the entries over. `expire` ends the handle instead.

A durable handle depends on its caching: nobody else may do anything to the file while the client is away. A handle
that *stays* (resilient, persistent) does not: the others see it as an open like any other.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import msgspec

from messaging.records import RecordCodec
from messaging.server_id import DISCONNECTED
from vfs.access import FILE_APPEND_DATA, FILE_EXECUTE, FILE_READ_DATA, FILE_WRITE_DATA
from vfs.constants import FILE_OPENED
from vfs.file_id import FileId
from vfs.fsa import attributes, leasing
from vfs.fsa.file_object import FileObject
from vfs.fsa.lock import owner_of
from vfs.locking.brlock import LockOwner
from vfs.locking.entry import ENTRY_RESILIENT
from vfs.locking.oplock import LEASE_HANDLE, OPLOCK_BATCH, OPLOCK_LEASE, Oplock
from vfs.notify import trigger
from vfs.ntstatus import STATUS_OBJECT_NAME_NOT_FOUND, NTStatusError
from vfs.posix import credentials

if TYPE_CHECKING:
    from vfs.fsa.params import OpenOwner
    from vfs.locking.brlock_db import ByteRangeLocks
    from vfs.locking.entry import ShareModeEntry
    from vfs.locking.share_mode import ShareModes
    from vfs.locking.share_mode_lock import ShareModeLock
    from vfs.posix.syscalls import Stat
    from vfs.token import SecurityToken
    from vfs.volume import Volume

_READ: Final = FILE_READ_DATA | FILE_EXECUTE
_WRITE: Final = FILE_WRITE_DATA | FILE_APPEND_DATA
_FLAGS: Final = os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class DurableCookie(msgspec.Struct, array_like=True, gc=False):
    """What is kept of an open whose client is away, beside its entries in the databases.

    Attributes:
        file_id: key of the file.
        share_path: root directory of the share.
        path: of the file, relative to it.
        size, mtime_ns: of the file when the client went away; whoever comes back must find them so. -1 for a handle
            that stays: others may have changed the file.
        birth_ns: birth time of the file.
        lease_key: of its lease; empty if it holds an oplock.
        create_action: of the create that made it: the answer should the client send that again.
    """

    file_id: bytes
    share_path: str
    path: bytes
    size: int
    mtime_ns: int
    access_mode: int
    granted_access: int
    share_access: int
    create_options: int
    mode: int
    position: int
    oplock_level: int
    lease_key: bytes
    birth_ns: int
    create_action: int = FILE_OPENED


_COOKIE_VERSION: Final = 3
_ANY: Final = -1
COOKIE_CODEC: Final = RecordCodec(DurableCookie, _COOKIE_VERSION, "durable cookie")


def can_be_durable(fo: FileObject) -> bool:
    """Tell whether the handle may survive its connection: of a file, held by one who may cache it.

    ([MS-SMB2] 3.3.5.9.6, 3.3.5.9.10, 3.3.7.1.)
    """
    return fo.can_stay and _caches_handle(fo)


def make_resilient(fo: FileObject) -> None:
    """Let the open stay when its client goes away; the others have to know."""
    with fo.volume.share_modes.lock(fo.file_id) as modes:
        entry = modes.find(fo.owner.server_id, fo.owner.open_id)
        if entry is not None:
            entry.flags |= ENTRY_RESILIENT
            modes.changed()


def make_persistent(fo: FileObject, handle_id: int) -> None:
    """Let the open outlive its process as the handle `handle_id`, not as the one that `share.enter` made it."""
    with fo.volume.share_modes.lock(fo.file_id) as modes:
        entry = modes.find(fo.owner.server_id, fo.owner.open_id)
        if entry is not None:
            entry.handle_id = handle_id
            modes.changed()
    fo.handle_id = handle_id
    fo.alone = b""


def cookie_of(fo: FileObject) -> bytes:
    """Return the cookie of a handle that stays, while it is in use."""
    return COOKIE_CODEC.encode(_cookie(fo, fo.path, None))


def current_path(modes: ShareModes, cookie: DurableCookie, handle_id: int) -> bytes:
    """Return the path beneath the share that the file of a disconnected handle has now: it may have been renamed."""
    record = modes.read(FileId.from_key(cookie.file_id))
    root = os.fsencode(cookie.share_path).rstrip(b"/") + b"/"
    for entry in record.entries if record is not None else ():
        if entry.open_id == handle_id and entry.server_id.is_disconnected():
            path = record.name_of(entry) if record is not None else b""
            if path.startswith(root):
                return path[len(root) :]
    return cookie.path


def _caches_handle(fo: FileObject) -> bool:
    oplock = fo.oplock
    if oplock is None:
        return False
    if oplock.level != OPLOCK_LEASE:
        return oplock.level == OPLOCK_BATCH and oplock.breaking_to is None
    lease = fo.volume.share_modes.find_lease(fo.owner.client_guid, oplock.lease_key)
    return lease is not None and bool(lease.state & LEASE_HANDLE) and not lease.breaking


def disconnect(fo: FileObject, handle_id: int, *, stays: bool = False) -> bytes | None:
    """Close `fo`, but keep it in the shared records as `handle_id`.

    Args:
        fo: the open.
        handle_id: its number from now on.
        stays: it is resilient or persistent.

    Returns:
        The cookie that `reconnect` needs; None if the open cannot be kept: it is as before.

    Raises:
        OSError: the file cannot be looked at; the open is as before.
    """
    if not (stays or can_be_durable(fo)):
        return None
    stat = fo.refresh()
    volume, owner = fo.volume, fo.owner
    with volume.share_modes.lock(fo.file_id) as modes:
        entry = modes.find(owner.server_id, owner.open_id)
        # Its lease may have been broken since, so look again where that cannot happen any more.
        if entry is None or modes.record is None or not (stays or _caches_handle(fo)):
            return None
        full_path = modes.record.name_of(entry)
        path = volume.relative_path(full_path)
        if path is None or modes.delete_token(full_path) is not None:
            return None
        if stays:
            end_break(modes, entry, None if fo.oplock is None else fo.oplock.breaking_to)
        modes.reassign(entry, DISCONNECTED, handle_id)
    if fo.lock_count and not fo.handle_id and volume.byte_locks is not None:
        volume.byte_locks.reassign(fo.file_id, owner_of(fo), LockOwner(DISCONNECTED, handle_id))
    trigger.closing(fo)
    if fo.written:
        leasing.parent_changed(fo)
    cookie = _cookie(fo, path, None if stays else stat)
    fd, fo.fd = fo.fd, -1
    volume.backend.close_fd(fd)
    return COOKIE_CODEC.encode(cookie)


def end_break(modes: ShareModeLock, entry: ShareModeEntry, breaking_to: int | None) -> None:
    """Complete what the client of a handle that stays was told to give up: it went away instead of answering."""
    if breaking_to is not None and entry.oplock_level != OPLOCK_LEASE:
        entry.oplock_level = breaking_to
        modes.changed()
    elif entry.oplock_level == OPLOCK_LEASE:
        modes.end_lease_break(entry)


def _cookie(fo: FileObject, path: bytes, stat: Stat | None) -> DurableCookie:
    oplock = fo.oplock
    return DurableCookie(
        fo.key,
        fo.volume.share_path,
        path,
        _ANY if stat is None else stat.size,
        _ANY if stat is None else stat.mtime_ns,
        os.O_PATH if fo.path_only else _access_mode(fo.granted_access),
        fo.granted_access,
        fo.share_access,
        fo.create_options,
        fo.mode,
        fo.position,
        0 if oplock is None else oplock.level,
        b"" if oplock is None else oplock.lease_key,
        fo.stat.btime_ns,
        fo.create_action,
    )


def _access_mode(granted: int) -> int:
    if granted & _WRITE:
        return os.O_RDWR if granted & _READ else os.O_WRONLY
    return os.O_RDONLY


def reconnect(
    volume: Volume, token: SecurityToken, owner: OpenOwner, cookie: DurableCookie, handle_id: int
) -> FileObject:
    """Open the file of `cookie` again and take over what `disconnect` left in the records.

    The caller has switched to the identity of `token`, and has made sure that nobody else does the same.

    Raises:
        NTStatusError: STATUS_OBJECT_NAME_NOT_FOUND: the handle is gone, or the file is another one or was changed.
    """
    if cookie.share_path != volume.share_path:
        raise NTStatusError(STATUS_OBJECT_NAME_NOT_FOUND, "another share")
    path = current_path(volume.share_modes, cookie, handle_id)
    try:
        fd = _reopen(volume, path, cookie)
    except OSError as error:
        raise NTStatusError(STATUS_OBJECT_NAME_NOT_FOUND, f"cannot be opened again: {error}") from None
    try:
        fo = _verified(volume, token, owner, cookie, fd, path)
        _take_over(fo, cookie, handle_id)
    except OSError as error:
        volume.backend.close_fd(fd)
        raise NTStatusError(STATUS_OBJECT_NAME_NOT_FOUND, f"cannot be opened again: {error}") from None
    except BaseException:
        volume.backend.close_fd(fd)
        raise
    return fo


def _reopen(volume: Volume, path: bytes, cookie: DurableCookie) -> int:
    flags = os.O_CLOEXEC if cookie.access_mode & os.O_PATH else _FLAGS
    try:
        return volume.backend.open(path, cookie.access_mode | flags)
    except PermissionError:
        if cookie.size != _ANY:
            raise
        # What was granted stays granted, even if others have changed the permissions since.
        with credentials.as_root():
            return volume.backend.open(path, cookie.access_mode | flags)


def _verified(
    volume: Volume, token: SecurityToken, owner: OpenOwner, cookie: DurableCookie, fd: int, path: bytes
) -> FileObject:
    stat = volume.backend.stat(fd)
    file_id = FileId(stat.dev, stat.ino)
    if file_id.key() != cookie.file_id or not stat.is_regular:
        raise NTStatusError(STATUS_OBJECT_NAME_NOT_FOUND, "another file has the name now")
    if cookie.size != _ANY and (stat.size, stat.mtime_ns) != (cookie.size, cookie.mtime_ns):
        raise NTStatusError(STATUS_OBJECT_NAME_NOT_FOUND, "the file was changed meanwhile")
    fo = FileObject(volume, token, owner, fd, path, None, stat, file_id)
    fo.file_attributes, fo.creation_time = attributes.load(volume, fd, path, stat)
    fo.granted_access = cookie.granted_access
    fo.share_access = cookie.share_access
    fo.create_options = cookie.create_options
    fo.create_action = FILE_OPENED
    fo.path_only = bool(cookie.access_mode & os.O_PATH)
    fo.mode = cookie.mode
    fo.position = cookie.position
    return fo


def _take_over(fo: FileObject, cookie: DurableCookie, handle_id: int) -> None:
    volume, owner = fo.volume, fo.owner
    with volume.share_modes.lock(fo.file_id) as modes:
        entry = modes.find(DISCONNECTED, handle_id)
        if entry is None:
            raise NTStatusError(STATUS_OBJECT_NAME_NOT_FOUND, "the handle had to give way")
        if cookie.lease_key:
            fo.oplock = _lease(volume, owner, cookie.lease_key)
        elif entry.oplock_level:
            fo.oplock = Oplock(entry.oplock_level)
        entry.connect_id = owner.connect_id
        modes.reassign(entry, owner.server_id, owner.open_id)
        fo.handle_id = entry.handle_id
    if volume.byte_locks is not None:
        left = LockOwner(DISCONNECTED, handle_id)
        fo.lock_count = volume.byte_locks.reassign(fo.file_id, left, owner_of(fo))


def _lease(volume: Volume, owner: OpenOwner, lease_key: bytes) -> Oplock:
    leases = volume.share_modes.leases
    if leases is not None:
        with leases.lock(owner.client_guid, lease_key) as locked:
            if locked.lease is not None:
                locked.lease.server_id = owner.server_id
                return Oplock(OPLOCK_LEASE, lease_key, locked.lease)
    raise NTStatusError(STATUS_OBJECT_NAME_NOT_FOUND, "the lease is gone")


def expire(modes: ShareModes, byte_locks: ByteRangeLocks, file_id_key: bytes, handle_id: int) -> None:
    """Remove everything that `disconnect` left; harmless if there is nothing."""
    with suppress(ValueError):  # a key that is none
        file_id = FileId.from_key(file_id_key)
        with modes.lock(file_id) as lock:
            lock.remove(DISCONNECTED, handle_id)
        byte_locks.remove_open(file_id, LockOwner(DISCONNECTED, handle_id))
