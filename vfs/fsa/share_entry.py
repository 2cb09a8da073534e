"""An open as the share modes see it: what it asks for, and the entry it becomes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from vfs.fsa.open_checks import OVERWRITES
from vfs.locking.entry import ENTRY_POSIX, ShareModeEntry
from vfs.locking.oplock import OPLOCK_LEASE, OPLOCK_NONE, Wanted

if TYPE_CHECKING:
    from vfs.fsa.file_object import FileObject
    from vfs.fsa.params import OpenParams


def wanted(fo: FileObject, params: OpenParams, level: int, *, violation: bool) -> Wanted:
    """Return what an open asks for that wants the oplock `level`.

    Args:
        fo: the open in the making.
        params: of it.
        level: what it may have at all (`leasing.requested_level`).
        violation: it conflicts with the share modes of others.
    """
    return Wanted(
        fo.owner.client_guid,
        fo.granted_access,
        params.create_disposition in OVERWRITES,
        violation,
        not params.attempts,
        fo.delete_on_close,
        level,
        fo.owner.lease if level == OPLOCK_LEASE else None,
    )


def share_mode_entry(fo: FileObject) -> ShareModeEntry:
    """Return what the share-mode record says about `fo`."""
    owner = fo.owner
    oplock = fo.oplock
    return ShareModeEntry(
        owner.server_id,
        owner.open_id,
        fo.granted_access,
        fo.share_access,
        fo.create_options,
        time.time_ns(),
        fo.token.uid,
        ENTRY_POSIX if fo.volume.options.posix else 0,
        b"",
        OPLOCK_NONE if oplock is None else oplock.level,
        owner.client_guid,
        b"" if oplock is None else oplock.lease_key,
        fo.handle_id,
        owner.connect_id,
    )
