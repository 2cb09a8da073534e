"""What opens may cache: oplock levels, lease states, and who has to give up what for whom.

[MS-FSA] 2.1.1.10 and 2.1.4.12 speak of one kind of oplock with combinations of READ, WRITE and HANDLE caching; the
levels of old are names for some of them. So does this module: everything is decided in lease states. It is pure:
it looks at share-mode entries and says what is to be done (`contend`) and what can be granted (`grant`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from vfs.access import (
    FILE_READ_ATTRIBUTES,
    FILE_WRITE_ATTRIBUTES,
    READ_CONTROL,
    SYNCHRONIZE,
)

if TYPE_CHECKING:
    from messaging.server_id import ServerId
    from vfs.locking.entry import ShareModeEntry
    from vfs.locking.lease import LeaseRecord

# Levels, numbered as [MS-SMB2] 2.2.13 numbers them.
OPLOCK_NONE: Final = 0x00
OPLOCK_LEVEL_II: Final = 0x01
OPLOCK_EXCLUSIVE: Final = 0x08
OPLOCK_BATCH: Final = 0x09
OPLOCK_LEASE: Final = 0xFF

# States, numbered as [MS-SMB2] 2.2.13.2.8 numbers them.
LEASE_NONE: Final = 0x0
LEASE_READ: Final = 0x1
LEASE_HANDLE: Final = 0x2
LEASE_WRITE: Final = 0x4
LEASE_ALL: Final = LEASE_READ | LEASE_HANDLE | LEASE_WRITE

STATE_OF_LEVEL: Final = {
    OPLOCK_NONE: LEASE_NONE,
    OPLOCK_LEVEL_II: LEASE_READ,
    OPLOCK_EXCLUSIVE: LEASE_READ | LEASE_WRITE,
    OPLOCK_BATCH: LEASE_ALL,
}
"""What the holder of an oplock may cache."""

_OPLOCK_STAT: Final = FILE_READ_ATTRIBUTES | FILE_WRITE_ATTRIBUTES | SYNCHRONIZE
_LEASE_STAT: Final = _OPLOCK_STAT | READ_CONTROL


class LeaseRequest(msgspec.Struct, frozen=True, gc=False):
    """The lease that an opener asks for.

    Attributes:
        key: LeaseKey, 16 bytes.
        state: wanted LEASE_* bits.
        version: 1 or 2.
        epoch: of a version 2 request.
        parent_key: lease key of the directory if the client named one, else empty.
        on_directory: it can be granted on a directory, too.
    """

    key: bytes
    state: int
    version: int = 1
    epoch: int = 0
    parent_key: bytes = b""
    on_directory: bool = False


class Oplock(msgspec.Struct, eq=False):
    """What one open holds: an oplock of its own, or a share in a lease.

    Attributes:
        level: OPLOCK_*.
        breaking_to: level that its client was told to go down to and has not acknowledged yet; None otherwise.
        lease_key: of the lease, empty for an oplock.
        lease: the lease as it was when the open was granted its share in it; None for an oplock.
        stored: the same as it was stored, if it was made for this open of a file that nobody else had open.
    """

    level: int
    lease_key: bytes = b""
    lease: LeaseRecord | None = None
    stored: bytes = b""
    breaking_to: int | None = None


class Wanted(msgspec.Struct, frozen=True, gc=False):
    """An open that asks to join those that are there.

    Attributes:
        client_guid: of the opener.
        access: granted access.
        overwrites: the disposition replaces the data.
        violation: it conflicts with the share modes of the others.
        first_attempt: it has not waited yet.
        deletes: the file goes with its last close.
        level: the oplock it asks for; OPLOCK_LEASE if `lease` is set.
        lease: the lease it asks for.
    """

    client_guid: bytes
    access: int
    overwrites: bool
    violation: bool
    first_attempt: bool
    deletes: bool
    level: int
    lease: LeaseRequest | None


class Break(NamedTuple):
    """An order to the owner of an entry: go down to `state`."""

    entry: ShareModeEntry
    state: int


class Contention:
    """What the others mean for an open.

    Attributes:
        breaks: what is to be broken.
        blocker: who has to answer before the open can go on; None if it need not wait.
        handle_lease, oplock, writer: somebody else has such a one; `writer` caches writes.
        no_write: others have the file open in earnest, so nobody can be alone with it.
    """

    __slots__ = ("blocker", "breaks", "handle_lease", "no_write", "oplock", "writer")

    def __init__(self) -> None:
        self.breaks: list[Break] = []
        self.blocker: ServerId | None = None
        self.handle_lease = False
        self.oplock = False
        self.no_write = False
        self.writer = False


LeaseLookup = Callable[[bytes, bytes], "LeaseRecord | None"]
"""From ClientGuid and LeaseKey to the lease."""


def is_oplock_stat_open(access: int) -> bool:
    """Tell whether an open with `access` only looks at attributes, which breaks no oplock."""
    return not access & ~_OPLOCK_STAT


def is_lease_stat_open(access: int) -> bool:
    """Tell whether an open with `access` disturbs no lease: reading the descriptor is allowed as well."""
    return not access & ~_LEASE_STAT


def same_lease(entry: ShareModeEntry, client_guid: bytes, lease_key: bytes) -> bool:
    """Tell whether the open of `entry` has a share in that lease."""
    return (
        entry.oplock_level == OPLOCK_LEASE and entry.lease_key == lease_key and entry.client_guid == client_guid
    )


def state_of(entry: ShareModeEntry, lookup: LeaseLookup) -> int:
    """Return what the holder of `entry` may cache now."""
    if entry.oplock_level != OPLOCK_LEASE:
        return STATE_OF_LEVEL.get(entry.oplock_level, LEASE_NONE)
    lease = lookup(entry.client_guid, entry.lease_key)
    return LEASE_NONE if lease is None else lease.state


def level_of(state: int) -> int:
    """Return the oplock that an open keeps which may cache no more than `state`."""
    return OPLOCK_LEVEL_II if state & LEASE_READ else OPLOCK_NONE


def contend(
    entries: Iterable[ShareModeEntry],
    wanted: Wanted,
    lookup: LeaseLookup,
    counts: Callable[[ShareModeEntry], bool],
) -> Contention:
    """Find out what has to be broken before `wanted` can be, and what it must not be granted."""
    found = Contention()
    # After a sharing violation only handle caching matters: its owner may have closed the file long ago.
    mask = LEASE_HANDLE if wanted.violation else LEASE_WRITE
    if wanted.deletes:
        mask |= LEASE_HANDLE
    looks_only = is_oplock_stat_open(wanted.access) and not wanted.overwrites
    for entry in entries:
        level = entry.oplock_level
        if level == OPLOCK_NONE:
            if not found.no_write and not is_oplock_stat_open(entry.access_mask) and counts(entry):
                found.no_write = True
            continue
        breaking = False
        if level == OPLOCK_LEASE:
            if wanted.lease is not None and same_lease(entry, wanted.client_guid, wanted.lease.key):
                continue
            lease = lookup(entry.client_guid, entry.lease_key)
            if lease is None:
                continue  # the entry is left over from a dead process
            state = lease.state
            breaking = lease.breaking
        else:
            state = STATE_OF_LEVEL.get(level, LEASE_NONE)
        if not counts(entry):
            continue
        found.no_write = True
        if state & LEASE_HANDLE:
            found.handle_lease = True
        if state & LEASE_WRITE:
            found.writer = True
        if level != OPLOCK_LEASE:
            found.oplock = True
        elif is_lease_stat_open(wanted.access) and not wanted.overwrites:
            continue
        if looks_only:
            continue
        _contend_with(found, wanted, entry, state, mask, breaking=breaking)
    return found


def _contend_with(
    found: Contention, wanted: Wanted, entry: ShareModeEntry, state: int, mask: int, *, breaking: bool
) -> None:
    """Decide about one open that caches something."""
    target = state & ~mask
    if wanted.overwrites:
        target &= ~(LEASE_HANDLE | LEASE_READ)
    if target == state:
        if breaking:
            found.blocker = entry.server_id
        return
    if wanted.overwrites:
        target = LEASE_NONE
    if entry.oplock_level != OPLOCK_LEASE:
        target &= LEASE_READ  # an oplock goes down to level II or to nothing
    found.breaks.append(Break(entry, target))
    if state & mask or (breaking and not wanted.first_attempt):
        found.blocker = entry.server_id


def grant(wanted: Wanted, found: Contention, *, level_ii: bool, byte_range_locks: bool) -> tuple[int, int]:
    """Return the level and state that `wanted` gets beside the others ([MS-FSA] 2.1.5.18.1, .2).

    Args:
        wanted: what is asked for.
        found: what the others mean for it.
        level_ii: shared oplocks are granted.
        byte_range_locks: somebody has locked a range of the file, so its data must not be cached. Nor may they while
            somebody else caches writes, whom an open for attributes does not disturb.
    """
    lease = wanted.lease
    state = lease.state if lease is not None else STATE_OF_LEVEL.get(wanted.level, LEASE_NONE)
    if byte_range_locks or found.writer:
        state &= ~LEASE_READ
    if found.no_write:
        state &= ~LEASE_WRITE
    if lease is None and found.handle_lease:
        return OPLOCK_NONE, LEASE_NONE
    if lease is not None and found.oplock:
        state &= ~LEASE_HANDLE
    return grant_state(wanted.level, state, level_ii)


def grant_state(level: int, state: int, level_ii: bool) -> tuple[int, int]:
    """Return the level and state that who asks for `level` gets, if nobody minds that he caches what `state` says.

    Nothing goes without READ. `level_ii`: shared oplocks are granted.
    """
    if level == OPLOCK_LEASE:
        return OPLOCK_LEASE, state if state & LEASE_READ else LEASE_NONE
    if not state & LEASE_READ:
        return OPLOCK_NONE, LEASE_NONE
    if state & LEASE_WRITE:
        return level, state
    return (OPLOCK_LEVEL_II, LEASE_READ) if level_ii else (OPLOCK_NONE, LEASE_NONE)
