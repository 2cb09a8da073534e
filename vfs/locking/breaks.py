"""Asking other opens to give up what they cache, and waiting until they have.

The opener decides and asks, the owner's process tells its client, takes its answer and changes the records; the
change wakes the opener, who looks again. A request is a hint: owners ignore one too many.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

import msgspec

from messaging.dbwrap.watch import WATCH_TIMED_OUT, Watch
from vfs.constants import FILE_ATTRIBUTE_ARCHIVE
from vfs.locking.away import Patience, give_way
from vfs.locking.entry import ENTRY_ARCHIVE_TAKEN, ShareModeEntry
from vfs.locking.oplock import (
    LEASE_HANDLE,
    LEASE_NONE,
    LEASE_READ,
    LEASE_WRITE,
    OPLOCK_LEASE,
    OPLOCK_NONE,
    Break,
    same_lease,
    state_of,
)
from vfs.locking.stored import LOCKING_CODEC, anyone_caches, concerns_writers
from vfs.ntstatus import STATUS_SHARING_VIOLATION, NTStatusError

if TYPE_CHECKING:
    from messaging.server_id import ServerId
    from vfs.file_id import FileId
    from vfs.fsa.file_object import FileObject
    from vfs.locking.share_mode import ShareModes
    from vfs.locking.share_mode_lock import ShareModeLock

_log = logging.getLogger(__name__)

WAIT_LIMIT_S: Final = 80
"""How long an opener waits for one change. Owners whose clients do not answer act after 35 s; this is for a process
that is stuck itself."""


class BreakRequest(msgspec.Struct, array_like=True, gc=False):
    """Payload of MSG_SMB_BREAK_REQUEST: go down to `state` with the open `open_id` of the file, or with its lease."""

    file_id: bytes
    open_id: int
    state: int


_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(BreakRequest).decode


def unpack_request(payload: bytes) -> BreakRequest:
    """Read the payload of a message.

    Raises:
        msgspec.DecodeError: it is none.
    """
    return _decode(payload)


class MustWait(Exception):  # noqa: N818 - a state of affairs, the opener tries again
    """Somebody has to give way first.

    Attributes:
        watch: completes when it is worth to try again. It keeps its place among those who wait until `Watch.depart`:
            two who left and came again would wake each other for ever. None if nobody will tell: try after a while.
    """

    def __init__(self, watch: Watch | None) -> None:
        super().__init__("an oplock break is under way")
        self.watch = watch


def wait_for(lock: ShareModeLock, blocker: ServerId, patience: Patience, before: Watch | None) -> Watch:
    """Watch the record until `blocker` gives way: a process, or a client that is away."""
    if blocker.is_disconnected():
        return lock.watch(None, patience.left(), before)
    return lock.watch(blocker, WAIT_LIMIT_S, before)


async def settle(watch: Watch, patience: Patience | None = None) -> None:
    """Wait for a change, or for the end of `patience`.

    Raises:
        NTStatusError: STATUS_SHARING_VIOLATION: nothing happened in time.
        Cancelled: the wait was given up.
    """
    if await watch == WATCH_TIMED_OUT and not (patience is not None and patience.over):
        raise NTStatusError(STATUS_SHARING_VIOLATION, "the owner of an oplock does not react")


def send(modes: ShareModes, file_id: FileId, breaks: Iterable[Break]) -> None:
    """Ask the owners, each lease once. No record may be locked."""
    asked: set[tuple[bytes, bytes]] = set()
    for entry, state in breaks:
        if entry.server_id.is_disconnected():
            continue  # nobody can be asked
        if entry.oplock_level == OPLOCK_LEASE:
            lease = (entry.client_guid, entry.lease_key)
            if lease in asked:
                continue
            asked.add(lease)
        modes.send_break(entry.server_id, _encode(BreakRequest(file_id.key(), entry.open_id, state)))


def ask_owner(fo: FileObject, state: int) -> None:
    """Ask the owner of `fo` itself to go down to `state`: somebody who is not in the share modes wants that."""
    owner = fo.owner
    fo.volume.share_modes.send_break(
        owner.server_id, _encode(BreakRequest(fo.key, owner.open_id, state))
    )


def contend_level2(fo: FileObject) -> None:
    """Take read caching away from the others: `fo` is about to change data, or to lock a range ([MS-FSA] 2.1.5.4, .8).

    An own level II oplock goes, too; an own lease stays. Nobody is waited for. Costs one lock-free look at the record,
    which also tells whether others have taken ARCHIVE from the file.
    """
    modes = fo.volume.share_modes
    stored = modes.parse(fo.key)
    if stored is None or not concerns_writers(stored) or stored == fo.no_readers:
        return
    owner = fo.owner
    own_key = fo.oplock.lease_key if fo.oplock is not None else b""
    looks_again = False
    found: list[Break] = []
    for entry in LOCKING_CODEC.decode(stored).entries:
        if entry.flags & ENTRY_ARCHIVE_TAKEN and entry.open_id == owner.open_id and entry.server_id == owner.server_id:
            _look_for_archive(fo)
            looks_again = True  # the record has changed
        if entry.oplock_level == OPLOCK_NONE or (own_key and same_lease(entry, owner.client_guid, own_key)):
            continue
        looks_again = looks_again or entry.oplock_level == OPLOCK_LEASE
        state = state_of(entry, modes.find_lease)
        if state & LEASE_READ and not state & LEASE_WRITE and modes.counts(entry):
            found.append(Break(entry, LEASE_NONE))
    if found:
        send(modes, fo.file_id, found)
        if any(modes.is_away(entry) for entry, _ in found):
            _purge_readers(fo)
    elif not looks_again:
        # As long as the record does not change there is nobody to ask.
        fo.no_readers = stored


def _look_for_archive(fo: FileObject) -> None:
    """Have the write that is to come look whether ARCHIVE is set."""
    with fo.volume.share_modes.lock(fo.file_id) as lock:
        if lock.was_archive_taken(lock.find(fo.owner.server_id, fo.owner.open_id)):
            fo.file_attributes &= ~FILE_ATTRIBUTE_ARCHIVE


def _purge_readers(fo: FileObject) -> None:
    """Drop the opens that cache reads for clients that are away."""
    modes = fo.volume.share_modes
    own_key = fo.oplock.lease_key if fo.oplock is not None else b""
    with modes.lock(fo.file_id) as lock:
        entries = lock.record.entries if lock.record is not None else []
        readers = [
            entry
            for entry in entries
            if state_of(entry, modes.find_lease) & LEASE_READ
            and not (own_key and same_lease(entry, fo.owner.client_guid, own_key))
        ]
        lock.purge(readers)
        for entry in readers:
            if entry.stays and modes.is_away(entry):
                lock.lower(entry, LEASE_NONE)


def handle_holders(
    modes: ShareModes, entries: Iterable[ShareModeEntry], client_guid: bytes = b"", lease_key: bytes = b""
) -> list[Break]:
    """Return the breaks of handle caching in `entries`, but for the lease that is given."""
    found: list[Break] = []
    for entry in entries:
        if entry.oplock_level == OPLOCK_NONE or (lease_key and same_lease(entry, client_guid, lease_key)):
            continue
        state = state_of(entry, modes.find_lease)
        if state & LEASE_HANDLE and modes.counts(entry):
            found.append(Break(entry, state & ~LEASE_HANDLE))
    return found


async def break_handles(
    modes: ShareModes, find: Callable[[], FileId | None], keep: FileObject | None = None
) -> None:
    """Have everybody close what he keeps open only by handle caching, and wait for it.

    Before a rename, a deletion, or replacing a file ([MS-FSA] 2.1.5.15.3, 2.1.5.15.12).

    Args:
        modes: the share modes.
        find: returns the file that it is about; a name may come to mean another one, or none, while we wait.
        keep: who asks; its own oplock or lease stays.

    Raises:
        NTStatusError: STATUS_SHARING_VIOLATION: somebody does not react; STATUS_FILE_NOT_AVAILABLE: a persistent
            handle waits for its client.
        Cancelled: the wait was given up.
    """
    watch: Watch | None = None
    patience = Patience()
    try:
        while (file_id := find()) is not None:
            stored = modes.parse(file_id.key())
            if stored is None or not anyone_caches(stored):
                return
            if not any(entry.oplock_level for entry in _others(LOCKING_CODEC.decode(stored).entries, keep)):
                return
            with modes.lock(file_id) as lock:
                entries = lock.record.entries if lock.record is not None else []
                breaks = handle_holders(modes, _others(entries, keep))
                if give_way(lock, breaks, patience):
                    entries = lock.record.entries if lock.record is not None else []
                    breaks = handle_holders(modes, _others(entries, keep))
                if not breaks:
                    return
                watch = wait_for(lock, breaks[0].entry.server_id, patience, watch)
            send(modes, file_id, breaks)
            await settle(watch, patience)
    finally:
        if watch is not None:
            watch.depart()


def _others(entries: Iterable[ShareModeEntry], keep: FileObject | None) -> list[ShareModeEntry]:
    if keep is None:
        return list(entries)
    owner = keep.owner
    own_key = keep.oplock.lease_key if keep.oplock is not None else b""
    return [
        entry
        for entry in entries
        if not (entry.open_id == owner.open_id and entry.server_id == owner.server_id)
        and not (own_key and same_lease(entry, owner.client_guid, own_key))
    ]
