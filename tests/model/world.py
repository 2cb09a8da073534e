"""The model: a step goes in, everything that must be seen comes out.

Written from [MS-FSA] 2.1.4.12, 2.1.5.1, 2.1.5.5, 2.1.5.8, 2.1.5.15, 2.1.5.18 and [MS-SMB2] 3.3.4.6, 3.3.4.7, 3.3.5.9,
3.3.5.22, with the behaviour of Windows where smbtorture pins it down.

Several requests may wait for the same change. In which order they look at it is the server's choice: `choose` picks,
and whoever compares may try other picks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from tests.model import rules, steps
from tests.model.rules import HANDLE, LEASE, READ, WRITE
from tests.model.state import File, Lease, Open, Waiting
from vfs import ntstatus as nt
from vfs.constants import (
    FILE_CREATE,
    FILE_CREATED,
    FILE_OPEN,
    FILE_OPENED,
    FILE_OVERWRITE,
    FILE_OVERWRITE_IF,
    FILE_OVERWRITTEN,
    FILE_SUPERSEDE,
    FILE_SUPERSEDED,
)

Event = tuple[object, ...]
"""Something that a client sees: ("done", step id, status, details...), ("wait", step id), ("oplock", open id, level) or
("lease", client, key, old state, new state, answer wanted, epoch)."""

_OVERWRITES: Final = frozenset({FILE_SUPERSEDE, FILE_OVERWRITE, FILE_OVERWRITE_IF})


class _Failed(Exception):  # noqa: N818 - a status, not an error of ours
    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class World:
    """All files and clients.

    Attributes:
        names: name to file.
        opens: id to open.
        leases: (client, key) to lease.
        waiting: requests that wait, oldest first.
        choose: picks one of several requests that may look again.
    """

    def __init__(self) -> None:
        self.names: dict[str, File] = {}
        self.opens: dict[int, Open] = {}
        self.leases: dict[tuple[int, int], Lease] = {}
        self.waiting: list[Waiting] = []
        self.choose: Callable[[int], int] = self.choose_first
        self._events: list[Event] = []
        self._late: list[list[tuple[Open, int]]] = []

    @staticmethod
    def choose_first(_count: int) -> int:
        """The pick that is tried first: the oldest."""
        return 0

    def applies(self, step: steps.Step) -> bool:
        """Whether the step makes sense now: what it names exists and belongs to its client."""
        if isinstance(step, steps.Cancel):
            return any(one.step.id == step.request for one in self.waiting)
        if isinstance(step, steps.AckLease):
            return (step.client, step.key) in self.leases
        handle = getattr(step, "handle", None)
        return handle is None or handle in self.opens

    def do(self, step: steps.Step) -> list[Event]:
        """Do a step and return all that must be seen for it."""
        self._events = []
        if isinstance(step, steps.Kill):
            self._kill(step.client)
        elif isinstance(step, steps.Cancel):
            waiting = next(one for one in self.waiting if one.step.id == step.request)
            self._give_up(waiting)
            self._done(waiting.step, nt.STATUS_CANCELLED)
        else:
            self._request(step, None)
        self._settle()
        return self._events

    # -- requests ------------------------------------------------------------------------------------------

    def _done(self, step: steps.Step, *details: object) -> None:
        self._events.append(("done", step.id, *details))

    def _request(self, step: steps.Step, waiting: Waiting | None) -> None:
        """Try a request: it is answered, or waits on."""
        try:
            outcome = self._HANDLERS[type(step)](self, step, waiting)
        except _Failed as failed:
            outcome = (failed.status,)
        if isinstance(outcome, File):
            if waiting is None:
                self.waiting.append(Waiting(step, step.client, outcome))
                self._events.append(("wait", step.id))
            else:
                waiting.on = outcome
            return
        if waiting is not None:
            self.waiting.remove(waiting)
        self._done(step, *outcome)

    def _settle(self) -> None:
        """Let those who wait look again, until nothing moves."""
        while True:
            if ready := [one for one in self.waiting if one.woken]:
                one = ready[self.choose(len(ready))]
                one.woken = False
                self._request(one.step, one)
            elif self._late:
                self._deliver(self._late.pop(0))
            else:
                return

    def _wake(self, file: File, *, locks: bool = False) -> None:
        for one in self.waiting:
            if one.on is file and one.locks == locks:
                one.woken = True

    def _give_up(self, waiting: Waiting) -> None:
        """Who goes away wakes those behind: he may have been woken for all of them."""
        at = self.waiting.index(waiting)
        del self.waiting[at]
        for behind in self.waiting[at:]:
            behind.woken |= behind.on is waiting.on and behind.locks == waiting.locks

    # -- breaks --------------------------------------------------------------------------------------------

    def _break(self, held: Open, target: int) -> None:
        """The owner is asked to let go: [MS-SMB2] 3.3.4.6 and 3.3.4.7."""
        if held.level != LEASE:
            self._break_oplock(held, rules.LEVEL_II if target & READ else rules.NONE)
        elif held.lease is not None:
            lease = held.lease
            if lease.breaking:
                lease.required &= target
            elif lease.state & ~target:
                lease.epoch += 1
                self._tell(lease, lease.state & target, lease.state & target)

    def _break_oplock(self, held: Open, level: int) -> None:
        if held.breaking_to is not None:
            return
        if held.level == rules.LEVEL_II:
            if level == rules.NONE:
                held.level = rules.NONE
                self._events.append(("oplock", held.id, level))
                self._wake(held.file)
            return
        held.breaking_to = level
        self._events.append(("oplock", held.id, level))

    def _tell(self, lease: Lease, requested: int, required: int) -> None:
        answer = bool(lease.state & ~READ)
        epoch = lease.epoch if lease.key % 2 else 0
        self._events.append(("lease", lease.client, lease.key, lease.state, requested, answer, epoch))
        if answer:
            lease.breaking, lease.requested, lease.required = True, requested, required
        else:
            lease.state = requested

    def _break_all(self, orders: list[tuple[Open, int]]) -> None:
        """Ask the owners; by message, which others who look again may overtake."""
        if orders and any(one.woken for one in self.waiting) and self.choose(2):
            self._late.append(orders)
        else:
            self._deliver(orders)

    def _deliver(self, orders: list[tuple[Open, int]]) -> None:
        """Each lease is asked once."""
        asked: list[Lease] = []
        for held, target in orders:
            if held.closed or held.lease in asked:
                continue
            if held.lease is not None:
                asked.append(held.lease)
            self._break(held, target)

    def _ack_oplock(self, step: steps.AckOplock, _waiting: object) -> tuple[object, ...]:
        held = self.opens[step.handle]
        if held.breaking_to is None:
            raise _Failed(nt.STATUS_INVALID_OPLOCK_PROTOCOL)
        held.level = min(step.level, held.breaking_to)
        held.breaking_to = None
        self._wake(held.file)
        return (nt.STATUS_SUCCESS, held.level)

    def _ack_lease(self, step: steps.AckLease, _waiting: object) -> tuple[object, ...]:
        lease = self.leases[step.client, step.key]
        if not lease.breaking:
            raise _Failed(nt.STATUS_UNSUCCESSFUL)
        if step.state & ~lease.requested:
            raise _Failed(nt.STATUS_REQUEST_NOT_ACCEPTED)
        lease.state = step.state
        lease.breaking = False
        required = lease.required
        if lease.state & ~required:
            # In several steps: WRITE and HANDLE go first, READ by itself.
            more = lease.state & ~READ
            self._tell(lease, lease.state & (required | READ) if more else required, required)
        self._wake(lease.file)
        return (nt.STATUS_SUCCESS, step.state)

    def _contend_level2(self, by: Open) -> None:
        """Before data change or are locked, read caching ends ([MS-FSA] 2.1.4.12, WRITE and LOCK_CONTROL)."""
        self._break_all([
            (held, 0)
            for held in by.file.opens
            if held.caches & READ and not held.caches & WRITE and not (by.lease and held.lease is by.lease)
        ])

    def _handle_holders(self, file: File, keep: Open | None) -> list[tuple[Open, int]]:
        return [
            (held, held.caches & ~HANDLE)
            for held in file.opens
            if held is not keep
            and held.caches & HANDLE
            and not (keep is not None and keep.lease and held.lease is keep.lease)
        ]

    # -- opening -------------------------------------------------------------------------------------------

    def _create(self, step: steps.Create, waiting: Waiting | None) -> tuple[object, ...] | File:
        file = self.names.get(step.name)
        lease = self.leases.get((step.client, step.lease)) if step.lease >= 0 else None
        if file is None and step.disposition in {FILE_OPEN, FILE_OVERWRITE}:
            raise _Failed(nt.STATUS_OBJECT_NAME_NOT_FOUND)
        if file is not None and step.disposition == FILE_CREATE:
            raise _Failed(nt.STATUS_OBJECT_NAME_COLLISION)
        if lease is not None and lease.file is not file:
            raise _Failed(nt.STATUS_INVALID_PARAMETER)
        if file is None:
            file = self.names[step.name] = File(step.name)
            return self._enter(step, file, lease, FILE_CREATED, _Others())
        if file.delete_pending:
            raise _Failed(nt.STATUS_DELETE_PENDING)
        violation = any(
            rules.share_conflict(step.access, step.share, one.access, one.share) for one in file.opens
        )
        others = self._look(step, file, lease, waiting is None, violation)
        if others.wait:
            self._break_all(others.breaks)
            return file
        if violation:
            self._break_all(others.breaks)
            raise _Failed(nt.STATUS_SHARING_VIOLATION)
        action = FILE_OPENED
        if step.disposition in _OVERWRITES:
            file.data.clear()
            action = FILE_SUPERSEDED if step.disposition == FILE_SUPERSEDE else FILE_OVERWRITTEN
        answer = self._enter(step, file, lease, action, others)
        self._break_all(others.breaks)
        return answer

    @staticmethod
    def _look(step: steps.Create, file: File, lease: Lease | None, first: bool, violation: bool) -> _Others:
        """What the opens that are there mean for one more: [MS-FSA] 2.1.4.12, OPEN and OPEN_BREAK_H."""
        found = _Others(locked=bool(file.locks))
        overwrites = step.disposition in _OVERWRITES
        mask = HANDLE if violation else WRITE
        if step.delete_on_close:
            mask |= HANDLE
        for held in file.opens:
            if held.level == rules.NONE:
                found.company |= not rules.only_attributes(held.access, lease=False)
                continue
            if lease is not None and held.lease is lease:
                continue
            state = held.caches
            breaking = held.lease is not None and held.lease.breaking
            found.company = True
            found.handle |= bool(state & HANDLE)
            found.writer |= bool(state & WRITE)
            found.oplock |= held.level != LEASE
            if not overwrites and rules.only_attributes(step.access, lease=held.level == LEASE):
                continue
            if overwrites:
                target = 0
                gives = bool(state & (READ | HANDLE | mask))
            else:
                target = state & ~mask
                gives = bool(state & mask)
            if not gives:
                found.wait |= breaking
                continue
            if held.level != LEASE:
                target &= READ
            found.breaks.append((held, target))
            found.wait |= bool(state & mask) or (breaking and not first)
        return found

    def _enter(
        self, step: steps.Create, file: File, lease: Lease | None, action: int, others: _Others
    ) -> tuple[object, ...]:
        entered = Open(step.id, step.client, file, step.access, step.share, step.delete_on_close)
        answer = self._grant(step, entered, lease, others)
        file.opens.append(entered)
        self.opens[step.id] = entered
        return (nt.STATUS_SUCCESS, action, entered.level, *answer)

    def _grant(
        self, step: steps.Create, entered: Open, lease: Lease | None, others: _Others
    ) -> tuple[object, ...]:
        """[MS-FSA] 2.1.5.18: what may be cached beside the others."""
        wanted = step.state if step.oplock == LEASE else rules.STATE[step.oplock]
        can = wanted
        if others.company:
            can &= ~WRITE
        if others.writer or others.locked:
            can &= ~READ
        if step.oplock != LEASE:
            if can & READ and not others.handle:
                entered.level = step.oplock if can & WRITE else rules.LEVEL_II
            return ()
        if others.oplock:
            can &= ~HANDLE
        if not can & READ:
            can = 0
        entered.level = LEASE
        if lease is None:
            lease = Lease(step.client, step.lease, entered.file, can, 1)
            self.leases[step.client, step.lease] = lease
        elif not lease.breaking and can == wanted and can != lease.state and not lease.state & ~can:
            lease.state = can
            lease.epoch += 1
        entered.lease = lease
        return (lease.state, lease.breaking, lease.epoch if lease.key % 2 else 0)

    # -- closing, deleting, renaming -----------------------------------------------------------------------

    def _leave(self, leaving: Open) -> None:
        file = leaving.file
        leaving.closed = True
        file.opens.remove(leaving)
        del self.opens[leaving.id]
        if any(lock.open_id == leaving.id for lock in file.locks):
            file.locks = [lock for lock in file.locks if lock.open_id != leaving.id]
            self._wake(file, locks=True)
        lease = leaving.lease
        if lease is not None and not any(one.lease is lease for one in file.opens):
            self.leases.pop((lease.client, lease.key), None)
        self._wake(file)

    def _close(self, step: steps.Close, _waiting: object) -> tuple[object, ...]:
        leaving = self.opens[step.handle]
        file = leaving.file
        for one in list(self.waiting):
            if isinstance(one.step, steps.Lock) and one.step.handle == leaving.id:
                self._give_up(one)
                self._done(one.step, nt.STATUS_RANGE_NOT_LOCKED)
        self._leave(leaving)
        if leaving.delete_on_close:
            file.delete_pending = True
        if file.delete_pending and not file.opens:
            del self.names[file.name]
        return (nt.STATUS_SUCCESS,)

    def _disposition(self, step: steps.Disposition, _waiting: object) -> tuple[object, ...] | File:
        by = self.opens.get(step.handle)
        if by is None:
            raise _Failed(nt.STATUS_FILE_CLOSED)
        if not by.access & rules.DELETE:
            raise _Failed(nt.STATUS_ACCESS_DENIED)
        if step.delete and (orders := self._handle_holders(by.file, by)):
            self._break_all(orders)
            return by.file
        if by.file.delete_pending and not step.delete:
            self._wake(by.file)
        by.file.delete_pending = step.delete
        return (nt.STATUS_SUCCESS,)

    def _rename(self, step: steps.Rename, waiting: Waiting | None) -> tuple[object, ...] | File:
        by = self.opens.get(step.handle)
        if by is None:
            raise _Failed(nt.STATUS_FILE_CLOSED)
        if not by.access & rules.DELETE:
            raise _Failed(nt.STATUS_ACCESS_DENIED)
        file = by.file
        target = self.names.get(step.name)
        # First whoever keeps the file itself open by caching, then whoever does so with what is to be replaced.
        checked = waiting is not None and waiting.checked
        if not checked and (waiting is None or waiting.on is file) and (orders := self._handle_holders(file, by)):
            self._break_all(orders)
            return file
        replaced = target if step.replace and target is not file else None
        if not checked and replaced is not None and (orders := self._handle_holders(replaced, None)):
            self._break_all(orders)
            return replaced
        if waiting is not None and not checked and any(one.woken for one in self.waiting) and self.choose(2):
            # Others may come between the check and the rename.
            waiting.checked = waiting.woken = True
            return waiting.on
        if target is file:
            return (nt.STATUS_SUCCESS,)
        if target is not None:
            if not step.replace:
                raise _Failed(nt.STATUS_OBJECT_NAME_COLLISION)
            if target.opens:
                raise _Failed(nt.STATUS_ACCESS_DENIED)
        del self.names[file.name]
        file.name = step.name
        self.names[step.name] = file
        self._wake(file)
        return (nt.STATUS_SUCCESS,)

    def _kill(self, client: int) -> None:
        """Nobody is told, nothing is deleted; whoever waited for the dead goes on."""
        for waiting in [one for one in self.waiting if one.client == client]:
            self._give_up(waiting)
        for gone in [one for one in self.opens.values() if one.client == client]:
            self._leave(gone)
            if not gone.file.opens:
                gone.file.delete_pending = False

    # -- data and locks ------------------------------------------------------------------------------------

    def _lock(self, step: steps.Lock, waiting: Waiting | None) -> tuple[object, ...] | File:
        by = self.opens[step.handle]
        if not by.access & (rules.READ_DATA | rules.WRITE_DATA):
            raise _Failed(nt.STATUS_ACCESS_DENIED)
        if waiting is None:
            self._contend_level2(by)
        held = list(by.file.locks)
        for start, length, exclusive in step.elements:
            wanted = rules.Range(by.id, start, length, exclusive)
            if rules.lock_refused(held, wanted):
                if step.wait:
                    return by.file
                raise _Failed(nt.STATUS_LOCK_NOT_GRANTED)
            held.append(wanted)
        by.file.locks = held
        return (nt.STATUS_SUCCESS,)

    def _unlock(self, step: steps.Unlock, _waiting: object) -> tuple[object, ...]:
        by = self.opens[step.handle]
        locks = by.file.locks
        for start, length in step.elements:
            mine = [one for one in locks if one[:3] == (by.id, start, length)]
            if not mine:
                raise _Failed(nt.STATUS_RANGE_NOT_LOCKED)
            # The exclusive one first: that is what a shared one on top of it is for ([MS-FSA] 2.1.5.9).
            locks.remove(next((one for one in mine if one.exclusive), mine[0]))
            self._wake(by.file, locks=True)
        return (nt.STATUS_SUCCESS,)

    def _read(self, step: steps.Read, _waiting: object) -> tuple[object, ...]:
        by = self.opens[step.handle]
        if not by.access & rules.READ_DATA:
            raise _Failed(nt.STATUS_ACCESS_DENIED)
        if rules.access_refused(by.file.locks, by.id, step.offset, step.length, write=False):
            raise _Failed(nt.STATUS_FILE_LOCK_CONFLICT)
        data = bytes(by.file.data[step.offset : step.offset + step.length])
        if not data:
            raise _Failed(nt.STATUS_END_OF_FILE)
        return (nt.STATUS_SUCCESS, data)

    def _write(self, step: steps.Write, _waiting: object) -> tuple[object, ...]:
        by = self.opens[step.handle]
        if not by.access & rules.WRITE_DATA:
            raise _Failed(nt.STATUS_ACCESS_DENIED)
        if rules.access_refused(by.file.locks, by.id, step.offset, step.length, write=True):
            raise _Failed(nt.STATUS_FILE_LOCK_CONFLICT)
        self._contend_level2(by)
        data = by.file.data
        end = step.offset + step.length
        data.extend(bytes(max(0, end - len(data))))
        data[step.offset : end] = bytes([step.value]) * step.length
        return (nt.STATUS_SUCCESS, step.length)

    _HANDLERS: Final[dict[type[steps.Step], Callable[..., tuple[object, ...] | File]]] = {
        steps.Create: _create,
        steps.Close: _close,
        steps.AckOplock: _ack_oplock,
        steps.AckLease: _ack_lease,
        steps.Lock: _lock,
        steps.Unlock: _unlock,
        steps.Read: _read,
        steps.Write: _write,
        steps.Disposition: _disposition,
        steps.Rename: _rename,
    }


class _Others:
    """What other opens mean for a new one: caching to break first, and what it can still be granted."""

    def __init__(self, *, locked: bool = False) -> None:
        self.breaks: list[tuple[Open, int]] = []
        self.wait = False
        self.company = False
        self.handle = False
        self.writer = False
        self.oplock = False
        self.locked = locked
