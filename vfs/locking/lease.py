"""The life of a lease: granted, upgraded, broken in steps, acknowledged ([MS-SMB2] 3.3.1.12, 3.3.4.7, 3.3.5.22.2).

Pure transitions of the record in leases.tdb; who calls them holds its lock (`vfs.locking.lease_db`).
"""

from __future__ import annotations

from typing import Final, NamedTuple

import msgspec

from messaging.records import RecordCodec
from messaging.server_id import ServerId
from vfs.locking.oplock import LEASE_NONE, LEASE_READ, LeaseRequest
from vfs.ntstatus import STATUS_REQUEST_NOT_ACCEPTED, STATUS_UNSUCCESSFUL, NTStatusError

LEASE_V2: Final = 2
_EPOCHS: Final = 0x10000


class LeaseFile(msgspec.Struct, array_like=True, gc=False):
    """A file that a lease is held on: its key in locking.tdb and the absolute path it was opened by."""

    file_id: bytes
    path: bytes


class LeaseRecord(msgspec.Struct, array_like=True):
    """One lease of one client.

    Attributes:
        server_id: the process that serves the client.
        state: LEASE_* bits in force.
        version: of the context that asked for it: 1 or 2.
        epoch: counts the changes of a version 2 lease.
        directory: it is on a directory.
        breaking: the client was told to go down and has not acknowledged it yet.
        requested: what it was told to go down to.
        required: what it has to go down to in the end, in several steps if need be.
        files: what it is held on.
        parent_key: lease key of the directory, as the client named it.
    """

    server_id: ServerId
    state: int
    version: int
    epoch: int
    directory: bool
    files: list[LeaseFile]
    breaking: bool = False
    requested: int = LEASE_NONE
    required: int = LEASE_NONE
    parent_key: bytes = b""


LEASE_RECORD_VERSION: Final = 1
LEASE_CODEC: Final = RecordCodec(LeaseRecord, LEASE_RECORD_VERSION, "leases")


class Notification(NamedTuple):
    """What a client is to be told: its lease goes from `old` to `new`.

    Attributes:
        epoch: the new epoch.
        wants_answer: the break is complete only when the client has acknowledged it.
    """

    old: int
    new: int
    epoch: int
    wants_answer: bool


def new_lease(request: LeaseRequest, state: int, server_id: ServerId, *, directory: bool) -> LeaseRecord:
    """Return a lease in its first state; it is on no file yet."""
    epoch = (request.epoch + 1) % _EPOCHS if request.version == LEASE_V2 else 0
    return LeaseRecord(
        server_id, state, request.version, epoch, directory, [], parent_key=request.parent_key
    )


def upgrade(lease: LeaseRecord, wanted: int, granted: int) -> bool:
    """Let a further open with the same key raise the state; False if it stays.

    Only to a true superset, only if all of `wanted` can be granted, and not during a break ([MS-SMB2] 3.3.5.9.8).
    """
    if lease.breaking or granted != wanted or granted == lease.state or lease.state & ~wanted:
        return False
    lease.state = granted
    lease.epoch = (lease.epoch + 1) % _EPOCHS
    return True


def begin_break(lease: LeaseRecord, target: int) -> Notification | None:
    """Break the lease to `target`; None if the client need not be told (anything new).

    While an earlier break is under way only the final goal is lowered: the client hears of it when it has answered.
    """
    if lease.breaking:
        lease.required &= target
        return None
    target &= lease.state
    if target == lease.state:
        return None
    lease.epoch = (lease.epoch + 1) % _EPOCHS
    return _tell(lease, target, target)


def acknowledge(lease: LeaseRecord, state: int) -> Notification | None:
    """Take the client's answer; the notification of the next step, if it has not gone down far enough.

    Raises:
        NTStatusError: STATUS_UNSUCCESSFUL: there is no break; STATUS_REQUEST_NOT_ACCEPTED: it keeps more than it was
            told ([MS-SMB2] 3.3.5.22.2).
    """
    if not lease.breaking:
        raise NTStatusError(STATUS_UNSUCCESSFUL, "the lease is not breaking")
    if state & ~lease.requested:
        raise NTStatusError(STATUS_REQUEST_NOT_ACCEPTED, "more than the lease was broken to")
    required = lease.required
    lease.state = state
    _end_break(lease)
    if not state & ~required:
        return None
    # Something was asked for meanwhile. In a further step a client keeps READ if it has more than that.
    return _tell(lease, state & (required | LEASE_READ) if state & ~LEASE_READ else required, required)


def expire(lease: LeaseRecord) -> bool:
    """Take away what the client did not give up in time; False if there is no break ([MS-SMB2] 3.3.6.5)."""
    if not lease.breaking:
        return False
    lease.state = LEASE_NONE
    _end_break(lease)
    return True


def lower(lease: LeaseRecord, state: int) -> None:
    """Take away what is beyond `state` without asking: the client is away, and hears of it when it comes back."""
    if lease.breaking:
        _end_break(lease)
    if lease.state & ~state:
        lease.state &= state
        lease.epoch = (lease.epoch + 1) % _EPOCHS


def under_way(lease: LeaseRecord) -> Notification | None:
    """Return what the client was told of the break that it has not acknowledged yet; None if there is none."""
    return Notification(lease.state, lease.requested, lease.epoch, wants_answer=True) if lease.breaking else None


def _tell(lease: LeaseRecord, requested: int, required: int) -> Notification:
    old = lease.state
    if not old & ~LEASE_READ:
        # Read caching alone ends at once: there is nothing to write back or to close.
        lease.state = requested
        return Notification(old, requested, lease.epoch, wants_answer=False)
    lease.breaking = True
    lease.requested = requested
    lease.required = required
    return Notification(old, requested, lease.epoch, wants_answer=True)


def _end_break(lease: LeaseRecord) -> None:
    lease.breaking = False
    lease.requested = lease.required = LEASE_NONE
