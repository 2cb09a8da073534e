"""What the rows work on: a server, how much load to put on it, its files, its CPU time, and who runs where."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, TypeVar

from tests import procstat
from tests.servers import Server
from tests.smbxcli import Connection, Session
from vfs.constants import FILE_CREATE

EVERYWHERE = os.sched_getaffinity(0)
Result = TypeVar("Result")
_LOOK_S = 0.3
_SETTLED = 10
#: Client and server on one processor: no wake-up across processors disturbs, and both servers are treated alike.
TOGETHER = {max(EVERYWHERE)}


def _idle_ticks() -> dict[int, int]:
    found = {}
    for line in Path("/proc/stat").read_text().splitlines():
        name, *ticks = line.split()
        if name.startswith("cpu") and name != "cpu":
            found[int(name.removeprefix("cpu"))] = int(ticks[3])
    return found


def choose_processor() -> None:
    """Let TOGETHER be the processor that has the least to do just now."""
    before = _idle_ticks()
    time.sleep(_LOOK_S)
    after = _idle_ticks()
    TOGETHER.clear()
    TOGETHER.add(max(EVERYWHERE, key=lambda cpu: after.get(cpu, 0) - before.get(cpu, 0)))


class Load(NamedTuple):
    """How much load to make.

    Attributes:
        seconds: of each measurement that runs for a time.
        mebibytes: size of the big file.
        many: files in the big directory.
        some: files in the directory whose entries are looked at one by one.
        unlinks: files made and removed in one measurement.
        logins: sessions made one after the other.
        idle: numbers of idle connections.
        breaks: oplock and lease breaks, one after the other.
        durables: durable handles.
        scratch: directory for the client's own files.
    """

    seconds: float
    mebibytes: int
    many: int
    some: int
    unlinks: int
    logins: int
    idle: tuple[int, int]
    breaks: int
    durables: int
    scratch: Path


class Lab:
    """One server under load.

    Attributes:
        server: it runs.
        load: how much.
        root: the directory that the share serves.
    """

    def __init__(self, server: Server, load: Load) -> None:
        self.server = server
        self.load = load
        self.root = server.share_path("tmp")

    # -- processes -----------------------------------------------------------------------------------------

    def pin(self, cpus: set[int]) -> None:
        """Let ourselves and all threads of the server run on these processors only."""
        os.sched_setaffinity(0, cpus)
        for pid in (self.server.pid, *procstat.descendants(self.server.pid)):
            with contextlib.suppress(OSError):
                for task in Path(f"/proc/{pid}/task").iterdir():
                    with contextlib.suppress(ProcessLookupError):
                        os.sched_setaffinity(int(task.name), cpus)

    def cpu_of(self, work: Callable[[], Result]) -> tuple[Result, float]:
        """Do the work on connections that stay; return its result and the CPU seconds that the server spent."""
        before = self.server.cpu_seconds()
        result = work()
        return result, self.server.cpu_seconds() - before

    def whole_cpu_of(self, work: Callable[[], Result]) -> tuple[Result, float]:
        """The same for work on connections of its own: ends when their workers are gone and counted."""
        before = self.server.cpu_seconds()
        result = work()
        self.wait_idle()
        return result, self.server.cpu_seconds() - before

    def wait_idle(self, timeout: float = 30) -> None:
        """Wait until the workers are gone: nobody is connected, and the processes stay the same for a while.

        A helper that has begun since the start (Samba's scavenger) looks like a worker and stays.
        """
        deadline = time.monotonic() + timeout
        before: list[int] = []
        same = 0
        while same < _SETTLED and time.monotonic() < deadline:
            pids = self.server.worker_pids()
            if not pids and not self.server.connections():
                return
            same = same + 1 if pids == before and not self.server.connections() else 0
            before = pids
            time.sleep(0.02)

    # -- files ---------------------------------------------------------------------------------------------

    def fill(self, name: str, count: int, pattern: str = "file-{:08}") -> Path:
        """Make a directory of files that look as if a client had made them; nothing to do if it is there."""
        directory = self.root / name
        if directory.exists():
            return directory
        specimen = self._specimen()
        status = specimen.stat()
        attributes = [(one, os.getxattr(specimen, one)) for one in os.listxattr(specimen)]
        making = self.empty(f"{name}.making")
        for index in range(count):
            path = os.path.join(making, pattern.format(index))  # noqa: PTH118 - many thousand times
            descriptor = os.open(path, os.O_CREAT | os.O_WRONLY, status.st_mode & 0o777)
            for key, value in attributes:
                os.setxattr(descriptor, key, value)
            if os.geteuid() == 0:
                os.fchown(descriptor, status.st_uid, status.st_gid)
            os.fchmod(descriptor, status.st_mode & 0o777)
            os.close(descriptor)
        making.rename(directory)
        return directory

    def empty(self, name: str) -> Path:
        """Make an empty directory, in place of what was there."""
        directory = self.root / name
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir()
        directory.chmod(0o777)
        return directory

    def discard(self, name: str) -> None:
        """Remove a directory made by ``fill`` or ``empty``."""
        shutil.rmtree(self.root / name, ignore_errors=True)

    def _specimen(self) -> Path:
        path = self.root / "specimen"
        if not path.exists():
            with self.session() as session:
                session.tree_connect("tmp").create(path.name, disposition=FILE_CREATE).close()
        return path

    @contextlib.contextmanager
    def session(self) -> Iterator[Session]:
        """A session on a connection of its own."""
        with Connection.open("127.0.0.1", self.server.port) as connection:
            yield Session.login(connection, self.server.user, self.server.password)


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
