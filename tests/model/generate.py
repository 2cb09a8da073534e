"""Random steps that fit the state of the model: mostly sensible, now and then not."""

from __future__ import annotations

import random
from typing import Final

from tests.model import rules, steps
from tests.model.rules import ALL, BATCH, EXCLUSIVE, HANDLE, LEASE, LEVEL_II, NONE, READ, WRITE
from tests.model.state import Lease, Open
from tests.model.world import World
from vfs.constants import (
    FILE_CREATE,
    FILE_OPEN,
    FILE_OPEN_IF,
    FILE_OVERWRITE,
    FILE_OVERWRITE_IF,
    FILE_SUPERSEDE,
)

CLIENTS: Final = 4
NAMES: Final = ("f0", "f1", "f2", "f3")
KEYS: Final = 4

_LOOK: Final = rules.READ_ATTRIBUTES
_ACCESS: Final = (
    (rules.READ_DATA, 4),
    (rules.WRITE_DATA, 2),
    (rules.READ_DATA | rules.WRITE_DATA, 6),
    (rules.READ_DATA | rules.WRITE_DATA | rules.DELETE, 4),
    (rules.DELETE | _LOOK, 2),
    (_LOOK, 1),
    (_LOOK | rules.WRITE_ATTRIBUTES | rules.SYNCHRONIZE, 1),
    (_LOOK | rules.READ_CONTROL, 1),
)
_SHARE: Final = ((7, 10), (3, 2), (1, 2), (5, 1), (0, 1))
_DISPOSITION: Final = (
    (FILE_OPEN_IF, 12),
    (FILE_OPEN, 5),
    (FILE_CREATE, 1),
    (FILE_OVERWRITE_IF, 2),
    (FILE_OVERWRITE, 1),
    (FILE_SUPERSEDE, 1),
)
_OPLOCK: Final = ((NONE, 4), (LEVEL_II, 2), (EXCLUSIVE, 2), (BATCH, 3), (LEASE, 10))
_STATES: Final = ((0, 1), (READ, 3), (READ | HANDLE, 5), (READ | WRITE, 3), (ALL, 6))
_MAX_OPENS: Final = 14
MAX_WAITING: Final = 4
_OFFSETS: Final = (0, 4, 8, 10, 16)
_LENGTHS: Final = (0, 1, 4, 6, 10)
_HIGH: Final = (1 << 64) - 8

#: A break is answered at the latest after so many steps: the server's patience is counted in seconds.
_OVERDUE: Final = 150


class Generator:
    """Makes steps.

    Args:
        random_: the source of all choices.
        kill: steps may kill workers.
    """

    def __init__(self, random_: random.Random, *, kill: bool = False) -> None:
        self._random = random_
        self._kill = kill
        self._id = 0
        self._breaking_since: dict[object, int] = {}

    def next(self, world: World) -> steps.Step:
        """Make a step that can be done now."""
        self._id += 1
        answer = self._answer_break(world)
        if answer is not None:
            return answer
        while True:
            step = self._any(world)
            if step is not None and world.applies(step):
                return step

    def _pick(self, weighted: tuple[tuple[int, int], ...]) -> int:
        values, weights = zip(*weighted, strict=True)
        return int(self._random.choices(values, weights)[0])

    def _breaking(self, world: World) -> list[Open | Lease]:
        found: list[Open | Lease] = [one for one in world.opens.values() if one.breaking_to is not None]
        found += [one for one in world.leases.values() if one.breaking]
        self._breaking_since = {one: self._breaking_since.get(one, self._id) for one in found}
        return found

    def _answer_break(self, world: World) -> steps.Step | None:
        for one in self._breaking(world):
            if self._id - self._breaking_since[one] > _OVERDUE or self._random.random() < 0.15:
                return self._answer(one)
        return None

    def _answer(self, one: Open | Lease) -> steps.Step:
        if isinstance(one, Open):
            level = self._random.choice((LEVEL_II, NONE))
            return steps.AckOplock(self._id, one.client, one.id, level)
        wrong = self._random.random() < 0.03
        state = self._random.choice((0, READ, READ | HANDLE, ALL)) if wrong else one.requested
        if self._random.random() < 0.15:
            state = self._random.choice((0, one.requested & READ))
        return steps.AckLease(self._id, one.client, one.key, state)

    def _any(self, world: World) -> steps.Step | None:
        roll = self._random.random()
        if not world.opens or (roll < 0.3 and len(world.opens) < _MAX_OPENS and self._may_wait(world)):
            return self._create()
        if roll < 0.3 or not world.opens:
            roll = 0.99 if world.opens else 0.0
        if self._kill and roll > 0.997:
            return steps.Kill(self._id, self._random.randrange(CLIENTS))
        if world.waiting and roll > 0.96:
            waiting = self._random.choice(world.waiting)
            return steps.Cancel(self._id, waiting.client, waiting.step.id)
        busy = {one.step.handle for one in world.waiting if isinstance(one.step, steps.Rename | steps.Disposition)}
        handles = [one for one in world.opens.values() if one.id not in busy]
        if not handles:
            return self._create() if self._may_wait(world) else None
        return self._with(world, self._random.choice(handles), roll)

    @staticmethod
    def _may_wait(world: World) -> bool:
        return len(world.waiting) < MAX_WAITING

    def _create(self) -> steps.Step:
        oplock = self._pick(_OPLOCK)
        access = self._pick(_ACCESS)
        leases = oplock == LEASE
        return steps.Create(
            self._id,
            self._random.randrange(CLIENTS),
            self._random.choice(NAMES[:3]),
            access,
            self._pick(_SHARE),
            self._pick(_DISPOSITION),
            bool(access & rules.DELETE) and self._random.random() < 0.1,
            oplock,
            self._random.randrange(KEYS) if leases else -1,
            self._pick(_STATES) if leases else 0,
        )

    def _with(self, world: World, by: Open, roll: float) -> steps.Step | None:
        """A request about an open."""
        chance = self._random
        if roll < 0.48:
            return steps.Close(self._id, by.client, by.id)
        if roll < 0.62:
            wait = chance.random() < 0.4
            if wait and not self._may_wait(world):
                return None
            count = 1 if wait else chance.choice((1, 1, 1, 2, 3))
            elements = tuple((*self._range(), chance.random() < 0.6) for _ in range(count))
            return steps.Lock(self._id, by.client, by.id, elements, wait)
        if roll < 0.72:
            mine = [lock for lock in by.file.locks if lock.open_id == by.id]
            if not mine or chance.random() < 0.05:
                return steps.Unlock(self._id, by.client, by.id, (self._range(),))
            count = chance.choice((1, 1, 2))
            chosen = tuple(chance.choice(mine)[1:3] for _ in range(count))
            return steps.Unlock(self._id, by.client, by.id, chosen)
        if roll < 0.78:
            return steps.Read(self._id, by.client, by.id, chance.choice(_OFFSETS), chance.choice((1, 4, 8)))
        if roll < 0.87:
            value = chance.randrange(1, 256)
            return steps.Write(self._id, by.client, by.id, chance.choice(_OFFSETS), chance.choice((1, 4, 8)), value)
        if by.file.delete_pending and roll < 0.95:
            return steps.Disposition(self._id, by.client, by.id, delete=False)
        if not self._may_wait(world):
            return None
        if roll < 0.90:
            return steps.Disposition(self._id, by.client, by.id, delete=True)
        # What renaming a deleted name means is not this model's subject.
        if by.file.delete_pending:
            return None
        return steps.Rename(self._id, by.client, by.id, chance.choice(NAMES), chance.random() < 0.6)

    def _range(self) -> tuple[int, int]:
        if self._random.random() < 0.05:
            return _HIGH, self._random.choice((0, 4, 8))
        return self._random.choice(_OFFSETS), self._random.choice(_LENGTHS)
