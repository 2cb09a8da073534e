"""Rows that other people's clients drive: smbtorture's benchmark of contention, smbclient's transfers."""

from __future__ import annotations

import re
import statistics

from tests.bench.lab import EVERYWHERE, Lab, client, smbclient
from tests.bench.row import CPU, WALL, Goal, Row, Sample, at_most

CLIENTS = "Whole clients"
#: smbtorture's progress: one figure per operation and second, carriage return or newline between them.
_PROGRESS = re.compile(r"(\w+)\[num/s=(\d+)")
#: smbclient's own figures: they leave out connecting and logging in.
_SPEED = re.compile(r"\(([0-9.]+) (?:KiloBytes/sec|kb/s)\)")


class Contention(Row):
    """Four connections of smbtorture that open and close the same file, as often as they can."""

    name = "contention"
    title = "open + close of one file, 4 connections (smbtorture)"
    group = CLIENTS
    goal = Goal(1 / 1.3, ">= 1.3 x ops/s", (WALL,))
    _TEST = "smb2.bench.path-contention-shared"

    def run(self, lab: Lab) -> Sample:
        server = lab.server
        lab.pin(EVERYWHERE)
        seconds = max(1, round(4 * lab.load.seconds))
        options = {"timelimit": seconds, "qdepth": 1, "nprocs": 4}
        command = ["smbtorture", "//127.0.0.1/tmp", "-p", str(server.port), "-U", server.credentials]
        command += [f"--option=torture:{name}={value}" for name, value in options.items()]

        def work() -> float:
            rates: dict[str, list[int]] = {}
            for operation, rate in _PROGRESS.findall(client(*command, self._TEST)):
                rates.setdefault(operation, []).append(int(rate))
            # A round of several operations (open, close) counts once.
            return statistics.fmean(next(iter(rates.values())))

        rate, cpu = lab.whole_cpu_of(work)
        return {CPU: cpu * 1e6 / (rate * seconds), WALL: 1e6 / rate}


class Transfer(Row):
    """One big file with smbclient."""

    group = CLIENTS
    goal = at_most(1.0, WALL)

    def __init__(self, direction: str, protection: str) -> None:
        word = {"off": "plain", "sign": "signed", "encrypt": "encrypted"}[protection]
        self.name = f"{direction}-{word}"
        self.title = f"smbclient {direction} of 1 GiB, {word}, per MiB"
        self._direction = direction
        self._protection = protection

    def prepare(self, lab: Lab) -> None:
        big = lab.load.scratch / "big"
        if not big.exists():
            block = bytes(range(256)) * 4096
            with big.open("wb") as file:
                for _ in range(lab.load.mebibytes):
                    file.write(block)
        if self._direction == "get" and not (lab.root / "fetched").exists():
            smbclient(lab.server, f"put {big} fetched")

    def run(self, lab: Lab) -> Sample:
        lab.pin(EVERYWHERE)
        commands = "get fetched /dev/null" if self._direction == "get" else f"put {lab.load.scratch}/big put"

        def work() -> float:
            match = _SPEED.search(smbclient(lab.server, commands, self._protection))
            if match is None:
                raise RuntimeError("smbclient printed no speed")
            return float(match.group(1)) / 1024

        speed, cpu = lab.whole_cpu_of(work)
        if self._direction == "put":
            (lab.root / "put").unlink()
        return {CPU: cpu * 1e6 / lab.load.mebibytes, WALL: 1e6 / speed}


def client_rows() -> list[Row]:
    """All of them."""
    transfers = [Transfer(direction, how) for how in ("off", "sign", "encrypt") for direction in ("get", "put")]
    return [Contention(), *transfers]
