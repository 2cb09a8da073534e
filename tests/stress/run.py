"""One run of the stress against one server, and what is wrong with it afterwards."""

from __future__ import annotations

import json
import multiprocessing
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.model.audit import Audit
from tests.servers import Server
from tests.stress.hammer import DIRECTORY, EXPECTED, HOT, Tally, hammer
from vfs.ntstatus import status_name

_PROCESSES: Final = 2
_SETTLE_S: Final = 10
#: Nobody holds anything for long: a request that took this long was forgotten for a while.
_FORGOTTEN_S: Final = 15
_ALARMS: Final = ("InternalError", "LockOrderError", "cannot be decoded", "does not answer")


@dataclass
class Outcome:
    """What came out.

    Attributes:
        seconds: from the first request to the last answer.
        tally: of all clients.
        problems: one line each.
        status_runs: how often smbstatus was asked.
    """

    seconds: float = 0
    tally: Tally = field(default_factory=Tally)
    problems: list[str] = field(default_factory=list)
    status_runs: int = 0

    def line(self, name: str) -> str:
        """The result in one line."""
        tally = self.tally
        waits = sorted(tally.waits) or [0.0]
        p50, p99 = (1000 * waits[int(len(waits) * part)] for part in (0.5, 0.99))
        return (
            f"{name:8} {tally.requests / self.seconds:8.0f} ops/s  {tally.breaks} breaks, "
            f"opens that waited for one: {len(tally.waits)}, p50 {p50:.1f} ms, p99 {p99:.1f} ms; "
            f"slowest request {tally.slowest:.2f} s"
        )


def run(server: Server, clients: int, seconds: float) -> Outcome:
    """Hammer a running server."""
    outcome = Outcome()
    directory = server.share_path("tmp") / DIRECTORY
    directory.mkdir()
    directory.chmod(0o777)
    hot = directory / HOT.rpartition("\\")[2]
    hot.write_bytes(bytes(100))
    hot.chmod(0o666)
    began = time.monotonic()
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(_PROCESSES, mp_context=context) as pool:
        shares = [clients // _PROCESSES + (number < clients % _PROCESSES) for number in range(_PROCESSES)]
        running = [
            pool.submit(hammer, server.port, server.user, server.password, share, seconds, seed)
            for seed, share in enumerate(shares)
        ]
        while not all(one.done() for one in running):
            if server.name == "pysmbd" and time.monotonic() - began < seconds:
                outcome.problems += _check_status(server)
                outcome.status_runs += 1
            time.sleep(min(3, seconds / 3))
        for one in running:
            outcome.tally.add(one.result())
    outcome.seconds = seconds
    tally = outcome.tally
    outcome.problems += [f"not answered: {one}" for one in tally.unanswered]
    outcome.problems += [
        f"unexpected {status_name(status)}, {count} times"
        for status, count in tally.statuses.items()
        if status not in EXPECTED
    ]
    if tally.lost:
        outcome.problems.append(f"{tally.lost} connections lost")
    if tally.slowest > _FORGOTTEN_S:
        outcome.problems.append(f"a request took {tally.slowest:.1f} s")
    server.check_alive()
    if server.name == "pysmbd":
        outcome.problems += _check_end(server)
    return outcome


def _check_status(server: Server) -> list[str]:
    """What smbstatus says while clients work: it has to be complete and to agree with itself."""
    tool = str(Path(sys.prefix) / "bin" / "smbstatus")
    problems = []
    for flags in (["-L", "-B"], ["-L", "-B", "--json"], ["--json"]):
        done = subprocess.run(
            [tool, "-s", str(server.conf_path), *flags], capture_output=True, text=True, check=False, timeout=30
        )
        if done.returncode or done.stderr.strip():
            problems.append(f"smbstatus {' '.join(flags)}: {done.returncode} {done.stderr.strip()[-300:]}")
        elif "--json" in flags:
            problems += check_json(json.loads(done.stdout))
    return problems


def check_json(status: dict[str, dict[str, object]]) -> list[str]:
    """Compare the parts of a status with each other."""
    problems = []
    sessions = status.get("sessions")
    pids = {str(one["server_id"]["pid"]) for one in sessions.values()} if sessions else None  # type: ignore[index]
    for path, file in status.get("open_files", {}).items():
        opens = file["opens"]  # type: ignore[index]
        if not opens:
            problems.append(f"smbstatus: {path} has no opens")
        for number, one in opens.items():
            pid = str(one["server_id"]["pid"])
            # A client may come between the two looks, but during the stress none does.
            if pids is not None and pid not in pids:
                problems.append(f"smbstatus: open {number} of {path} belongs to {pid}, which has no session")
            oplock, lease = one.get("oplock", {}), one.get("lease", {})
            if lease and oplock.get("EXCLUSIVE"):
                problems.append(f"smbstatus: open {number} of {path} has oplock and lease")
    return problems


def _check_end(server: Server) -> list[str]:
    """Nothing is left in the databases, and nothing bad in the logs."""
    audit = Audit(server.directory / "lock")
    deadline = time.monotonic() + _SETTLE_S
    while (left := [*audit.problems(), *audit.leftovers()]) and time.monotonic() < deadline:
        time.sleep(0.05)
    problems = [f"left over: {one}" for one in left]
    for name, text in server.logs().items():
        problems += [
            f"{name}: {line.strip()}" for line in text.splitlines() if any(alarm in line for alarm in _ALARMS)
        ]
    return problems
