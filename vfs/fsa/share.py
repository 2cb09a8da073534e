"""Entering an open in the share-mode record, and taking it out again when the open fails afterwards."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Final

from vfs.access import DELETE, FILE_APPEND_DATA, FILE_WRITE_DATA
from vfs.constants import FILE_DELETE_ON_CLOSE
from vfs.fsa.open_checks import MODE_FLAGS
from vfs.locking.entry import ShareModeEntry
from vfs.ntstatus import STATUS_ACCESS_DENIED, NTStatusError

if TYPE_CHECKING:
    from vfs.fsa.file_object import FileObject
    from vfs.fsa.params import OpenParams

_WRITE: Final = FILE_WRITE_DATA | FILE_APPEND_DATA


def enter(fo: FileObject, params: OpenParams) -> bool:
    """Enter the open in the share modes; False if the file was removed meanwhile.

    Raises:
        NTStatusError: STATUS_SHARING_VIOLATION, STATUS_DELETE_PENDING; STATUS_ACCESS_DENIED (deletion asked for, but
            DELETE not granted).
    """
    fo.share_access = params.share_access
    fo.create_options = params.create_options
    fo.mode = params.create_options & MODE_FLAGS
    fo.delete_on_close = bool(fo.create_options & FILE_DELETE_ON_CLOSE)
    volume = fo.volume
    path = fo.full_path
    if fo.delete_on_close and not fo.granted_access & DELETE:
        raise NTStatusError(STATUS_ACCESS_DENIED, "delete on close without DELETE")
    with volume.share_modes.lock(fo.file_id) as lock:
        lock.check(path, fo.granted_access, fo.share_access)
        if lock.record is None and fo.granted_access & _WRITE and not os.fstat(fo.fd).st_nlink:
            # Nobody else has it open, so whoever had it may just have removed it on close.
            return False
        lock.add(volume.share_path, path, share_mode_entry(fo))
    return True


def share_mode_entry(fo: FileObject) -> ShareModeEntry:
    """Return what the share-mode record says about `fo`."""
    owner = fo.owner
    return ShareModeEntry(
        owner.server_id,
        owner.open_id,
        fo.granted_access,
        fo.share_access,
        fo.create_options,
        time.time_ns(),
        fo.token.uid,
        0,
        b"",
        owner.oplock_level,
        owner.client_guid,
        owner.lease_key,
    )


def withdraw(fo: FileObject) -> None:
    """Undo `enter` and close the descriptor: the open did not succeed after all. Nothing is deleted."""
    try:
        with fo.volume.share_modes.lock(fo.file_id) as lock:
            lock.remove(fo.owner.server_id, fo.owner.open_id)
    finally:
        os.close(fo.fd)
        fo.fd = -1
