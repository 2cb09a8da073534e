"""What the tests of parent, daemons and tools share: commands against a server of their own, and waiting for a fact."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.servers import PysmbdServer, Server
from tests.smbxcli import Connection, Offer, Session

BIN = Path(sys.prefix) / "bin"
PATIENCE = 10.0


def eventually(condition: Callable[[], object], timeout: float = PATIENCE) -> object:
    """Wait until `condition` is true and return its value; fail if that takes too long."""
    deadline = time.monotonic() + timeout
    while not (value := condition()):
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.01)
    return value


def run(name: str, server: Server, *arguments: str, conf_flag: str = "-s") -> subprocess.CompletedProcess[str]:
    """Run a tool of ours against a server."""
    command = [str(BIN / name), conf_flag, str(server.conf_path), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, stdin=subprocess.DEVNULL)


def status(server: Server) -> dict:
    """What smbstatus shows of a server, as JSON."""
    done = run("smbstatus", server, "-j", "-B")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@contextlib.contextmanager
def logged_in(server: Server) -> Iterator[Session]:
    """A session on a connection of its own, hung up at the end."""
    with Connection.open("127.0.0.1", server.port, Offer()) as connection:
        yield Session.login(connection, server.user, server.password)


def cmdline(pid: int) -> str:
    """The title of a process, empty when it is gone."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
    return ""


def children(pid: int) -> list[int]:
    """The children of a process."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def by_title(server: Server, title: str) -> list[int]:
    """The children of the parent whose title begins so."""
    return [pid for pid in children(server.pid) if cmdline(pid).startswith(f"smbd: {title}")]


def log_text(server: Server, name: str = "log.smbd") -> str:
    """One of the server's logs."""
    return server.logs().get(name, "")


@contextlib.contextmanager
def new_server() -> Iterator[PysmbdServer]:
    """A server that is not started, in a directory that other users can reach, unlike pytest's; it logs enough."""
    with tempfile.TemporaryDirectory(prefix="smbd-") as scratch:
        Path(scratch).chmod(0o755)
        server = PysmbdServer(Path(scratch) / "server", options={"log level": "3"})
        server.prepare()
        yield server


@contextlib.contextmanager
def running_server() -> Iterator[PysmbdServer]:
    """Such a server, started."""
    with new_server() as server, server:
        yield server
