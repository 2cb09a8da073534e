"""What is measured: one class per row of the table.

A row puts the same load on whatever server it is given and returns the rate that its client saw and the CPU
time that all processes of the server spent on it. The second is what tells two servers apart: wall time also
holds the client and whatever else the machine does.
"""

from __future__ import annotations

import abc
import re
import statistics
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tests.servers import Server
from tests.smbxcli import Connection, Offer, Session

#: smbtorture's progress: one figure per operation and second, carriage return or newline between them.
_PROGRESS = re.compile(r"(\w+)\[num/s=(\d+)")
#: smbclient's own figures: they leave out connecting and logging in.
_SPEED = re.compile(r"\(([0-9.]+) (?:KiloBytes/sec|kb/s)\)")
_CONNECTIONS = 200


class Sample(NamedTuple):
    """One run of one row.

    Attributes:
        value: in the unit of the row.
        cpu: microseconds of server CPU per operation; None where that says nothing.
    """

    value: float
    cpu: float | None = None


class Load(NamedTuple):
    """How much load to make.

    Attributes:
        seconds: for rows that run for a time.
        mebibytes: size of the big file.
        files: entries of the big directory.
        logins: sessions or connections made one after the other.
        scratch: directory for the client's own files.
    """

    seconds: int
    mebibytes: int
    files: int
    logins: int
    scratch: Path


class Row(abc.ABC):
    """One row of the table."""

    name: str
    title: str
    unit: str
    bigger_is_better = True

    def prepare(self, server: Server, load: Load) -> None:  # noqa: B027 - most rows need nothing
        """Make once what the runs need."""

    @abc.abstractmethod
    def run(self, server: Server, load: Load) -> Sample:
        """Put the load on the server once."""


def client(*command: str, timeout: float = 600) -> str:
    """Run a client program and return what it printed.

    Raises:
        RuntimeError: it failed.
    """
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        timeout=timeout,
    )
    output = done.stdout.decode(errors="replace")
    if done.returncode or "NT_STATUS_" in output:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}: {output[-2000:]}")
    return output


def smbclient(server: Server, commands: str, protection: str = "off") -> str:
    """Run smbclient's commands on the share."""
    return client(
        "smbclient", "//127.0.0.1/tmp", "-p", str(server.port), "-U", server.credentials,
        f"--client-protection={protection}", "-c", commands,
    )  # fmt: skip


def cpu_of(server: Server, work: Callable[[], float]) -> tuple[float, float]:
    """Do the work; return what it returns and the CPU seconds that the server spent meanwhile.

    Ends only when the workers that the work brought to life are gone, and so counted with their parent.
    """
    before = server.cpu_seconds()
    result = work()
    wait_idle(server)
    return result, server.cpu_seconds() - before


def wait_idle(server: Server, timeout: float = 20) -> None:
    """Wait until the workers are gone."""
    deadline = time.monotonic() + timeout
    while server.worker_pids() and time.monotonic() < deadline:
        time.sleep(0.02)


class Torture(Row):
    """A benchmark of smbtorture: as many operations as fit into a time."""

    unit = "ops/s"

    def __init__(self, name: str, title: str, test: str, *, depth: int = 1, connections: int = 1) -> None:
        self.name = name
        self.title = title
        self._test = test
        self._depth = depth
        self._connections = connections

    def run(self, server: Server, load: Load) -> Sample:
        options = {"timelimit": load.seconds, "qdepth": self._depth, "nprocs": self._connections}
        command = ["smbtorture", "//127.0.0.1/tmp", "-p", str(server.port), "-U", server.credentials]
        command += [f"--option=torture:{name}={value}" for name, value in options.items()]

        def work() -> float:
            rates: dict[str, list[int]] = {}
            for operation, rate in _PROGRESS.findall(client(*command, self._test)):
                rates.setdefault(operation, []).append(int(rate))
            # A round of several operations (open, close) counts once.
            return statistics.fmean(next(iter(rates.values())))

        rate, cpu = cpu_of(server, work)
        return Sample(rate, cpu * 1e6 / (rate * load.seconds))


class Transfer(Row):
    """One big file with smbclient."""

    unit = "MiB/s"

    def __init__(self, direction: str, protection: str) -> None:
        word = {"off": "plain", "sign": "signed", "encrypt": "encrypted"}[protection]
        self.name = f"{direction}-{word}"
        self.title = f"{direction} one big file, {word} (operation: 1 MiB)"
        self._direction = direction
        self._protection = protection

    def prepare(self, server: Server, load: Load) -> None:
        big = load.scratch / "big"
        if not big.exists():
            block = bytes(range(256)) * 4096
            with big.open("wb") as file:
                for _ in range(load.mebibytes):
                    file.write(block)
        if self._direction == "get" and not (server.share_path("tmp") / "big").exists():
            smbclient(server, f"put {big} big")

    def run(self, server: Server, load: Load) -> Sample:
        commands = "get big /dev/null" if self._direction == "get" else f"put {load.scratch}/big copy"

        def work() -> float:
            match = _SPEED.search(smbclient(server, commands, self._protection))
            if match is None:
                raise RuntimeError("smbclient printed no speed")
            return float(match.group(1)) / 1024

        speed, cpu = cpu_of(server, work)
        if self._direction == "put":
            smbclient(server, "del copy")
        return Sample(speed, cpu * 1e6 / load.mebibytes)


class SmallFiles(Row):
    """Many small files with smbclient's mput; they stay for the listing."""

    name = "mput"
    title = "put many small files"
    unit = "files/s"

    def prepare(self, server: Server, load: Load) -> None:
        source = load.scratch / "many"
        source.mkdir(exist_ok=True)
        for index in range(load.files):
            (source / f"file-{index:06}.txt").write_bytes(b"x" * 1000)

    def run(self, server: Server, load: Load) -> Sample:
        target = f"many-{time.monotonic_ns()}"
        began = time.monotonic()
        commands = f"mkdir {target}; cd {target}; lcd {load.scratch}/many; prompt; mput *"
        _, cpu = cpu_of(server, lambda: float(len(smbclient(server, commands))))
        elapsed = time.monotonic() - began
        client("rm", "-rf", str(server.share_path("tmp") / target))
        return Sample(load.files / elapsed, cpu * 1e6 / load.files)


class Listing(Row):
    """A big directory with smbclient's ls."""

    name = "list"
    title = "list a big directory (operation: one entry)"
    unit = "entries/s"
    _REPEATS = 5

    def prepare(self, server: Server, load: Load) -> None:
        if (server.share_path("tmp") / "listed").exists():
            return
        SmallFiles().prepare(server, load)
        smbclient(server, f"mkdir listed; cd listed; lcd {load.scratch}/many; prompt; mput *")

    def run(self, server: Server, load: Load) -> Sample:
        began = time.monotonic()
        smbclient(server, "cd listed")
        overhead = time.monotonic() - began

        def work() -> float:
            start = time.monotonic()
            output = smbclient(server, "cd listed" + "; ls" * self._REPEATS)
            if output.count("file-") != load.files * self._REPEATS:
                raise RuntimeError(f"the listing has {output.count('file-')} entries")
            return time.monotonic() - start - overhead

        elapsed, cpu = cpu_of(server, work)
        entries = load.files * self._REPEATS
        return Sample(entries / elapsed, cpu * 1e6 / entries)


class Login(Row):
    """Whole sessions: connect, negotiate, log in, log off, close."""

    name = "login"
    title = "connect, log in, log off"
    unit = "logins/s"

    def run(self, server: Server, load: Load) -> Sample:
        def work() -> float:
            began = time.monotonic()
            for _ in range(load.logins):
                with Connection.open("127.0.0.1", server.port, Offer()) as connection:
                    Session.login(connection, server.user, server.password).logoff()
            return load.logins / (time.monotonic() - began)

        rate, cpu = cpu_of(server, work)
        return Sample(rate, cpu * 1e6 / load.logins)


class FirstReply(Row):
    """From connect to the answer to NEGOTIATE: what a new process costs."""

    name = "first-reply"
    title = "time from connect to the first reply"
    unit = "ms"
    bigger_is_better = False

    def run(self, server: Server, load: Load) -> Sample:
        def work() -> float:
            times = []
            for _ in range(load.logins):
                began = time.monotonic()
                with Connection.open("127.0.0.1", server.port, Offer()):
                    times.append(time.monotonic() - began)
            return statistics.median(times) * 1000

        latency, cpu = cpu_of(server, work)
        return Sample(latency, cpu * 1e6 / load.logins)


class Memory(Row):
    """Proportional set size per connection that is logged in and idle."""

    name = "memory"
    title = f"memory (PSS) per idle connection at {_CONNECTIONS} connections"
    unit = "KiB"
    bigger_is_better = False

    def run(self, server: Server, load: Load) -> Sample:
        before = server.memory().pss
        connections = []
        try:
            for _ in range(_CONNECTIONS):
                connection = Connection.open("127.0.0.1", server.port, Offer())
                connections.append(connection)
                Session.login(connection, server.user, server.password).tree_connect("tmp")
            used = server.memory().pss - before
        finally:
            for connection in connections:
                connection.close()
            wait_idle(server)
        return Sample(used / _CONNECTIONS / 1024)


ROWS: tuple[Row, ...] = (
    Torture("echo", "smb2.bench.echo", "smb2.bench.echo"),
    Torture("echo-deep", "smb2.bench.echo, 32 requests outstanding", "smb2.bench.echo", depth=32),
    Torture(
        "path-contention",
        "smb2.bench.path-contention-shared (open and close)",
        "smb2.bench.path-contention-shared",
    ),
    Torture(
        "create-contention",
        "smb2.create.bench-path-contention-shared (open and close)",
        "smb2.create.bench-path-contention-shared",
    ),
    *(Transfer(direction, how) for how in ("off", "sign", "encrypt") for direction in ("get", "put")),
    SmallFiles(),
    Listing(),
    Login(),
    FirstReply(),
    Memory(),
)
