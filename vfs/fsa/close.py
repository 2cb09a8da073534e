"""Closing an open and what it may bring about: deletion ([MS-FSA] 2.1.5.5)."""

from __future__ import annotations

import errno
import logging
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from messaging.dbwrap.base import when_unlocked
from vfs.constants import FILE_ACTION_REMOVED_STREAM, FILE_NOTIFY_CHANGE_STREAM_NAME
from vfs.fsa import alone, delete, leasing, lock, streams
from vfs.fsa.change_notify import unwatch
from vfs.locking.entry import ENTRY_POSIX, DeleteToken
from vfs.locking.oplock import OPLOCK_LEASE
from vfs.notify import trigger
from vfs.ntstatus import STATUS_FILE_CLOSED, NTStatusError, from_oserror
from vfs.posix import credentials
from vfs.token import UnixToken

if TYPE_CHECKING:
    from vfs.fsa.file_object import FileObject
    from vfs.locking.share_mode_lock import ShareModeLock

_log = logging.getLogger(__name__)


def close_file(fo: FileObject) -> None:
    """Close `fo`; the last close of a delete-pending name removes it.

    The open is gone afterwards, also if an error is raised.

    Raises:
        NTStatusError: STATUS_FILE_CLOSED; the deletion failed.
    """
    if fo.fd < 0:
        raise NTStatusError(STATUS_FILE_CLOSED, "closed twice")
    try:
        if fo.watch is not None:
            unwatch(fo)
        if fo.written or fo.renamed:
            trigger.closing(fo)
            if fo.written:
                leasing.parent_changed(fo)
        if fo.lock_count:
            lock.unlock_all(fo)
        if fo.volume.kernel_oplocks is not None:
            fo.volume.kernel_oplocks.release(fo)
        try:
            if not (_leave_with_file(fo) if fo.delete_on_close else alone.leave(fo)):
                _leave(fo)
        finally:
            if fo.stream is not None:
                streams.become_file(fo)
                _leave(fo)
    except OSError as error:
        # Somebody else was faster, or a directory has entries again and stays.
        if error.errno not in {errno.ENOENT, errno.ENOTEMPTY}:
            raise from_oserror(error, "delete on close") from None
    finally:
        fd, fo.fd = fo.fd, -1
        try:
            fo.volume.backend.close_fd(fd)
        except OSError as error:
            raise from_oserror(error, "close") from None


def _leave_with_file(fo: FileObject) -> bool:
    """Remove the file with its only open, which was made to delete it on close; False if it is not so simple.

    As `_leave` does it, but nothing is decoded.

    Raises:
        OSError: the file cannot be removed and stays.
    """
    if not fo.alone or fo.is_directory or (fo.oplock is not None and fo.oplock.level == OPLOCK_LEASE):
        return False
    failures: list[OSError] = []

    def remove() -> bool:
        try:
            _remove_name(fo, fo.path, fo.token.unix)
        except OSError as error:
            failures.append(error)  # raised here it would keep the record
        return True

    left = fo.volume.share_modes.delete_if(fo.key, fo.alone, remove)
    if failures:
        raise failures.pop()
    return left


def _leave(fo: FileObject) -> None:
    """Take the open out of the share modes; who is the last to have a delete-pending name open removes it.

    Raises:
        OSError: it cannot be removed and stays, no longer delete-pending.
    """
    owner = fo.owner
    failure: OSError | None = None
    with fo.volume.share_modes.lock(fo.file_id) as modes:
        path = modes.remove(owner.server_id, owner.open_id)
        if path is None:
            if fo.stream is not None:
                return  # it went before, and what has its name now is another one
            path = fo.full_path
        if fo.delete_on_close:
            modes.set_delete(delete.token_of(fo, path))
            if fo.is_directory:
                when_unlocked(lambda: trigger.directory_deleted(fo.volume, fo.path))
        token = modes.delete_token(path)
        if token is not None:
            # No handle waits for its client when the file is to go.
            modes.evict([entry for entry in modes.opens_of(path) if fo.volume.share_modes.is_away(entry)])
        if token is not None and (fo.posix_delete or not _keeps_name(modes, path)):
            modes.clear_delete(path)
            # Under the lock, so that nobody opens what is about to go.
            try:
                _remove(fo, token)
            except OSError as error:
                failure = error  # raised here it would undo what was done to the record
    if failure is not None:
        raise failure


def _keeps_name(modes: ShareModeLock, path: bytes) -> bool:
    """Tell whether an open by the name `path` keeps it; those with the POSIX extensions do not."""
    return any(not entry.flags & ENTRY_POSIX for entry in modes.opens_of(path))


def _remove(fo: FileObject, token: DeleteToken) -> None:
    """Remove the name of `token` with its credentials, if it still is a name of the file of `fo`; or the stream."""
    identity = UnixToken(token.uid, token.gid, token.groups)
    if fo.stream is not None:
        _with_identity(identity, fo.stream.remove)
        volume, file, name = fo.volume, fo.path, fo.stream.name
        when_unlocked(
            lambda: trigger.stream_changed(
                volume, file, name, FILE_ACTION_REMOVED_STREAM, FILE_NOTIFY_CHANGE_STREAM_NAME
            )
        )
        return
    path = fo.volume.relative_path(token.path)
    if not path:
        _log.warning("%r is outside of share %s and stays", token.path, fo.volume.share_name)
        return
    _remove_name(fo, path, identity)


def _remove_name(fo: FileObject, path: bytes, identity: UnixToken) -> None:
    """Remove the share-relative name `path`, if it still is a name of the file of `fo`."""
    _with_identity(identity, partial(delete.remove_name, fo, path))
    when_unlocked(lambda: leasing.parent_changed(fo, path))


def _with_identity(wanted: UnixToken, remove: Callable[[], object]) -> None:
    """Call `remove` as who asked for the deletion, which is not always who closes last."""
    before = credentials.current()
    if before is None or before == wanted or not credentials.can_switch():
        remove()
        return
    credentials.impersonate(wanted)
    try:
        remove()
    finally:
        credentials.impersonate(before)
