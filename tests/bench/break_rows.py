"""Rows with two clients: how long one waits until the other has given way, or has been told."""

from __future__ import annotations

import os
import statistics
import struct
import time

from smbd.wire.change_notify import ChangeNotifyRequest
from smbd.wire.constants import (
    SMB2_CHANGE_NOTIFY,
    SMB2_CREATE_REQUEST_LEASE,
    SMB2_LEASE_HANDLE_CACHING,
    SMB2_LEASE_READ_CACHING,
    SMB2_LEASE_WRITE_CACHING,
    SMB2_OPLOCK_BREAK,
    SMB2_OPLOCK_LEVEL_BATCH,
    SMB2_OPLOCK_LEVEL_II,
    SMB2_OPLOCK_LEVEL_LEASE,
)
from smbd.wire.create_context_lease import LeaseContextV2
from smbd.wire.oplock_break import LeaseBreakAcknowledgment, OplockBreakAcknowledgment
from tests.bench.lab import EVERYWHERE, TOGETHER, Lab
from tests.bench.metadata_rows import close, create, lane_file, lane_files
from tests.bench.rawclient import FILE_ID, SERIAL, Lane, LoadError, RawClient, Step
from tests.bench.row import CPU, WALL, Row, Sample, at_most
from vfs.access import FILE_READ_ATTRIBUTES, FILE_READ_DATA
from vfs.constants import FILE_CREATE, FILE_DELETE_ON_CLOSE, FILE_DIRECTORY_FILE, FILE_NON_DIRECTORY_FILE

TWO = "Two clients"
_RH = SMB2_LEASE_READ_CACHING | SMB2_LEASE_HANDLE_CACHING
_RWH = _RH | SMB2_LEASE_WRITE_CACHING
_FILTER = 0x17  # names of files and directories, attributes, last write
_ENTRY = struct.Struct("<III")


class Break(Row):
    """One client holds a file, another opens it: from its request to its response, the break and its
    acknowledgment between them. The CPU time is that of the whole round: two opens, break, two closes."""

    group = TWO
    goal = at_most(1.2, WALL)

    def __init__(self, name: str, title: str, *, lease: bool) -> None:
        self.name, self.title = name, title
        self._lease = lease

    def prepare(self, lab: Lab) -> None:
        lane_files(lab)

    def _opening(self, raw: RawClient) -> tuple[Step, Step]:
        """What the holder opens with, and how he acknowledges the break."""
        name, tree = lane_file(0), raw.tree
        if not self._lease:
            acknowledgment = OplockBreakAcknowledgment(*FILE_ID, SMB2_OPLOCK_LEVEL_II)
            return create(tree, name, oplock=SMB2_OPLOCK_LEVEL_BATCH), Step(tree, (SMB2_OPLOCK_BREAK, acknowledgment))
        key = os.urandom(16)
        contexts = {SMB2_CREATE_REQUEST_LEASE: LeaseContextV2(key, _RWH).pack()}
        acknowledgment = LeaseBreakAcknowledgment(key, _RH)
        opening = create(tree, name, oplock=SMB2_OPLOCK_LEVEL_LEASE, contexts=contexts)
        return opening, Step(tree, (SMB2_OPLOCK_BREAK, acknowledgment))

    def run(self, lab: Lab) -> Sample:
        with RawClient(lab.server, window=64) as holder, RawClient(lab.server, window=64) as other:
            lab.pin(TOGETHER)
            held, wanted = Lane([]), Lane([])
            opening, acknowledge = self._opening(holder)
            closing, other_closing = close(holder.tree), close(other.tree)
            other_opening = create(other.tree, lane_file(0))
            times: list[float] = []

            def work() -> float:
                for _ in range(lab.load.breaks):
                    holder.call(opening, held)
                    wanted.steps, wanted.index = [other_opening], 0
                    began = time.perf_counter()
                    other.post(wanted)
                    other.flush()
                    holder.receive()  # the break
                    held.steps, held.index = [acknowledge], 0
                    holder.post(held)
                    holder.flush()
                    status, message = other.receive()
                    times.append(time.perf_counter() - began)
                    if status:
                        raise LoadError(f"the open that broke the oplock ended with {status:#x}")
                    wanted.file_id = bytes(message[128:144])
                    status, _ = holder.receive()
                    if status:
                        raise LoadError(f"the acknowledgment ended with {status:#x}")
                    other.call(other_closing, wanted)
                    holder.call(closing, held)
                return statistics.median(times)

            median, cpu = lab.cpu_of(work)
        lab.wait_idle()
        return {WALL: median * 1e6, CPU: cpu * 1e6 / lab.load.breaks}


class NotifyLatency(Row):
    """From the CREATE that makes a file to the response of another client's CHANGE_NOTIFY."""

    name = "notify"
    title = "change notification: from the CREATE to the watcher's response, p50"
    group = TWO
    goal = at_most(1.0, WALL)

    def run(self, lab: Lab) -> Sample:
        lab.empty("watched")
        with RawClient(lab.server, window=64) as watcher, RawClient(lab.server, window=64) as maker:
            lab.pin(TOGETHER)
            watch, made = Lane([]), Lane([])
            ask = _watch(watcher, watch)
            closing = close(maker.tree)
            times: list[float] = []

            def work() -> float:
                for number in range(lab.load.breaks // 2):
                    making = create(maker.tree, rf"watched\file-{number:06}", disposition=FILE_CREATE)
                    watch.steps, watch.index = [ask], 0
                    watcher.post(watch)
                    watcher.flush()
                    time.sleep(0.001)  # the watch is in force: the server has nothing else to do
                    began = time.perf_counter()
                    maker.call(making, made)
                    watcher.receive()
                    times.append(time.perf_counter() - began)
                    maker.call(closing, made)
                    # What else the file's birth brings comes now, and not into the next round.
                    watch.steps = [ask]
                return statistics.median(times)

            median, cpu = lab.cpu_of(work)
        lab.wait_idle()
        return {WALL: median * 1e6, CPU: cpu * 1e6 / (lab.load.breaks // 2)}


class NotifyRate(Row):
    """Files made and removed by one client as fast as it can, while another watches and counts what it is told."""

    name = "notify-rate"
    title = "change notification: per event, while another client makes and removes files"
    group = TWO
    goal = at_most(1.0, WALL)

    def run(self, lab: Lab) -> Sample:
        lab.empty("watched")
        with RawClient(lab.server, window=64) as watcher, RawClient(lab.server, window=64) as maker:
            watch = Lane([])
            ask = _watch(watcher, watch)
            steps = [
                create(maker.tree, rf"watched\file-{SERIAL}", disposition=FILE_CREATE,
                       access=FILE_READ_DATA | 0x00010000, options=FILE_NON_DIRECTORY_FILE | FILE_DELETE_ON_CLOSE),
                close(maker.tree),
            ]  # fmt: skip
            lab.pin(EVERYWHERE)
            events = 0
            end = 0.0

            def work() -> float:
                nonlocal events, end
                watch.steps, watch.index = [ask], 0
                watcher.post(watch)
                watcher.flush()
                time.sleep(0.01)
                began = time.perf_counter()
                end = began
                pid = os.fork()
                if pid == 0:
                    try:
                        maker.run([Lane(steps)], lab.load.seconds)
                    finally:
                        os._exit(0)
                while received := watcher.receive_within(0.5):
                    status, message = received
                    if status:
                        raise LoadError(f"CHANGE_NOTIFY ended with {status:#x}")
                    end = time.perf_counter()
                    events += _count(message)
                    watcher.post(watch)
                os.waitpid(pid, 0)
                return end - began

            seconds, cpu = lab.cpu_of(work)
        lab.wait_idle()
        if not events:
            raise LoadError("no event arrived")
        return {WALL: seconds * 1e6 / events, CPU: cpu * 1e6 / events}


def _watch(watcher: RawClient, lane: Lane) -> Step:
    directory = create(watcher.tree, "watched", FILE_READ_DATA | FILE_READ_ATTRIBUTES, options=FILE_DIRECTORY_FILE)
    watcher.call(directory, lane)
    return Step(watcher.tree, (SMB2_CHANGE_NOTIFY, ChangeNotifyRequest(*FILE_ID, _FILTER, 65536, 0)))


def _count(message: memoryview) -> int:
    """How many changes a CHANGE_NOTIFY response tells of ([MS-FSCC] 2.7.1)."""
    offset, length = struct.unpack_from("<2xHI", message, 64)
    count = at = 0
    while length:
        count += 1
        following = _ENTRY.unpack_from(message, offset + at)[0]
        if not following:
            break
        at += following
    return count


def break_rows() -> list[Row]:
    """All of them."""
    return [
        Break("oplock-break", "oplock break: an open waits for another client's acknowledgment, p50", lease=False),
        Break("lease-break", "lease break: likewise, p50", lease=True),
        NotifyLatency(),
        NotifyRate(),
    ]
