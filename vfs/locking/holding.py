"""The owner's side of breaks: what its client is told, what its client answers, what happens if it does not.

Each function changes the records and wakes those who wait for it; telling the client is the caller's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfs.locking import lease as leases
from vfs.locking.oplock import OPLOCK_NONE
from vfs.locking.stored import new_record
from vfs.ntstatus import STATUS_OBJECT_NAME_NOT_FOUND, NTStatusError

if TYPE_CHECKING:
    from vfs.fsa.file_object import FileObject
    from vfs.locking.lease import Notification
    from vfs.locking.share_mode import ShareModes


def set_level(fo: FileObject, level: int) -> None:
    """Lower the oplock of an open to `level`."""
    oplock = fo.oplock
    if oplock is None:
        return
    oplock.breaking_to = None
    oplock.level = level
    if level == OPLOCK_NONE:
        fo.oplock = None
    if fo.volume.kernel_oplocks is not None:
        fo.volume.kernel_oplocks.release(fo)
    with fo.volume.share_modes.lock(fo.file_id) as lock:
        entry = lock.find(fo.owner.server_id, fo.owner.open_id)
        if entry is not None:
            entry.oplock_level = level
            lock.changed()
            fo.volume.share_modes.kept_changed((entry,))
            if fo.alone:
                fo.alone = new_record(fo.volume.share_path, fo.full_path, entry)


def break_lease(modes: ShareModes, client_guid: bytes, lease_key: bytes, state: int) -> Notification | None:
    """Break a lease to `state`; None if its client need not be told (anything new)."""
    if modes.leases is None:
        return None
    with modes.leases.lock(client_guid, lease_key) as locked:
        if locked.lease is None:
            return None
        notification = leases.begin_break(locked.lease, state)
        files = locked.lease.files
    modes.lease_changed(client_guid, lease_key, files)
    return notification


def acknowledge_lease(
    modes: ShareModes, client_guid: bytes, lease_key: bytes, state: int
) -> Notification | None:
    """Take the client's answer; the notification of the next step, if there is one ([MS-SMB2] 3.3.5.22.2).

    Raises:
        NTStatusError: STATUS_OBJECT_NAME_NOT_FOUND: it has no such lease; otherwise as `vfs.locking.lease.acknowledge`.
    """
    if modes.leases is None:
        raise NTStatusError(STATUS_OBJECT_NAME_NOT_FOUND, "no such lease")
    with modes.leases.lock(client_guid, lease_key) as locked:
        if locked.lease is None:
            raise NTStatusError(STATUS_OBJECT_NAME_NOT_FOUND, "no such lease")
        following = leases.acknowledge(locked.lease, state)
        files = locked.lease.files
    for file in files:
        modes.wake(file.file_id)
    modes.lease_changed(client_guid, lease_key, files)
    return following


def expire_lease(modes: ShareModes, client_guid: bytes, lease_key: bytes) -> bool:
    """Take a lease away that its client did not give up in time; False if it has answered."""
    if modes.leases is None:
        return False
    with modes.leases.lock(client_guid, lease_key) as locked:
        if locked.lease is None or not leases.expire(locked.lease):
            return False
        files = locked.lease.files
    for file in files:
        modes.wake(file.file_id)
    modes.lease_changed(client_guid, lease_key, files)
    return True
