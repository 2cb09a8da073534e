"""Leases on files and directories of a volume: which request counts, where the key belongs, breaks of directories.

The rules are those of [MS-SMB2] 3.3.5.9.8 and 3.3.5.9.11 and of [MS-FSA] 2.1.4.12 with PARENT_OBJECT.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from vfs.file_id import FileId
from vfs.fsa.names import component_to_str
from vfs.locking import breaks
from vfs.locking.lease import LeaseFile, new_lease, upgrade
from vfs.locking.oplock import (
    LEASE_NONE,
    LEASE_READ,
    LEASE_WRITE,
    OPLOCK_LEASE,
    OPLOCK_NONE,
    Break,
    Oplock,
    same_lease,
    state_of,
)
from vfs.locking.stored import LOCKING_CODEC, anyone_caches
from vfs.ntstatus import STATUS_INVALID_PARAMETER, NTStatusError

if TYPE_CHECKING:
    from vfs.fsa.file_object import FileObject
    from vfs.fsa.params import OpenOwner
    from vfs.locking.entry import ShareModeEntry
    from vfs.volume import Volume

_NO_PARENT: Final = b""


def requested_level(fo: FileObject) -> int:
    """Return the level that the opener asks for, if it can be had on such a file in such a share at all."""
    level = fo.owner.oplock_level
    if level == OPLOCK_NONE:
        return OPLOCK_NONE
    volume = fo.volume
    if not volume.options.oplocks:
        return OPLOCK_NONE
    if volume.kernel_oplocks is not None and level == OPLOCK_LEASE:
        return OPLOCK_NONE  # the kernel could not keep local programs from breaking it unseen
    if fo.is_directory:
        lease = fo.owner.lease
        return level if lease is not None and lease.on_directory else OPLOCK_NONE
    if volume.without_oplocks is not None and volume.without_oplocks(component_to_str(fo.path.rpartition(b"/")[2])):
        return OPLOCK_NONE
    return level


def check_key(volume: Volume, owner: OpenOwner, file_id: bytes | None, path: bytes) -> None:
    """Check that the lease key of `owner` is not in use for another file ([MS-SMB2] 3.3.5.9.8).

    Args:
        volume: where the file is.
        owner: who opens.
        file_id: key of the file; None if it does not exist yet.
        path: its absolute path.

    Raises:
        NTStatusError: STATUS_INVALID_PARAMETER.
    """
    request = owner.lease
    modes = volume.share_modes
    if request is None or modes.leases is None:
        return
    lease = modes.leases.get(owner.client_guid, request.key)
    if lease is None:
        return
    for file in lease.files:
        if file.file_id == file_id and file.path == path:
            continue
        if _in_use(volume, owner.client_guid, request.key, file.file_id):
            raise NTStatusError(STATUS_INVALID_PARAMETER, "the lease key belongs to another file")
        modes.leases.forget_file(owner.client_guid, request.key, file.file_id)


def _in_use(volume: Volume, client_guid: bytes, lease_key: bytes, file_id: bytes) -> bool:
    """Tell whether that file is open under that lease."""
    modes = volume.share_modes
    stored = modes.parse(file_id)
    return stored is not None and any(
        same_lease(entry, client_guid, lease_key) and modes.counts(entry)
        for entry in LOCKING_CODEC.decode(stored).entries
    )


def join(fo: FileObject, granted: int, others: Iterable[ShareModeEntry]) -> Oplock | None:
    """Make the lease of `fo`, or let it share the one that is there, and perhaps raise that to `granted`.

    The share-mode record is locked, and contains `others`.
    """
    owner = fo.owner
    request = owner.lease
    leases = fo.volume.share_modes.leases
    if request is None or leases is None:
        return None
    wanted = request.state
    if fo.is_directory:
        wanted &= ~LEASE_WRITE
        granted &= ~LEASE_WRITE
    file_id = fo.key
    with leases.lock(owner.client_guid, request.key) as locked:
        lease = locked.lease
        fresh = lease is None
        raised = False
        if lease is None:
            lease = locked.lease = new_lease(request, granted, owner.server_id, directory=fo.is_directory)
        else:
            raised = upgrade(lease, wanted, granted)
        if not any(file.file_id == file_id for file in lease.files):
            lease.files = [*lease.files, LeaseFile(file_id, fo.full_path)]
    if fresh and fo.is_directory:
        leases.count_directories(1)
    if raised:
        fo.volume.share_modes.kept_changed([one for one in others if same_lease(one, owner.client_guid, request.key)])
    return Oplock(OPLOCK_LEASE, request.key, lease)


def parent_changed(fo: FileObject, path: bytes | None = None) -> None:
    """Break the leases on the directory of `fo`: an entry was added, removed or changed; not the lease that it names.

    Costs one lock-free look while nobody has a lease on any directory. What cannot be found out is left alone.

    Args:
        fo: who changed it.
        path: which entry, if it is not the one that `fo` was opened by; relative to the share.
    """
    volume, owner = fo.volume, fo.owner
    modes = volume.share_modes
    if modes.leases is None or not modes.leases.any_directories():
        return
    if path is None and not fo.closed:
        fo.follow()
    directory = (fo.path if path is None else path).rpartition(b"/")[0]
    try:
        stat = volume.backend.stat_path(directory)
    except OSError:
        return  # gone meanwhile, and with it who had it open
    file_id = FileId(stat.dev, stat.ino)
    stored = modes.parse(file_id.key())
    if stored is None or not anyone_caches(stored):
        return
    own = owner.lease.parent_key if owner.lease is not None else _NO_PARENT
    found: list[Break] = []
    for entry in LOCKING_CODEC.decode(stored).entries:
        if entry.oplock_level != OPLOCK_LEASE or (own and same_lease(entry, owner.client_guid, own)):
            continue
        if state_of(entry, modes.find_lease) & LEASE_READ and modes.is_alive(entry.server_id):
            found.append(Break(entry, LEASE_NONE))
    if found:
        breaks.send(modes, file_id, found)
