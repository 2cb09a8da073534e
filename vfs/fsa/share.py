"""Entering an open in the share-mode record with what it may cache, and taking it out again when it fails afterwards.

[MS-FSA] 2.1.5.1.2.2 (sharing), 2.1.4.12 (what has to be broken first) and 2.1.5.18 (what is granted).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from vfs.access import FILE_APPEND_DATA, FILE_WRITE_DATA
from vfs.constants import FILE_CREATED
from vfs.fsa import alone, leasing
from vfs.fsa.share_entry import share_mode_entry, wanted
from vfs.locking import breaks
from vfs.locking.away import Patience, give_way
from vfs.locking.oplock import OPLOCK_LEASE, OPLOCK_NONE, Break, Contention, Oplock, Wanted, contend, grant
from vfs.locking.stored import RECORD_CACHES, RECORD_SPECIAL, new_record
from vfs.ntstatus import STATUS_SHARING_VIOLATION, NTStatusError

if TYPE_CHECKING:
    from messaging.dbwrap.watch import Watch
    from messaging.server_id import ServerId
    from vfs.fsa.file_object import FileObject
    from vfs.fsa.params import OpenParams
    from vfs.locking.share_mode_lock import ShareModeLock

_WRITE: Final = FILE_WRITE_DATA | FILE_APPEND_DATA
_ALONE: Final = Contention()


def enter(fo: FileObject, params: OpenParams) -> bool:
    """Enter the open in the share modes; False if the file was removed meanwhile.

    Raises:
        NTStatusError: STATUS_SHARING_VIOLATION, STATUS_DELETE_PENDING; STATUS_INVALID_PARAMETER: the lease key is in
            use for another file; STATUS_FILE_NOT_AVAILABLE: a persistent handle waits for its client.
        MustWait: somebody else has to give up what he caches first.
    """
    if fo.owner.handle_id:
        number(fo)
    volume = fo.volume
    modes = volume.share_modes
    path = volume.full_path(fo.path) if fo.stream is None else fo.full_path
    level = leasing.requested_level(fo) if fo.owner.oplock_level else OPLOCK_NONE
    if not params.attempts:  # else others are watched, and we are among the watchers
        entered = alone.enter(fo, path, level)
        if entered is not None:
            return entered
    if level == OPLOCK_LEASE:
        leasing.check_key(volume, fo.owner, fo.key, path)
    watch: Watch | None = None
    to_break: list[Break] = []
    with modes.lock(fo.file_id) as lock:
        # A new file may have the number of the one that was just replaced.
        replacer = lock.replaced_by() if lock.flags & RECORD_SPECIAL and fo.create_action != FILE_CREATED else None
        if replacer is not None:
            # The name is about to mean another file.
            raise breaks.MustWait(_wait(lock, params, replacer))
        if lock.record is not None:
            if fo.create_action == FILE_CREATED:
                lock.forget_away()
            elif lock.flags & RECORD_SPECIAL:
                lock.check_available()
        violation = lock.violates(path, fo.granted_access, fo.share_access)
        found = _ALONE
        if lock.record is None:
            if alone.is_gone(fo):
                return False
        elif level or lock.flags & RECORD_CACHES:
            found = _contend(fo, lock, wanted(fo, params, level, violation=violation))
            if found.breaks and give_way(lock, found.breaks, params.patience):
                violation = lock.violates(path, fo.granted_access, fo.share_access)
                found = _contend(fo, lock, wanted(fo, params, level, violation=violation))
            to_break = found.breaks
            if found.blocker is not None:
                watch = _wait(lock, params, found.blocker)
        if watch is None and not violation:
            fo.oplock = _grant(fo, lock, wanted(fo, params, level, violation=False), found) if level else None
            entry = share_mode_entry(fo)
            lock.add(volume.share_path, path, entry)
            if params.watch is not None:
                lock.leave(params.watch)
            if fo.stream is None and level != OPLOCK_LEASE and not entry.name:
                fo.alone = new_record(volume.share_path, path, entry)
    if to_break:
        breaks.send(modes, fo.file_id, to_break)
    if watch is not None:
        raise breaks.MustWait(watch)
    if violation:
        raise NTStatusError(STATUS_SHARING_VIOLATION, "in use")
    return True


def number(fo: FileObject) -> None:
    """Give the open the number of the persistent handle that it is to be, if it can be one."""
    if fo.can_stay:
        fo.handle_id = fo.owner.handle_id


def _wait(lock: ShareModeLock, params: OpenParams, blocker: ServerId) -> Watch:
    if params.patience is None:
        params.patience = Patience()
    params.watch = breaks.wait_for(lock, blocker, params.patience, params.watch)
    return params.watch


def _contend(fo: FileObject, lock: ShareModeLock, wanted: Wanted) -> Contention:
    modes = fo.volume.share_modes
    return contend(lock.record.entries if lock.record is not None else (), wanted, modes.find_lease, modes.counts)


def _grant(fo: FileObject, lock: ShareModeLock, wanted: Wanted, found: Contention) -> Oplock | None:
    volume = fo.volume
    level, state = grant(
        wanted,
        found,
        level_ii=volume.options.level2_oplocks,
        byte_range_locks=found is not _ALONE and _has_locks(fo, lock),
    )
    if level == OPLOCK_LEASE:
        return leasing.join(fo, state, lock.record.entries if lock.record is not None else ())
    if level == OPLOCK_NONE or (volume.kernel_oplocks is not None and not volume.kernel_oplocks.acquire(fo)):
        return None
    return Oplock(level)


def _has_locks(fo: FileObject, lock: ShareModeLock) -> bool:
    """Tell whether ranges of the file are locked; what a killed process left until it is cleaned up is no lock."""
    volume = fo.volume
    locks = volume.byte_locks.read(fo.file_id) if volume.byte_locks is not None else ()
    if not locks:
        return False
    modes = volume.share_modes
    entries = lock.record.entries if lock.record is not None else ()
    counting = {(entry.server_id, entry.open_id) for entry in entries if modes.counts(entry)}
    return any(
        (one.server_id, one.open_id) in counting or one.server_id.is_disconnected() or modes.is_alive(one.server_id)
        for one in locks
    )


def withdraw(fo: FileObject) -> None:
    """Undo `enter` and close the descriptor: the open did not succeed after all. Nothing is deleted."""
    if fo.volume.kernel_oplocks is not None:
        fo.volume.kernel_oplocks.release(fo)
    try:
        with fo.volume.share_modes.lock(fo.file_id) as lock:
            lock.remove(fo.owner.server_id, fo.owner.open_id)
    finally:
        os.close(fo.fd)
        fo.fd = -1
