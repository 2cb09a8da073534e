"""Rows of handles that outlive their connection."""

from __future__ import annotations

import os
import struct

from smbd.wire.constants import (
    SMB2_CREATE_DURABLE_HANDLE_RECONNECT_V2,
    SMB2_CREATE_DURABLE_HANDLE_REQUEST_V2,
    SMB2_OPLOCK_LEVEL_BATCH,
)
from smbd.wire.create_context_durable import DurableHandleReconnectV2, DurableHandleRequestV2
from tests.bench.lab import TOGETHER, Lab
from tests.bench.metadata_rows import close, create
from tests.bench.rawclient import Lane, RawClient
from tests.bench.row import CPU, WALL, Row, Sample, at_most
from tests.smbxcli import Offer

HANDLES = "Handles that survive"
_FILE_ID = struct.Struct("<QQ")


class Reconnect(Row):
    """Open many files with durable handles, lose the connection, and fetch them all on a new one.

    Args:
        part: which of the sorted times is shown, from 0 to 1; None for the mean, which is the rate.
    """

    group = HANDLES
    goal = at_most(1.0, WALL)

    def __init__(self, name: str, title: str, part: float | None) -> None:
        self.name, self.title = name, title
        self._part = part

    def prepare(self, lab: Lab) -> None:
        lab.fill("durables", lab.load.durables)

    def run(self, lab: Lab) -> Sample:
        lab.pin(TOGETHER)
        offer = Offer(client_guid=os.urandom(16))
        count = lab.load.durables
        ids, guids = [], [os.urandom(16) for _ in range(count)]
        first = RawClient(lab.server, offer=offer)
        lane = Lane([])
        for number in range(count):
            contexts = {
                SMB2_CREATE_DURABLE_HANDLE_REQUEST_V2: DurableHandleRequestV2(300_000, 0, guids[number]).pack()
            }
            step = create(first.tree, rf"durables\file-{number:08}", oplock=SMB2_OPLOCK_LEVEL_BATCH, contexts=contexts)
            if SMB2_CREATE_DURABLE_HANDLE_REQUEST_V2 not in bytes(first.call(step, lane)):
                raise RuntimeError("no durable handle was granted")
            ids.append(_FILE_ID.unpack(lane.file_id))
        session_id = first.session.session_id
        first.close()
        lab.wait_idle()
        with RawClient(lab.server, offer=offer, previous_session_id=session_id) as second:
            lanes = []
            for number in range(count):
                reconnect = DurableHandleReconnectV2(*ids[number], guids[number])
                contexts = {SMB2_CREATE_DURABLE_HANDLE_RECONNECT_V2: reconnect.pack()}
                name = rf"durables\file-{number:08}"
                step = create(second.tree, name, oplock=SMB2_OPLOCK_LEVEL_BATCH, contexts=contexts)
                lanes.append(Lane([step]))
            lab.pin(TOGETHER)
            times: list[float] = []

            def work() -> float:
                for one in lanes:
                    times.extend(second.run([one], 0).times)
                return sum(times)

            seconds, cpu = lab.cpu_of(work)
            closing = close(second.tree)
            for one in lanes:
                second.call(closing, one)
        lab.wait_idle()
        shown = seconds / count if self._part is None else sorted(times)[int(count * self._part)]
        return {WALL: shown * 1e6, CPU: cpu * 1e6 / count}


def handle_rows() -> list[Row]:
    """All of them."""
    return [
        Reconnect("reconnect", "reconnect of 1,000 durable handles, each, mean", None),
        Reconnect("reconnect-p99", "the same, p99", 0.99),
    ]
