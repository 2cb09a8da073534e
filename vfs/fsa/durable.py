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
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import msgspec

from messaging.records import RecordCodec, RecordError
from messaging.server_id import DISCONNECTED, ServerId
from vfs.access import FILE_APPEND_DATA, FILE_EXECUTE, FILE_READ_DATA, FILE_WRITE_DATA
from vfs.constants import FILE_OPENED
from vfs.file_id import FileId, file_id_of
from vfs.fsa import attributes, leasing, names, streams
from vfs.fsa.close import close_file
from vfs.fsa.file_object import FileObject
from vfs.fsa.lock import owner_of
from vfs.locking.brlock import LockOwner
from vfs.locking.entry import ENTRY_RESILIENT
from vfs.locking.oplock import LEASE_HANDLE, OPLOCK_BATCH, OPLOCK_LEASE, Oplock
from vfs.locking.stored import LOCKING_CODEC
from vfs.notify import trigger
from vfs.ntstatus import STATUS_OBJECT_NAME_NOT_FOUND, NTStatusError
from vfs.posix import credentials

if TYPE_CHECKING:
    from vfs.fsa.params import OpenOwner
    from vfs.locking.brlock_db import ByteRangeLocks
    from vfs.locking.entry import ShareModeEntry
    from vfs.locking.share_mode import ShareModes
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
        stream: name of the named stream that it is an open of; empty for the file itself. `size` is that of the stream.
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
    stream: str = ""


_COOKIE_VERSION: Final = 4
_ANY: Final = -1
COOKIE_CODEC: Final = RecordCodec(DurableCookie, _COOKIE_VERSION, "durable cookie")


def can_be_durable(fo: FileObject) -> bool:
    """Tell whether the handle may survive its connection: of a file, held by one who may cache it.

    ([MS-SMB2] 3.3.5.9.6, 3.3.5.9.10, 3.3.7.1.)
    """
    return fo.can_stay and _caches_handle(fo)


def make_resilient(fo: FileObject) -> None:
    """Let the open stay when its client goes away; the others have to know."""
    for entry in _own_entries(fo):
        entry.flags |= ENTRY_RESILIENT


def make_persistent(fo: FileObject, handle_id: int) -> None:
    """Let the open outlive its process as the handle `handle_id`, not as the one that `share.enter` made it."""
    for entry in _own_entries(fo):
        entry.handle_id = handle_id
    fo.handle_id = handle_id
    fo.alone = b""


def _own_entries(fo: FileObject) -> Iterator[ShareModeEntry]:
    """Yield what the share modes say of the open, for the caller to change, each while its record is locked."""
    for file_id in entered_under(fo.file_id):
        with fo.volume.share_modes.lock(file_id) as modes:
            entry = modes.find(fo.owner.server_id, fo.owner.open_id)
            if entry is not None:
                yield entry
                modes.changed()


def cookie_of(fo: FileObject) -> bytes:
    """Return the cookie of a handle that stays, while it is in use."""
    return COOKIE_CODEC.encode(_cookie(fo, fo.path, compared=False))


def current_path(volume: Volume, cookie: DurableCookie, handle_id: int) -> bytes:
    """Return the path beneath the share that the file of a disconnected handle has now: it may have been renamed.

    Raises:
        NTStatusError: STATUS_OBJECT_NAME_NOT_FOUND: the handle is gone, or is one of another share.
    """
    key = cookie.file_id if not cookie.stream else FileId.from_key(cookie.file_id).of_file.key()
    stored = volume.share_modes.parse(key)
    if stored is not None and cookie.share_path == volume.share_path:
        record = LOCKING_CODEC.decode(stored)
        for entry in record.entries:
            if entry.open_id == handle_id and entry.server_id.is_disconnected():
                path = volume.relative_path(record.name_of(entry))
                if path is not None:
                    return path
    raise NTStatusError(STATUS_OBJECT_NAME_NOT_FOUND, "the handle is gone, or is one of another share")


def name_of(cookie: DurableCookie, path: bytes) -> str:
    """Return the name by which clients call what a handle is an open of, its file having `path` beneath the share."""
    name = names.to_smb(path)
    return f"{name}:{cookie.stream}" if cookie.stream else name


def entered_under(file_id: FileId) -> tuple[FileId, ...]:
    """Return the ids under which an open is in the share modes: that of a stream under the file's, too."""
    return (file_id,) if not file_id.is_stream else (file_id, file_id.of_file)


def _hand_over_file(fo: FileObject, before: tuple[ServerId, int], after: tuple[ServerId, int]) -> bool:
    """Give what the record of the file says of an open of its stream another owner; False if the file is to go."""
    with fo.volume.share_modes.lock(fo.file_id.of_file) as modes:
        entry = modes.find(*before)
        if entry is None or modes.record is None or modes.delete_token(modes.record.name_of(entry)) is not None:
            return False
        modes.reassign(entry, *after)
    return True


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
    fo.refresh()
    cookie = _cookie(fo, fo.path, compared=not stays)
    here, away = (fo.owner.server_id, fo.owner.open_id), (DISCONNECTED, handle_id)
    if fo.stream is not None and not _hand_over_file(fo, here, away):
        return None
    path = _leave_entry(fo, handle_id, stays=stays)
    if path is None:
        if fo.stream is not None:
            _hand_over_file(fo, away, here)
        return None
    volume = fo.volume
    if fo.lock_count and not fo.handle_id and volume.byte_locks is not None:
        volume.byte_locks.reassign(fo.file_id, owner_of(fo), LockOwner(DISCONNECTED, handle_id))
    trigger.closing(fo)
    if fo.written:
        leasing.parent_changed(fo)
    if fo.stream is None:
        cookie.path = path
    else:
        fo.stream.close()
    fd, fo.fd = fo.fd, -1
    volume.backend.close_fd(fd)
    return COOKIE_CODEC.encode(cookie)


def _leave_entry(fo: FileObject, handle_id: int, *, stays: bool) -> bytes | None:
    """Make the open that of a client who is away; return its path beneath the share, None if it cannot be kept."""
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
        # A break under way goes on: who waits for it now waits for a client that is away.
        modes.reassign(entry, DISCONNECTED, handle_id)
    return path


def _cookie(fo: FileObject, path: bytes, *, compared: bool) -> DurableCookie:
    """Return what is kept; with size and write time if they are to be `compared` when the client is back."""
    oplock, stream = fo.oplock, fo.stream
    return DurableCookie(
        fo.key,
        fo.volume.share_path,
        path,
        _size_of(fo) if compared else _ANY,
        fo.stat.mtime_ns if compared else _ANY,
        os.O_PATH if fo.path_only else os.O_RDONLY if stream is not None else _access_mode(fo.granted_access),
        fo.granted_access,
        fo.share_access,
        fo.create_options,
        fo.mode,
        fo.position,
        0 if oplock is None else oplock.level,
        b"" if oplock is None else oplock.lease_key,
        fo.stat.btime_ns,
        fo.create_action,
        "" if stream is None else stream.name,
    )


def _size_of(fo: FileObject) -> int:
    return fo.stat.size if fo.stream is None else fo.stream.size()


def _access_mode(granted: int) -> int:
    if granted & _WRITE:
        return os.O_RDWR if granted & _READ else os.O_WRONLY
    return os.O_RDONLY


def reconnect(
    volume: Volume, token: SecurityToken, owner: OpenOwner, cookie: DurableCookie, path: bytes, handle_id: int
) -> FileObject:
    """Open the file of `cookie` again and take over what `disconnect` left in the records.

    The caller has switched to the identity of `token`, and has made sure that nobody else does the same.

    Args:
        volume: the share.
        token: of the user.
        owner: of the handle from now on.
        cookie: of the handle.
        path: `current_path`.
        handle_id: number of the handle.

    Raises:
        NTStatusError: STATUS_OBJECT_NAME_NOT_FOUND: the handle is gone, or the file is another one or was changed.
    """
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
    if fo.stream is not None and cookie.size not in {_ANY, fo.stream.size()}:
        close_file(fo)
        raise NTStatusError(STATUS_OBJECT_NAME_NOT_FOUND, "the stream was changed meanwhile")
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
    file_id = file_id_of(stat, cookie.stream)
    if file_id.key() != cookie.file_id or not stat.is_regular:
        raise NTStatusError(STATUS_OBJECT_NAME_NOT_FOUND, "another file has the name now")
    if cookie.stream:
        found = volume.streams.find(fd, cookie.stream) if volume.streams is not None else None
        if found is None:
            raise NTStatusError(STATUS_OBJECT_NAME_NOT_FOUND, "the stream is gone")
        fo = streams.object_of(volume, token, owner, (fd, path, cookie.access_mode), stat, found)
    else:
        fo = FileObject(volume, token, owner, fd, path, stat, file_id, cookie.file_id, is_directory=False)
        fo.file_attributes, fo.creation_time = attributes.load(volume, fd, path, stat)
    # The size of a stream can be seen only by who has it open.
    size = cookie.size if cookie.stream else stat.size
    if cookie.size != _ANY and (size, stat.mtime_ns) != (cookie.size, cookie.mtime_ns):
        raise NTStatusError(STATUS_OBJECT_NAME_NOT_FOUND, "the file was changed meanwhile")
    fo.granted_access = cookie.granted_access
    fo.share_access = cookie.share_access
    fo.create_options = cookie.create_options
    fo.path_only = bool(cookie.access_mode & os.O_PATH)
    fo.mode = cookie.mode
    fo.position = cookie.position
    return fo


def _take_over(fo: FileObject, cookie: DurableCookie, handle_id: int) -> None:
    here, away = (fo.owner.server_id, fo.owner.open_id), (DISCONNECTED, handle_id)
    if fo.stream is not None and not _hand_over_file(fo, away, here):
        raise NTStatusError(STATUS_OBJECT_NAME_NOT_FOUND, "the file is to go")
    try:
        _take_over_entry(fo, cookie, handle_id)
    except BaseException:
        if fo.stream is not None:
            _hand_over_file(fo, here, away)
        raise


def _take_over_entry(fo: FileObject, cookie: DurableCookie, handle_id: int) -> None:
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


def forget(modes: ShareModes, byte_locks: ByteRangeLocks, cookie: bytes, handle_id: int) -> None:
    """Remove what is left of a handle of which an entry gave way: the open of a stream has two.

    Args:
        modes: where else.
        byte_locks: where else.
        cookie: of the handle, encoded.
        handle_id: its number.
    """
    with suppress(RecordError):
        found = COOKIE_CODEC.decode(cookie)
        if found.stream:
            expire(modes, byte_locks, found.file_id, handle_id)


def expire(modes: ShareModes, byte_locks: ByteRangeLocks, file_id_key: bytes, handle_id: int) -> None:
    """Remove everything that `disconnect` left; harmless if there is nothing."""
    with suppress(ValueError):  # a key that is none
        file_id = FileId.from_key(file_id_key)
        for entered in entered_under(file_id):
            with modes.lock(entered) as lock:
                lock.remove(DISCONNECTED, handle_id)
        byte_locks.remove_open(file_id, LockOwner(DISCONNECTED, handle_id))
