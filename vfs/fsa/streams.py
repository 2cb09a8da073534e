"""Opens of named streams: [MS-FSA] 2.1.5.1.

A stream shares attributes, times and security with its file and has contents, share modes, oplocks and locks of its
own. So an open of one has a descriptor of the file, its own file id (`FileId.extid`), and `FileObject.stream`.

It is entered twice in the share modes: under the id of the stream as any open, and under the id of the file with
ENTRY_STREAM, which keeps a deleted file in being until its streams are closed, too.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Final

import msgspec

from vfs.access import (
    ACCESS_SYSTEM_SECURITY,
    DELETE,
    FILE_ALL_ACCESS,
    FILE_APPEND_DATA,
    FILE_EXECUTE,
    FILE_READ_DATA,
    FILE_WRITE_DATA,
    MAXIMUM_ALLOWED,
    map_generic,
)
from vfs.constants import (
    FILE_ACTION_ADDED_STREAM,
    FILE_ACTION_MODIFIED_STREAM,
    FILE_ATTRIBUTE_DIRECTORY,
    FILE_ATTRIBUTE_NORMAL,
    FILE_ATTRIBUTE_READONLY,
    FILE_CREATE,
    FILE_CREATED,
    FILE_DELETE_ON_CLOSE,
    FILE_NOTIFY_CHANGE_STREAM_NAME,
    FILE_NOTIFY_CHANGE_STREAM_SIZE,
    FILE_OPENED,
    FILE_OVERWRITTEN,
    FILE_SHARE_ALL,
    FILE_SUPERSEDE,
    FILE_SUPERSEDED,
)
from vfs.file_id import FileId, file_id_of
from vfs.fsa import access_check, attributes, create, delete, names, overwrite, share
from vfs.fsa.file_object import FileObject
from vfs.fsa.lookup import open_path
from vfs.fsa.open_checks import CREATES, OVERWRITES
from vfs.fsa.params import OpenOwner
from vfs.fsa.share_entry import share_mode_entry
from vfs.fsa.stat import StreamInfo
from vfs.fsa.stream_hold import StreamHold
from vfs.locking.entry import ENTRY_STREAM, ShareModeEntry
from vfs.modules.streams_xattr import StreamsXattr
from vfs.modules.xattr_stream import XattrStream
from vfs.notify import trigger
from vfs.ntstatus import (
    STATUS_ACCESS_DENIED,
    STATUS_CANNOT_DELETE,
    STATUS_DELETE_PENDING,
    STATUS_FILE_DELETED,
    STATUS_OBJECT_NAME_COLLISION,
    STATUS_OBJECT_NAME_INVALID,
    STATUS_OBJECT_NAME_NOT_FOUND,
    NTStatusError,
)
from vfs.posix.backend import NoSuchName

if TYPE_CHECKING:
    from vfs.fsa.names import ParsedName
    from vfs.fsa.params import OpenParams
    from vfs.posix.syscalls import Stat
    from vfs.token import SecurityToken
    from vfs.volume import Volume

_MODES: Final = (os.O_RDONLY, os.O_WRONLY, os.O_PATH)
_MODES_PATH: Final = (os.O_PATH,)
_FLAGS: Final = os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_WRITE: Final = FILE_WRITE_DATA | FILE_APPEND_DATA
_READ: Final = FILE_READ_DATA | FILE_EXECUTE


def attributes_of(found: int) -> int:
    """Return what a stream shows of the attributes `found` of its file ([MS-FSA] 2.1.5.12.6): it is no directory."""
    return found & ~FILE_ATTRIBUTE_DIRECTORY or FILE_ATTRIBUTE_NORMAL


def contents_of(fo: FileObject, name: str, attribute: str) -> XattrStream:
    """Return the contents of the stream `name` of the file of `fo`, kept in `attribute`.

    Raises:
        NTStatusError: STATUS_OBJECT_NAME_INVALID: no streams on this share.
    """
    volume = fo.volume
    if volume.streams is None:
        raise NTStatusError(STATUS_OBJECT_NAME_INVALID, "no named streams on this share")
    return XattrStream(volume.streams, fo.fd, fo.stat, name, attribute, StreamHold(fo))


def attempt(
    volume: Volume, token: SecurityToken, params: OpenParams, owner: OpenOwner, parsed: ParsedName
) -> FileObject | None:
    """Open or create a stream once; None if another process changed the name meanwhile.

    Raises:
        NTStatusError, OSError: why it cannot be opened. Nothing that was created for it is left then.
        MustWait: somebody else has to give up what he caches first.
    """
    store = volume.streams
    if store is None:
        raise NTStatusError(STATUS_OBJECT_NAME_INVALID, "no named streams on this share")
    unused = store.attribute(parsed.stream)
    with contextlib.ExitStack() as undo:
        file = _open_file(volume, token, params, owner, parsed.path)
        if file is None:
            return None
        (fd, path, mode), new_file = file
        undo.callback(os.close, fd)
        stat = volume.backend.stat(fd)
        found = store.find(fd, parsed.stream)
        fo = object_of(volume, token, owner, (fd, path, mode), stat, found or (parsed.stream, unused))
        if fo.stream is not None:
            undo.callback(fo.stream.close)
        if new_file:
            undo.callback(_remove_file, fo)
        fo.granted_access = _check(fo, params, exists=found is not None, new_file=new_file)
        _enter_file(fo, params)
        undo.callback(_leave, fo, file_id_of(stat, ""))
        if not share.enter(fo, params):
            return None
        undo.callback(_leave, fo, fo.file_id)
        try:
            filled = _fill(fo, store, params, exists=found is not None)
        except FileExistsError:
            if params.create_disposition == FILE_CREATE:
                raise
            return None
        if not filled:
            return None
        undo.pop_all()
    _tell(fo)
    return fo


def object_of(
    volume: Volume,
    token: SecurityToken,
    owner: OpenOwner,
    file: tuple[int, bytes, int],
    stat: Stat,
    stream: tuple[str, str],
) -> FileObject:
    """Return an open of a stream, its name and attribute, of the open `file`; it is entered nowhere."""
    fd, path, mode = file
    name, attribute = stream
    file_id = file_id_of(stat, name)
    fo = FileObject(volume, token, owner, fd, path, stat, file_id, file_id.key(), is_directory=False)
    fo.name = f"{names.to_smb(path)}:{name}"
    fo.path_only = bool(mode & os.O_PATH)
    fo.stream = contents_of(fo, name, attribute)
    known, fo.creation_time = attributes.load(volume, fd, path, stat)
    fo.file_attributes = attributes_of(known)
    return fo


def _open_file(
    volume: Volume, token: SecurityToken, params: OpenParams, owner: OpenOwner, path: bytes
) -> tuple[tuple[int, bytes, int], bool] | None:
    """Return what `open_path` does for the file of a stream, and whether the file was created for it.

    None if another process changed its name meanwhile.
    """
    # One that can read would break the kernel's lease behind an oplock on the file.
    modes = _MODES if volume.kernel_oplocks is None else _MODES_PATH
    found = open_path(volume, path, modes, _FLAGS)
    if not isinstance(found, NoSuchName):
        return found, False
    if params.create_disposition not in CREATES:
        raise NTStatusError(STATUS_OBJECT_NAME_NOT_FOUND, "the file does not exist")
    path = found.new_path(path)
    wanted = msgspec.structs.replace(
        params,
        share_access=FILE_SHARE_ALL,
        create_options=params.create_options & ~FILE_DELETE_ON_CLOSE,
        allocation_size=0,
    )
    try:
        file = create.create(volume, token, wanted, OpenOwner(owner.server_id, owner.open_id), path)
    except FileExistsError:
        created = False
    else:
        share.withdraw(file)
        created = True
    found = open_path(volume, path, modes, _FLAGS)
    return None if isinstance(found, NoSuchName) else (found, created)


def _remove_file(fo: FileObject) -> None:
    """Remove the file that was created for a stream which could not be."""
    with contextlib.suppress(OSError):
        if fo.volume.share_modes.live_record(file_id_of(fo.stat, "")) is None:
            delete.remove_name(fo, fo.path)


def _check(fo: FileObject, params: OpenParams, *, exists: bool, new_file: bool) -> int:
    """Check disposition, attributes and rights and return the access to grant ([MS-FSA] 2.1.5.1.2)."""
    disposition = params.create_disposition
    if exists and disposition == FILE_CREATE:
        raise NTStatusError(STATUS_OBJECT_NAME_COLLISION, "the stream exists")
    if not exists and disposition not in CREATES:
        raise NTStatusError(STATUS_OBJECT_NAME_NOT_FOUND, "no such stream")
    desired = map_generic(params.desired_access)
    if new_file:
        return desired & ACCESS_SYSTEM_SECURITY | FILE_ALL_ACCESS if desired & MAXIMUM_ALLOWED else desired
    volume = fo.volume
    overwrites = exists and disposition in OVERWRITES
    read_only = bool(fo.file_attributes & FILE_ATTRIBUTE_READONLY)
    if volume.read_only and not exists:
        raise NTStatusError(STATUS_ACCESS_DENIED, "read-only share")
    if read_only and (desired & _WRITE or not exists):
        raise NTStatusError(STATUS_ACCESS_DENIED, "read-only file")
    if read_only and params.create_options & FILE_DELETE_ON_CLOSE and not volume.options.delete_readonly:
        raise NTStatusError(STATUS_CANNOT_DELETE, "read-only file")
    needed = desired
    if overwrites:
        overwrite.check_attributes(fo, params.file_attributes)
        needed |= FILE_WRITE_DATA | (DELETE if disposition == FILE_SUPERSEDE else 0)
    granted = access_check.check_open(volume, fo.token, fo.fd, fo.path, fo.stat, needed)
    if needed != desired and not desired & MAXIMUM_ALLOWED:
        granted &= desired
    if desired & MAXIMUM_ALLOWED and read_only:
        granted &= ~_WRITE
    return _limit(fo, granted, needed)


def _limit(fo: FileObject, granted: int, needed: int) -> int:
    """Take away what the kernel would not open the file for; nobody has asked it for the contents yet."""
    lacking = 0
    for rights, mode in ((_READ, os.R_OK), (_WRITE, os.W_OK)):
        if granted & rights and not os.access(f"/proc/self/fd/{fo.fd}", mode, effective_ids=True):
            lacking |= rights
    if needed & lacking:
        raise NTStatusError(STATUS_ACCESS_DENIED, "the file system refuses")
    return granted & ~lacking


def file_entry(entry: ShareModeEntry) -> ShareModeEntry:
    """Return what the record of the file says of an open whose `entry` stands in the record of its stream."""
    return ShareModeEntry(
        entry.server_id,
        entry.open_id,
        0,  # it takes no part in sharing, but for the deletion of the file
        entry.share_access,
        0,
        entry.opened_at,
        entry.uid,
        ENTRY_STREAM,
        handle_id=entry.handle_id,
    )


def _enter_file(fo: FileObject, params: OpenParams) -> None:
    """Enter the open of a stream in the record of its file.

    Raises:
        NTStatusError: STATUS_DELETE_PENDING.
    """
    volume = fo.volume
    path = volume.full_path(fo.path)
    fo.share_access = params.share_access
    fo.create_options = params.create_options
    fo.delete_on_close = bool(params.create_options & FILE_DELETE_ON_CLOSE)
    share.number(fo)
    entry = file_entry(share_mode_entry(fo))
    with volume.share_modes.lock(file_id_of(fo.stat, "")) as lock:
        if lock.delete_token(path) is not None and (not lock.drop_dead() or lock.delete_token(path) is not None):
            raise NTStatusError(STATUS_DELETE_PENDING, "the file is delete pending")
        lock.add(volume.share_path, path, entry)


def _leave(fo: FileObject, file_id: FileId) -> None:
    """Undo an entry in the share modes; nothing is deleted."""
    with fo.volume.share_modes.lock(file_id) as lock:
        lock.remove(fo.owner.server_id, fo.owner.open_id)


def _fill(fo: FileObject, store: StreamsXattr, params: OpenParams, *, exists: bool) -> bool:
    """Create or empty the stream; False if it went, or the file was overwritten, before the open was entered."""
    stream = fo.stream
    if stream is None:
        return False
    try:
        if not exists:
            with stream.hold.lock():
                store.create(fo.fd, stream.name)
            fo.create_action = FILE_CREATED
        elif store.get(fo.fd, stream.attribute) is None:
            return False
        elif params.create_disposition in OVERWRITES:
            stream.truncate(0)
            fo.create_action = FILE_SUPERSEDED if params.create_disposition == FILE_SUPERSEDE else FILE_OVERWRITTEN
        else:
            fo.create_action = FILE_OPENED
    except NTStatusError as error:
        if error.status != STATUS_FILE_DELETED:
            raise
        return False
    return True


def _tell(fo: FileObject) -> None:
    """Tell what the open has changed."""
    if fo.stream is None:
        return
    if fo.create_action == FILE_CREATED:
        trigger.stream_changed(
            fo.volume, fo.path, fo.stream.name, FILE_ACTION_ADDED_STREAM, FILE_NOTIFY_CHANGE_STREAM_NAME
        )
    elif fo.create_action != FILE_OPENED:
        trigger.stream_changed(
            fo.volume, fo.path, fo.stream.name, FILE_ACTION_MODIFIED_STREAM, FILE_NOTIFY_CHANGE_STREAM_SIZE
        )


def become_file(fo: FileObject) -> None:
    """Make the open of a stream, after that was left, what remains of it: an open of the file.

    Closing it then is what closing any open is, deletion of the file included.
    """
    if fo.stream is not None:
        fo.stream.close()
    fo.stream = None
    fo.is_directory = fo.stat.is_directory
    fo.identify(file_id_of(fo.stat, ""))
    fo.delete_on_close = fo.posix_delete = False


def any_open(volume: Volume, file_id: FileId) -> bool:
    """Tell whether a stream of the file is open, which keeps the file from being renamed ([MS-FSA] 2.1.5.15.12)."""
    record = volume.share_modes.held_record(file_id) if volume.streams is not None else None
    return record is not None and any(entry.flags & ENTRY_STREAM for entry in record.entries)


def doomed_side_files(volume: Volume, path: bytes) -> list[bytes]:
    """Return the side files that go when the name `path` is replaced.

    Raises:
        OSError: they cannot be found out.
    """
    if volume.streams is None:
        return []
    fd = volume.backend.open(path, os.O_PATH | os.O_NOFOLLOW)
    try:
        stat = volume.backend.stat(fd)
        if stat.is_symlink or stat.nlink > 1:
            return []
        return volume.streams.side_files(fd, stat.ino)
    finally:
        os.close(fd)


def remove_side_files(volume: Volume, doomed: list[bytes]) -> None:
    """Remove what `doomed_side_files` returned, after the file is gone."""
    if doomed and volume.streams is not None:
        volume.streams.remove_side_files(doomed)


def entries(fo: FileObject) -> list[StreamInfo]:
    """Return the named streams of the file of `fo` ([MS-FSCC] 2.4.49).

    Raises:
        OSError: they cannot be read.
    """
    store = fo.volume.streams
    if store is None:
        return []
    return [StreamInfo(f":{name}:$DATA", size, space) for name, size, space in store.entries(fo.fd)]
