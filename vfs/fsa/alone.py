"""The common case of an open: nobody minds it, when it begins and when it ends.

The share-mode record is then inserted and removed as a whole, or the open joins and parts from others in it as bytes
(`vfs.locking.stored`): nothing is decoded, and no lock is held while anything is thought about. Whatever is different
(an open in the way, somebody who waits, a pending deletion, a broken lease) shows in the stored bytes, and
`vfs.fsa.share` and `vfs.fsa.close` do it the long way.
"""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, Final

from vfs.access import FILE_APPEND_DATA, FILE_WRITE_DATA
from vfs.constants import FILE_CREATED
from vfs.fsa.share_entry import share_mode_entry, wanted
from vfs.locking.lease import LEASE_CODEC, LeaseFile, new_lease
from vfs.locking.oplock import OPLOCK_LEASE, OPLOCK_NONE, Contention, Oplock, grant
from vfs.locking.stored import joined, new_record, parted

if TYPE_CHECKING:
    from vfs.fsa.file_object import FileObject
    from vfs.fsa.params import OpenParams

_WRITE: Final = FILE_WRITE_DATA | FILE_APPEND_DATA
_NOBODY: Final = Contention()


def enter(fo: FileObject, params: OpenParams, path: bytes, level: int) -> bool | None:
    """Enter an open that nobody minds in the share modes; if it is the only one of the file, with what it may cache.

    Args:
        fo: the open in the making.
        params: of it.
        path: its absolute path.
        level: the oplock that it may have.

    Returns:
        None, and nothing has changed, if it is not so simple; False if the file was removed meanwhile.
    """
    volume = fo.volume
    modes = volume.share_modes
    key = fo.key
    if_also = None
    if level != OPLOCK_NONE:
        if volume.kernel_oplocks is not None or fo.is_directory:
            return None
        fo.oplock = _first(fo, params, path, key, level)
        if fo.oplock is not None and fo.oplock.stored:
            if modes.leases is None:
                return None
            if_also = partial(modes.leases.insert, fo.owner.client_guid, fo.oplock.lease_key, fo.oplock.stored)
    record = new_record(volume.share_path, path, share_mode_entry(fo))
    # What is away, or left over, from a file that had the number before is no company for a new one.
    join = None if level or fo.create_action == FILE_CREATED else joined
    if not modes.insert(key, record, if_also, join):
        fo.oplock = None
        return None
    if fo.create_action != FILE_CREATED and is_gone(fo):
        with modes.lock(fo.file_id) as lock:
            lock.remove(fo.owner.server_id, fo.owner.open_id)
        return False
    if fo.stream is None:
        fo.alone = record
    return True


def is_gone(fo: FileObject) -> bool:
    """Tell whether a file was removed: whoever had it open may just have done so on close."""
    return bool(fo.granted_access & _WRITE) and not os.fstat(fo.fd).st_nlink


def _first(fo: FileObject, params: OpenParams, path: bytes, key: bytes, level: int) -> Oplock | None:
    """Return the oplock or lease of the only open of a file ([MS-FSA] 2.1.5.18)."""
    asked = wanted(fo, params, level, violation=False)
    granted, state = grant(asked, _NOBODY, level_ii=fo.volume.options.level2_oplocks, byte_range_locks=False)
    if granted != OPLOCK_LEASE or asked.lease is None:
        return None if granted == OPLOCK_NONE else Oplock(granted)
    lease = new_lease(asked.lease, state, fo.owner.server_id, directory=False)
    lease.files = [LeaseFile(key, path)]
    return Oplock(OPLOCK_LEASE, asked.lease.key, lease, LEASE_CODEC.encode(lease))


def leave(fo: FileObject) -> bool:
    """Take an open out of the share modes with which nothing else goes; False if it is not so simple."""
    if not fo.alone or fo.delete_on_close:
        return False
    modes = fo.volume.share_modes
    oplock = fo.oplock
    if oplock is None or oplock.level != OPLOCK_LEASE:
        return modes.delete_if(fo.key, fo.alone, None, parted)
    if modes.leases is None or not oplock.stored:
        return False
    return modes.delete_if(
        fo.key,
        fo.alone,
        partial(modes.leases.end, fo.owner.client_guid, oplock.lease_key, oplock.stored),
    )
