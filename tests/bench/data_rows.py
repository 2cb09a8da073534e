"""Rows of READ and WRITE, by size and protection, and of server-side copy."""

from __future__ import annotations

from smbd.wire.constants import SMB2_IOCTL, SMB2_READ, SMB2_WRITE
from smbd.wire.fsctl import CopyChunk, CopyChunkRequest, ResumeKeyResponse
from smbd.wire.fsctl_codes import FSCTL_SRV_COPYCHUNK, FSCTL_SRV_REQUEST_RESUME_KEY
from smbd.wire.ioctl import IoctlRequest, IoctlResponse
from smbd.wire.read_write import ReadRequest, WriteRequest
from tests.bench.lab import TOGETHER, Lab
from tests.bench.metadata_rows import create, lane_file, lane_files
from tests.bench.operations import CMAC, GCM, GMAC, PLAIN, Guard, Operation
from tests.bench.rawclient import FILE_ID, Lane, RawClient, Step
from tests.bench.row import CPU, WALL, Row, Sample, at_most
from tests.smbxcli import Tree
from vfs.constants import FILE_OVERWRITE_IF

DATA = "Read and write"
#: Bytes, name, goal plain, goal protected.
_SIZES = ((4096, "4 KiB", 0.5), (65536, "64 KiB", 0.6), (1 << 20, "1 MiB", 0.75), (8 << 20, "8 MiB", 0.9))
_PROTECTED_GOAL = 0.75
_MIB = 1 << 20
_CHUNKS = 16


def _reading(size: int):
    def steps(tree: Tree, _lane: int) -> list[Step]:
        return [Step(tree, (SMB2_READ, ReadRequest(*FILE_ID, size, 0), size))]

    return steps


def _writing(size: int):
    data = bytes(range(256)) * (size // 256)

    def steps(tree: Tree, _lane: int) -> list[Step]:
        return [Step(tree, (SMB2_WRITE, WriteRequest(*FILE_ID, data, 0), size))]

    return steps


def _filled(size: int):
    def steps(tree: Tree, lane: int) -> list[Step]:
        return [create(tree, lane_file(lane)), *_writing(size)(tree, lane)]

    return steps


def _row(verb: str, size: int, word: str, goal: float, guard: Guard) -> Operation:
    suffix = guard.name.split()[-1].lower()
    return Operation(
        f"{verb}-{word.replace(' ', '').removesuffix('iB').lower()}-{suffix}",
        f"{verb} {word}, {guard.name}",
        DATA,
        at_most(goal if guard is PLAIN else min(_PROTECTED_GOAL, 1)),
        (_reading if verb == "read" else _writing)(size),
        opening=_filled(size),
        ready=lane_files,
        payload=size,
        guard=guard,
    )


class CopyChunks(Row):
    """FSCTL_SRV_COPYCHUNK of a whole big file, 16 MiB at a time."""

    name = "copychunk"
    title = "copychunk of 1 GiB, per MiB"
    group = DATA
    goal = at_most(1.0)

    def prepare(self, lab: Lab) -> None:
        source = lab.root / "copied"
        if not source.exists():
            block = bytes(range(256)) * 4096
            with source.open("wb") as file:
                for _ in range(lab.load.mebibytes):
                    file.write(block)
            source.chmod(0o666)

    def run(self, lab: Lab) -> Sample:
        lab.pin(TOGETHER)
        with RawClient(lab.server) as raw:
            tree = raw.tree
            source, target = Lane([]), Lane([])
            raw.call(create(tree, "copied"), source)
            asking = Step(tree, (SMB2_IOCTL, IoctlRequest(FSCTL_SRV_REQUEST_RESUME_KEY, *FILE_ID, b"", 32)))
            answer = IoctlResponse.unpack(raw.call(asking, source))
            key = ResumeKeyResponse.unpack(answer.output_data).resume_key
            raw.call(create(tree, "copy", disposition=FILE_OVERWRITE_IF), target)
            steps = []
            for begin in range(0, lab.load.mebibytes, _CHUNKS):
                chunks = [
                    CopyChunk(number * _MIB, number * _MIB, _MIB)
                    for number in range(begin, min(begin + _CHUNKS, lab.load.mebibytes))
                ]
                data = CopyChunkRequest(key, chunks).pack()
                steps.append(Step(tree, (SMB2_IOCTL, IoctlRequest(FSCTL_SRV_COPYCHUNK, *FILE_ID, data, 12))))
            target.steps = steps
            seconds, cpu = lab.cpu_of(lambda: raw.run([target], 0).seconds)
        lab.wait_idle()
        if (lab.root / "copy").stat().st_size != lab.load.mebibytes * _MIB:
            raise RuntimeError("the copy is not complete")
        (lab.root / "copy").unlink()
        return {CPU: cpu * 1e6 / lab.load.mebibytes, WALL: seconds * 1e6 / lab.load.mebibytes}


def data_rows() -> list[Row]:
    """All of them."""
    rows: list[Row] = [
        _row(verb, size, word, goal, guard)
        for guard in (PLAIN, CMAC, GMAC, GCM)
        for size, word, goal in _SIZES
        for verb in ("read", "write")
    ]
    return [*rows, CopyChunks()]
