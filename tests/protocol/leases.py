"""What the tests of oplocks and leases share: opening with a lease, taking and answering breaks."""

from __future__ import annotations

from smbd.wire.constants import (
    SMB2_CREATE_REQUEST_LEASE,
    SMB2_CREATE_REQUEST_LEASE_V2,
    SMB2_LEASE_FLAG_PARENT_LEASE_KEY_SET,
    SMB2_LEASE_HANDLE_CACHING,
    SMB2_LEASE_READ_CACHING,
    SMB2_LEASE_WRITE_CACHING,
    SMB2_OPLOCK_BREAK,
    SMB2_OPLOCK_LEVEL_LEASE,
)
from smbd.wire.create_context_lease import LeaseContext, LeaseContextV2, unpack_lease
from smbd.wire.oplock_break import (
    LeaseBreakAcknowledgment,
    LeaseBreakNotification,
    OplockBreakNotification,
    unpack_break_notification,
)
from tests.smbxcli import Connection, File, ReplyTimeoutError, Response, Tree

R = SMB2_LEASE_READ_CACHING
H = SMB2_LEASE_HANDLE_CACHING
W = SMB2_LEASE_WRITE_CACHING
QUIET_S = 0.2
"""How long to listen for a break that must not come."""


def lease_contexts(
    key: bytes, state: int, *, epoch: int = 0, parent: bytes = b"", version: int = 2
) -> dict[bytes, bytes]:
    """The create contexts that ask for a lease."""
    if version == 1:
        return {SMB2_CREATE_REQUEST_LEASE: LeaseContext(key, state).pack()}
    flags = SMB2_LEASE_FLAG_PARENT_LEASE_KEY_SET if parent else 0
    context = LeaseContextV2(key, state, flags, 0, parent or bytes(16), epoch)
    return {SMB2_CREATE_REQUEST_LEASE_V2: context.pack()}


def open_leased(tree: Tree, name: str, key: bytes, state: int, **how: object) -> File:
    """Open with a lease; see `lease_contexts` and `Tree.create` for the keywords."""
    lease = {field: how.pop(field) for field in ("epoch", "parent", "version") if field in how}
    contexts = lease_contexts(key, state, **lease)  # type: ignore[arg-type]
    return tree.create(name, oplock=SMB2_OPLOCK_LEVEL_LEASE, contexts=contexts, **how)  # type: ignore[arg-type]


def lease_of(file: File) -> LeaseContext | LeaseContextV2 | None:
    """The lease that an open was granted."""
    found = file.response.contexts.get(SMB2_CREATE_REQUEST_LEASE)
    return None if found is None else unpack_lease(found)


def state_of(file: File) -> int | None:
    """The state of the lease that an open was granted; None if it got none."""
    lease = lease_of(file)
    return None if lease is None else lease.lease_state


def next_break(connection: Connection) -> OplockBreakNotification | LeaseBreakNotification:
    """Wait for the next break of this connection."""
    connection.pump_until(lambda: connection.breaks)
    return unpack_break_notification(connection.breaks.popleft().pdu)


def next_lease_break(connection: Connection) -> LeaseBreakNotification:
    """Wait for the next break, which has to be one of a lease."""
    told = next_break(connection)
    assert isinstance(told, LeaseBreakNotification)
    return told


def assert_no_break(connection: Connection) -> None:
    """Listen for a moment: no break may come."""
    try:
        connection.pump_until(lambda: connection.breaks, QUIET_S)
    except ReplyTimeoutError:
        return
    raise AssertionError(f"break: {unpack_break_notification(connection.breaks[0].pdu)}")


def answer(tree: Tree, key: bytes, state: int) -> Response:
    """Acknowledge a lease break."""
    return tree.send(SMB2_OPLOCK_BREAK, LeaseBreakAcknowledgment(key, state)).recv()
