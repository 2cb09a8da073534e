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
from vfs.fsa.share_entry import share_mode_entry
from vfs.locking.lease import LEASE_CODEC, LeaseFile, new_lease
from vfs.locking.oplock import LEASE_NONE, OPLOCK_LEASE, OPLOCK_NONE, STATE_OF_LEVEL, Oplock, grant_state
from vfs.locking.stored import joined, new_record, parted

if TYPE_CHECKING:
    from vfs.fsa.file_object import FileObject

_WRITE: Final = FILE_WRITE_DATA | FILE_APPEND_DATA


def enter(fo: FileObject, path: bytes, level: int) -> bool | None:
    """Enter an open that nobody minds in the share modes; if it is the only one of the file, with what it may cache.

    Args:
        fo: the open in the making.
        path: its absolute path.
        level: the oplock that it may have.

    Returns:
        None, and nothing has changed, if it is not so simple; False if the file was removed meanwhile.
    """
    volume = fo.volume
    modes = volume.share_modes
    if_also = None
    if level != OPLOCK_NONE:
        if volume.kernel_oplocks is not None or fo.is_directory:
            return None
        fo.oplock = oplock = _first(fo, path, level)
        if oplock is not None and oplock.stored:
            if modes.leases is None:
                return None
            if_also = partial(modes.leases.insert, fo.owner.client_guid, oplock.lease_key, oplock.stored)
    record = new_record(volume.share_path, path, share_mode_entry(fo))
    # What is away, or left over, from a file that had the number before is no company for a new one.
    join = None if level or fo.create_action == FILE_CREATED else joined
    insert = modes.insert
    if not insert(fo.key, record, if_also, join):
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


def _first(fo: FileObject, path: bytes, level: int) -> Oplock | None:
    """Return the oplock or lease of the only open of a file ([MS-FSA] 2.1.5.18)."""
    owner = fo.owner
    asked = owner.lease
    if level != OPLOCK_LEASE or asked is None:
        granted, state = grant_state(level, STATE_OF_LEVEL.get(level, LEASE_NONE), fo.volume.options.level2_oplocks)
        return Oplock(granted) if state else None
    _, state = grant_state(level, asked.state, fo.volume.options.level2_oplocks)
    lease = new_lease(asked, state, owner.server_id, directory=False)
    lease.files = [LeaseFile(fo.key, path)]
    return Oplock(OPLOCK_LEASE, asked.key, lease, LEASE_CODEC.encode(lease))


def leave(fo: FileObject) -> bool:
    """Take an open out of the share modes with which nothing else goes; False if it is not so simple."""
    if not fo.alone or fo.delete_on_close:
        return False
    modes = fo.volume.share_modes
    oplock = fo.oplock
    if oplock is None or oplock.level != OPLOCK_LEASE:
        delete_if = modes.delete_if
        return delete_if(fo.key, fo.alone, None, parted)
    if modes.leases is None or not oplock.stored:
        return False
    return modes.delete_if(
        fo.key,
        fo.alone,
        partial(modes.leases.end, fo.owner.client_guid, oplock.lease_key, oplock.stored),
    )
