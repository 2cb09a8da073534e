"""The rows that the raw client drives: each is a handful of packed requests, repeated."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from typing import NamedTuple

from smbd.wire.constants import SMB2_SIGNING_AES_CMAC, SMB2_SIGNING_AES_GMAC
from tests.bench.lab import EVERYWHERE, TOGETHER, Lab
from tests.bench.rawclient import Lane, RawClient, Step
from tests.bench.row import CPU, DEEP, DEEP_CPU, FOUR, WALL, Goal, Row, Sample
from tests.smbxcli import Offer, Protection, Tree

_DEPTH = 32
_CONNECTIONS = 4
#: More than this is never in flight.
_FLIGHT_BYTES = 8 << 20


class Guard(NamedTuple):
    """How the messages of a row are protected."""

    name: str
    protection: Protection
    signing: int = SMB2_SIGNING_AES_GMAC


PLAIN = Guard("plain", Protection.PLAIN)
CMAC = Guard("signed CMAC", Protection.SIGN, SMB2_SIGNING_AES_CMAC)
GMAC = Guard("signed GMAC", Protection.SIGN)
GCM = Guard("encrypted GCM", Protection.SEAL)


class Operation(Row):
    """An operation of some requests on connections that stay.

    Args:
        steps: make the requests of one lane; the number tells lanes apart, over all connections.
        opening: make what each lane does once before all.
        ready: make the files, before the connections.
        reset: before each measurement; returns how many operations there are to do, if that is limited.
        wrap: serial numbers begin again here.
        entries: what the figures are divided by: operations that stand for many.
        payload: bytes that one operation moves.
        depth: measure at this queue depth in place of 1.
        wide: measure with many at a time and with several connections, too.
    """

    def __init__(
        self,
        name: str,
        title: str,
        group: str,
        goal: Goal | None,
        steps: Callable[[Tree, int], list[Step]],
        *,
        opening: Callable[[Tree, int], list[Step]] | None = None,
        ready: Callable[[Lab], None] | None = None,
        reset: Callable[[Lab], int | None] | None = None,
        wrap: Callable[[Lab], int] = lambda _lab: 0,
        entries: Callable[[Lab], int] = lambda _lab: 1,
        payload: int = 0,
        depth: int = 1,
        wide: bool = True,
        guard: Guard = PLAIN,
        share: str = "tmp",
        only: frozenset[str] | None = None,
    ) -> None:
        self.name, self.title, self.group, self.goal = name, title, group, goal
        self._steps, self._opening, self._ready, self._reset = steps, opening, ready, reset
        self._wrap, self._entries = wrap, entries
        self._depth = depth
        self._deep = max(1, min(_DEPTH, _FLIGHT_BYTES // payload)) if payload else _DEPTH
        self._wide = wide
        self._guard = guard
        self._share = share
        self.only = only  # type: ignore[misc]
        self._clients: dict[str, list[tuple[RawClient, list[Lane]]]] = {}

    def prepare(self, lab: Lab) -> None:
        if self._ready is not None:
            self._ready(lab)
        lab.pin(TOGETHER)
        clients = self._clients[lab.server.name] = []
        for number in range(_CONNECTIONS if self._wide else 1):
            count = max(self._deep if self._wide else 1, self._depth) if number == 0 else 1
            clients.append(self._connect(lab, number * _DEPTH, count))
        # The first hundreds of requests of a process are not like the others.
        raw, lanes = clients[0]
        self._limit(lab, lanes)
        raw.run(lanes, lab.load.seconds / 4)

    def _connect(self, lab: Lab, first: int, count: int) -> tuple[RawClient, list[Lane]]:
        offer = Offer(signing=(self._guard.signing,))
        raw = RawClient(lab.server, self._share, offer=offer, protection=self._guard.protection)
        numbers = range(first, first + count)
        wrap = self._wrap(lab)
        lanes = [Lane(self._steps(raw.tree, number), wrap=wrap) for number in numbers]
        if self._opening is not None:
            raw.once(lanes, [self._opening(raw.tree, number) for number in numbers])
        return raw, lanes

    def narrow(self) -> None:
        """Measure one operation at a time only."""
        self._wide = False

    def finish(self, lab: Lab) -> None:
        for raw, _ in self._clients.pop(lab.server.name, []):
            raw.close()
        lab.wait_idle()

    def run(self, lab: Lab) -> Sample:
        clients = self._clients[lab.server.name]
        raw, lanes = clients[0]
        entries = self._entries(lab)
        lab.pin(TOGETHER)
        self._limit(lab, lanes[: self._depth])

        tally, cpu = lab.cpu_of(lambda: raw.run(lanes[: self._depth], lab.load.seconds))
        count = tally.operations * entries
        sample = {CPU: cpu * 1e6 / count, WALL: tally.seconds * 1e6 / count}
        if self._depth == 1:
            sample[WALL] = sorted(tally.times)[tally.operations // 2] * 1e6 / entries
        if self._wide and self._deep > 1:
            self._limit(lab, lanes[: self._deep])
            tally, cpu = lab.cpu_of(lambda: raw.run(lanes[: self._deep], lab.load.seconds))
            sample[DEEP_CPU] = cpu * 1e6 / tally.operations
            sample[DEEP] = tally.seconds * 1e6 / tally.operations
        if self._wide:
            lab.pin(EVERYWHERE)
            chosen = [(one, some[:1]) for one, some in clients]
            self._limit(lab, [lane for _, some in chosen for lane in some])
            sample[FOUR] = 1e6 / _at_once(chosen, lab.load.seconds)
        return sample

    def _limit(self, lab: Lab, lanes: list[Lane]) -> None:
        if self._reset is None:
            return
        count = self._reset(lab)
        for lane in lanes:
            lane.serial = 0
        if count is None:
            return
        # Files are numbered through; each lane has a part of them.
        share = count // len(lanes)
        for number, lane in enumerate(lanes):
            lane.serial, lane.limit = number * share, (number + 1) * share


def _at_once(clients: list[tuple[RawClient, list[Lane]]], seconds: float) -> float:
    """Let a process of its own drive each connection; return operations per second of all together."""
    children = []
    begin_read, begin_write = os.pipe()
    for raw, lanes in clients:
        read, write = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(begin_write)
            result: object = None
            try:
                os.read(begin_read, 1)
                tally = raw.run(lanes, seconds)
                serials = [lane.serial for lane in lanes]
                result = (tally.operations / tally.seconds, raw.position, serials)
            except Exception as error:  # noqa: BLE001 - goes to the parent
                result = f"{type(error).__name__}: {error}"
            finally:
                os.write(write, pickle.dumps(result))
                os._exit(0)
        os.close(write)
        children.append((pid, read))
    os.close(begin_read)
    os.close(begin_write)
    rate = 0.0
    problems = []
    for (pid, read), (raw, lanes) in zip(children, clients, strict=True):
        with os.fdopen(read, "rb") as pipe:
            result = pickle.loads(pipe.read())
        os.waitpid(pid, 0)
        if isinstance(result, str):
            problems.append(result)
            continue
        part, raw.position, serials = result
        rate += part
        for lane, serial in zip(lanes, serials, strict=True):
            lane.serial = serial
    if problems:
        raise RuntimeError("; ".join(problems))
    return rate
