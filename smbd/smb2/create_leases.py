"""Oplocks and leases in CREATE: what is asked for and what is answered ([MS-SMB2] 3.3.5.9, 3.3.5.9.8, 3.3.5.9.11)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smbd.wire.constants import (
    SMB2_CREATE_REQUEST_LEASE,
    SMB2_DIALECT_300,
    SMB2_GLOBAL_CAP_DIRECTORY_LEASING,
    SMB2_GLOBAL_CAP_LEASING,
    SMB2_LEASE_FLAG_BREAK_IN_PROGRESS,
    SMB2_LEASE_FLAG_PARENT_LEASE_KEY_SET,
)
from smbd.wire.create_context_lease import LEASE_LAYOUT, LEASE_V2_LAYOUT
from smbd.wire.errors import WireError
from vfs.locking.lease import LEASE_V2
from vfs.locking.oplock import LEASE_ALL, OPLOCK_LEASE, OPLOCK_NONE, STATE_OF_LEVEL, LeaseRequest

if TYPE_CHECKING:
    from smbd.wire.create import CreateRequest
    from smbd.xsrv.connection import Connection
    from vfs.fsa.file_object import FileObject


def read(
    connection: Connection, message: CreateRequest, *, any_level: bool = False
) -> tuple[int, LeaseRequest | None]:
    """Return the oplock level and the lease that a CREATE asks for.

    A context without the level, or the level without the context, asks for nothing.

    Args:
        connection: where it came from.
        message: the CREATE.
        any_level: the context is enough: the level does not count when a handle is taken up again.

    Raises:
        WireError: the context is malformed.
    """
    level = message.requested_oplock_level
    if level != OPLOCK_LEASE and not (any_level and SMB2_CREATE_REQUEST_LEASE in message.contexts):
        return (level if level in STATE_OF_LEVEL else OPLOCK_NONE), None
    found = message.contexts.get(SMB2_CREATE_REQUEST_LEASE)
    if found is None or not connection.capabilities & SMB2_GLOBAL_CAP_LEASING:
        return OPLOCK_NONE, None
    size = len(found)
    if size == LEASE_LAYOUT.size:
        key, state, _, _ = LEASE_LAYOUT.unpack(found)
        return OPLOCK_LEASE, LeaseRequest(key, state & LEASE_ALL)
    if size != LEASE_V2_LAYOUT.size:
        raise WireError("lease context of a wrong length")
    if connection.dialect < SMB2_DIALECT_300:
        return OPLOCK_NONE, None
    key, state, flags, _, parent_key, epoch = LEASE_V2_LAYOUT.unpack(found)
    return OPLOCK_LEASE, LeaseRequest(
        key,
        state & LEASE_ALL,
        LEASE_V2,
        epoch,
        parent_key if flags & SMB2_LEASE_FLAG_PARENT_LEASE_KEY_SET else b"",
        connection.capabilities & SMB2_GLOBAL_CAP_DIRECTORY_LEASING != 0,
    )


def answer(file: FileObject) -> bytes | None:
    """Return the lease context of the response; None if the open has no share in a lease."""
    oplock = file.oplock
    lease = oplock.lease if oplock is not None else None
    if oplock is None or lease is None:
        return None
    flags = SMB2_LEASE_FLAG_BREAK_IN_PROGRESS if lease.breaking else 0
    if lease.version != LEASE_V2:
        return LEASE_LAYOUT.pack(oplock.lease_key, lease.state, flags, 0)
    parent_key = lease.parent_key
    if parent_key:
        flags |= SMB2_LEASE_FLAG_PARENT_LEASE_KEY_SET
    return LEASE_V2_LAYOUT.pack(oplock.lease_key, lease.state, flags, 0, parent_key, lease.epoch)
