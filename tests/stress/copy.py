"""``python -m tests.stress.copy``: a long copy over connections that are cut, by workers that are killed.

A client with durable handles copies a file of the share to another one, through itself, over a proxy that cuts the TCP
connections every two seconds and while a random worker is killed every ten. It has to complete, the copy has to be
the same, and nothing may be left in the databases. smbclient, which cannot reconnect, tries the same: it has to end
with an error, and nothing of it may be left either.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.model.audit import Audit
from tests.servers import PysmbdServer
from tests.stress.durable_copy import DurableCopy
from tests.stress.proxy import CuttingProxy

_PATIENCE_S: Final = 30
_SETTLE_S: Final = 20
_ALARMS: Final = ("InternalError", "LockOrderError", "cannot be decoded")


@dataclass
class Plan:
    """How bad it is to be.

    Attributes:
        mebibytes: of the file.
        cut: seconds between two cuts.
        kill: seconds between two killed workers.
        rate: bytes per second that the proxy lets through in each direction.
        seed: of the choice whom to kill.
    """

    mebibytes: int = 1024
    cut: float = 2
    kill: float = 10
    rate: float = 32e6
    seed: int = 1


@dataclass
class Report:
    """What came of it; no problem means that all went well."""

    seconds: float = 0
    cuts: int = 0
    kills: int = 0
    connections: int = 0
    reconnected: int = 0
    reopened: int = 0
    repeated: int = 0
    problems: list[str] = field(default_factory=list)


@contextlib.contextmanager
def killed_workers(server: PysmbdServer, every: float, seed: int) -> Iterator[list[int]]:
    """Kill a random worker again and again; the list grows by the process ids."""
    killed: list[int] = []
    ended = threading.Event()
    choice = random.Random(seed)

    def kill() -> None:
        while not ended.wait(every):
            # There may be none just now, after a cut.
            while not (workers := server.worker_pids()) and not ended.wait(0.01):
                pass
            with contextlib.suppress(ProcessLookupError, IndexError):
                pid = choice.choice(workers)
                os.kill(pid, signal.SIGKILL)
                killed.append(pid)

    thread = threading.Thread(target=kill, daemon=True)
    thread.start()
    try:
        yield killed
    finally:
        ended.set()
        thread.join()


def copy_durably(server: PysmbdServer, plan: Plan) -> Report:
    """Let the client with durable handles copy; compare; look what is left."""
    report = Report()
    root = server.share_path("tmp")
    source = root / "source"
    size = plan.mebibytes << 20
    with source.open("wb") as file:
        for _ in range(plan.mebibytes):
            file.write(random.Random(plan.seed).randbytes(1 << 20))
    source.chmod(0o666)
    began = time.monotonic()
    with CuttingProxy(server.port, plan.cut, plan.rate) as proxy, \
            killed_workers(server, plan.kill, plan.seed) as killed:  # fmt: skip
        copy = DurableCopy(proxy.port, server.user, server.password, "source", "target", size)
        copy.run(_PATIENCE_S)
        report.cuts = proxy.cuts
    report.seconds = time.monotonic() - began
    report.kills = len(killed)
    report.connections = copy.connections
    report.reconnected = copy.source.reconnected + copy.target.reconnected
    report.reopened = copy.source.reopened + copy.target.reopened
    report.repeated = copy.repeated
    if _digest(source) != _digest(root / "target"):
        report.problems.append("the copy differs")
    report.problems += leftovers(server)
    return report


def copy_with_smbclient(server: PysmbdServer, plan: Plan) -> Report:
    """Let smbclient put a file, with the same misfortunes."""
    report = Report()
    local = server.directory / "local"
    local.write_bytes(random.Random(plan.seed).randbytes(1 << 20) * plan.mebibytes)
    began = time.monotonic()
    with CuttingProxy(server.port, plan.cut, plan.rate) as proxy:
        done = subprocess.run(
            ["smbclient", "//127.0.0.1/tmp", "-p", str(proxy.port), "-U", server.credentials, "-c", f"put {local} put"],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
        report.cuts = proxy.cuts
    report.seconds = time.monotonic() - began
    if not done.returncode:
        report.problems.append(f"smbclient thinks that all went well: {done.stdout}{done.stderr}")
    report.problems += leftovers(server)
    return report


def leftovers(server: PysmbdServer) -> list[str]:
    """What is in the databases and in the logs that should not be."""
    audit = Audit(server.directory / "lock")
    deadline = time.monotonic() + _SETTLE_S
    while (left := [*audit.problems(), *audit.leftovers()]) and time.monotonic() < deadline:
        time.sleep(0.1)
    found = [f"left over: {one}" for one in left]
    for tool, *flags in (("dbcheck",), ("smbstatus", "--json")):
        command = [str(Path(sys.prefix) / "bin" / tool), "-s", str(server.conf_path), *flags]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        if done.returncode:
            found.append(f"{tool}: {done.returncode} {done.stdout[-500:]}{done.stderr[-500:]}")
        elif flags:
            shown = json.loads(done.stdout)
            found += [f"smbstatus: {shown[what]}" for what in ("sessions", "open_files") if shown.get(what)]
    server.check_alive()
    for name, text in server.logs().items():
        found += [f"{name}: {line.strip()}" for line in text.splitlines() if any(alarm in line for alarm in _ALARMS)]
    return found


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def main() -> int:
    """Run and report."""
    parser = argparse.ArgumentParser(prog="python -m tests.stress.copy", description=__doc__)
    parser.add_argument("--mebibytes", type=int, default=Plan.mebibytes)
    parser.add_argument("--cut", type=float, default=Plan.cut, help="seconds")
    parser.add_argument("--kill", type=float, default=Plan.kill, help="seconds")
    parser.add_argument("--rate", type=float, default=Plan.rate, help="bytes per second")
    parser.add_argument("--seed", type=int, default=Plan.seed)
    plan = Plan(**vars(parser.parse_args()))
    problems = 0
    with tempfile.TemporaryDirectory(prefix="copy-", dir="/dev/shm") as scratch:
        Path(scratch).chmod(0o755)
        with PysmbdServer(Path(scratch) / "server") as server:
            for work in (copy_durably, copy_with_smbclient):
                report = work(server, plan)
                sys.stdout.write(f"{work.__name__}: {report}\n")
                problems += len(report.problems)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
