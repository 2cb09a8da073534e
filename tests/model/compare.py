"""Episodes: the same steps done to the model and to the server, step by step, and the shortest way to a difference."""

from __future__ import annotations

import copy
import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from tests.model import steps
from tests.model.clients import Clients
from tests.model.generate import MAX_WAITING, Generator
from tests.model.world import Event, World
from tests.smbxcli import SmbxError
from vfs.ntstatus import status_name

_MAX_ORDERS: Final = 2000


@dataclass
class Difference(Exception):  # noqa: N818 - a finding
    """The server did something else than the model.

    Attributes:
        done: the steps up to and including the one that differs.
        expected: what the model says.
        seen: what the clients saw.
        note: what went wrong otherwise.
    """

    done: list[steps.Step]
    expected: Counter[Event] = field(default_factory=Counter)
    seen: Counter[Event] = field(default_factory=Counter)
    note: str = ""

    def __str__(self) -> str:
        return "\n".join([*(f"  {step}" for step in self.done), self.what()])

    def what(self) -> str:
        """The difference without the way to it."""
        lines = [f"  expected, not seen: {_show(event)}" for event in self.expected - self.seen]
        lines += [f"  seen, not expected: {_show(event)}" for event in self.seen - self.expected]
        return "\n".join([*lines, *([f"  {self.note}"] if self.note else [])])


def _show(event: Event) -> str:
    if event[0] == "done" and isinstance(event[2], int):
        rest = " ".join(map(str, event[3:]))
        return f"answer to #{event[1]}: {status_name(event[2])} {rest}".rstrip()
    if event[0] == "wait":
        return f"#{event[1]} has to wait"
    if event[0] == "oplock":
        return f"oplock of #{event[1]} breaks to {event[2]}"
    _, client, key, old, new, answer, epoch = event
    return f"lease {key} of client {client} breaks {old} -> {new}{' (answer wanted)' if answer else ''} epoch {epoch}"


def do(world: World, clients: Clients, step: steps.Step, done: list[steps.Step]) -> World:
    """Do a step to both; return the model's state after it.

    Raises:
        Difference: they do not agree.
    """
    done.append(step)
    before = copy.deepcopy(world) if len(world.waiting) > 1 else None
    expected = Counter(world.do(step))
    try:
        seen = clients.do(step)
        deadline = time.monotonic() + clients.patience
        while seen != expected:
            others = [] if before is None else list(_other_orders(before, step))
            for other, events in others:
                if events == seen:
                    return other
            possible = [expected, *(events for _, events in others)]
            if time.monotonic() > deadline or all(seen - events for events in possible):
                raise Difference(done, expected, seen)
            clients.wait_for_more(max(0, deadline - time.monotonic()))
            seen += clients.collect()
    except (SmbxError, KeyError) as error:
        raise Difference(done, expected, note=repr(error)) from error
    return world


def _other_orders(before: World, step: steps.Step) -> Iterator[tuple[World, Counter[Event]]]:
    """The same step with the waiters looking again in other orders."""
    todo: list[tuple[int, ...]] = [()]
    for _ in range(_MAX_ORDERS):
        if not todo:
            return
        picks = todo.pop(0)
        world = copy.deepcopy(before)
        made: list[int] = []

        def choose(count: int, picks: tuple[int, ...] = picks, made: list[int] = made) -> int:
            at = len(made)
            made.append(count)
            return picks[at] if at < len(picks) else 0

        world.choose = choose
        events = Counter(world.do(step))
        world.choose = World.choose_first
        yield world, events
        for at in range(len(picks), len(made)):
            todo += [(*picks, *([0] * (at - len(picks))), other) for other in range(1, made[at])]


class Comparison:
    """Runs episodes against one server.

    Attributes:
        steps_done: over all episodes.
    """

    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        self.steps_done = 0

    def episode(self, seed: int, count: int, *, kill: bool = False) -> None:
        """Do `count` random steps, beginning with no file at all.

        Raises:
            Difference: server and model do not agree, or something is left over at the end.
        """
        generator = Generator(random.Random(seed), kill=kill)
        world = World()
        done: list[steps.Step] = []
        try:
            for _ in range(count):
                world = do(world, self._clients, generator.next(world), done)
                self.steps_done += 1
            self._finish(done)
        except Difference:
            self._clients.reset(reconnect=True)
            raise

    def _finish(self, done: list[steps.Step]) -> None:
        try:
            left = self._clients.reset()
        except SmbxError as error:
            raise Difference(done, note=f"at the end: {error!r}") from error
        if left:
            raise Difference(done, note="left over: " + "; ".join(left))

    def replay(self, sequence: Sequence[steps.Step]) -> Difference | None:
        """Do given steps, beginning with no file at all; return the difference if there is one."""
        self._clients.reset(reconnect=True)
        world = World()
        done: list[steps.Step] = []
        try:
            for step in sequence:
                if world.applies(step) and len(world.waiting) <= MAX_WAITING:
                    world = do(world, self._clients, step, done)
            self._finish(done)
        except Difference as found:
            return found
        return None

    def shrink(self, found: Difference, seconds: float = 60) -> Difference:
        """Leave out steps as long as there is still a difference."""
        patience, self._clients.patience = self._clients.patience, 1.0
        deadline = time.monotonic() + seconds
        best = found
        size = max(1, len(best.done) // 2)
        while size and time.monotonic() < deadline:
            at = 0
            while at < len(best.done) and time.monotonic() < deadline:
                shorter = best.done[:at] + best.done[at + size :]
                other = self.replay(shorter)
                if other is not None and len(other.done) < len(best.done):
                    best = other
                else:
                    at += size
            size //= 2
        self._clients.patience = patience
        self._clients.reset(reconnect=True)
        return best
