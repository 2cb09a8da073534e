"""Start a real server, pysmbd or Debian's Samba, in a directory of its own and on a free port.

Both classes have the same interface and take the same smb.conf, so that a test, the smbtorture runner and the
benchmark say once what they want and run it against either::

    with PysmbdServer(tmp_path, shares={"tmp": {"read only": "no"}}, users={"alice": "Passw0rd"}) as server:
        ...  # server.port, server.share_path("tmp"), server.worker_pids(), server.cpu_seconds()

Samba needs root (it switches user ids and keeps its passdb to itself); pysmbd also runs as an ordinary user,
who is then the only unix user it serves as.
"""

from __future__ import annotations

import abc
import contextlib
import os
import pwd
import random
import resource
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from tests import procstat

#: A port below the ephemeral range, so that no outgoing connection takes it between the choice and the bind.
_PORTS = range(20000, 32000)
PASSWORD = "Passw0rd"
ALICE = "alice"
REPOSITORY = Path(__file__).resolve().parent.parent

#: The [global] section that the recorded expectations of tests/torture were made with.
BASE_GLOBALS: Mapping[str, str] = {
    "workgroup": "TEST",
    "netbios name": "ANCHOR",
    "private dir": "DIR/private",
    "lock directory": "DIR/lock",
    "state directory": "DIR/state",
    "cache directory": "DIR/cache",
    "pid directory": "DIR/pid",
    "ncalrpc dir": "DIR/ncalrpc",
    "log file": "DIR/log/log.%m",
    "smb ports": "PORT",
    "bind interfaces only": "yes",
    "interfaces": "127.0.0.1",
    "server min protocol": "SMB2_02",
    "passdb backend": "tdbsam",
    "disable spoolss": "yes",
    "load printers": "no",
    "kernel oplocks": "no",
    "kernel share modes": "no",
    "vfs objects": "acl_xattr streams_xattr",
    "map archive": "yes",
    "store dos attributes": "yes",
    "ea support": "yes",
    "durable handles": "yes",
    "posix locking": "no",
    "server multi channel support": "yes",
    "smb2 leases": "yes",
    "persistent handles": "yes",  # Samba has them since 4.25
}
#: The shares of a server whose maker names none: a plain one, and one that grants persistent handles.
DEFAULT_SHARES: Mapping[str, Mapping[str, str]] = {
    "tmp": {"read only": "no"},
    "ca": {"read only": "no", "continuous availability": "yes"},
}
#: Where Samba's own tools are: on the PATH, ours of the same names come first.
_DEBIAN = "/usr/bin:/usr/sbin:/bin:/sbin"
_STATE_DIRECTORIES = ("private", "lock", "state", "cache", "pid", "ncalrpc", "log")


class ServerError(RuntimeError):
    """The server did not start, died, or did not end; the message holds the tail of its logs."""


def free_port() -> int:
    """A port of the loopback interface that nobody listens on."""
    for _ in range(200):
        port = random.choice(_PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise ServerError("no free port")


def unix_user_exists(name: str) -> bool:
    """Tell whether NSS knows the user."""
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


def default_users() -> dict[str, str]:
    """SMB users to create where the caller names none: ``alice`` where that unix user exists, and ourselves.

    An ordinary user can only serve as himself, so there every connection is his.
    """
    me = pwd.getpwuid(os.geteuid()).pw_name
    users = {me: PASSWORD}
    if os.geteuid() == 0 and unix_user_exists(ALICE):
        users = {ALICE: PASSWORD, me: PASSWORD}
    return users


def _negotiate_probe() -> bytes:
    """A framed SMB 2.0.2 NEGOTIATE: what a server that is up answers."""
    header = struct.pack("<4sHHIHHIIQIIQ16s", b"\xfeSMB", 64, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, bytes(16))
    body = struct.pack("<HHHHI16sQH", 36, 1, 1, 0, 0, bytes(16), 0, 0x0202)
    return struct.pack(">I", len(header) + len(body)) + header + body


class Server(abc.ABC):
    """One server process tree with its configuration, accounts and shares below ``directory``."""

    name: str

    def __init__(
        self,
        directory: Path | str,
        *,
        shares: Mapping[str, Mapping[str, str]] | None = None,
        options: Mapping[str, str] | None = None,
        users: Mapping[str, str] | None = None,
        port: int | None = None,
        file_size_limit: int | None = None,
    ) -> None:
        """Describe a server; nothing is written or started yet.

        Args:
            directory: where everything of it lives; made if missing.
            shares: share name to its parameters; ``path`` defaults to a directory of that name.
            options: parameters of [global] added to or replacing those of ``BASE_GLOBALS``; DIR and PORT are
                replaced in all values.
            users: SMB account name to password; the unix users must exist.
            port: fixed port instead of a free one.
            file_size_limit: bytes that no file of the server may exceed (RLIMIT_FSIZE).
        """
        self.directory = Path(directory).resolve()
        self.port = port or free_port()
        self.users = dict(default_users() if users is None else users)
        self._options = {**BASE_GLOBALS, **(options or {})}
        self._shares = {
            name: {"path": f"DIR/{name}", **parameters}
            for name, parameters in (shares or DEFAULT_SHARES).items()
        }
        self._file_size_limit = file_size_limit
        self._process: subprocess.Popen[bytes] | None = None
        self._helpers: frozenset[int] = frozenset()

    # -- what is described ---------------------------------------------------------------------------------

    @property
    def conf_path(self) -> Path:
        """The smb.conf of this server."""
        return self.directory / "smb.conf"

    @property
    def conf(self) -> str:
        """The text of smb.conf."""
        sections = {"global": self._options, **self._shares}
        lines = []
        for section, parameters in sections.items():
            lines.append(f"[{section}]")
            lines += [f"  {name} = {self.expand(value)}" for name, value in parameters.items()]
        return "\n".join(lines) + "\n"

    def expand(self, value: str) -> str:
        """Replace DIR and PORT in a value as in smb.conf."""
        return value.replace("DIR", str(self.directory)).replace("PORT", str(self.port))

    def share_path(self, share: str) -> Path:
        """The directory that a share serves."""
        return Path(self.expand(self._shares[share]["path"]))

    @property
    def user(self) -> str:
        """The first account."""
        return next(iter(self.users))

    @property
    def password(self) -> str:
        """The password of the first account."""
        return self.users[self.user]

    @property
    def credentials(self) -> str:
        """``user%password`` of the first account, as Samba's clients take it."""
        return f"{self.user}%{self.password}"

    # -- life ----------------------------------------------------------------------------------------------

    @classmethod
    @abc.abstractmethod
    def unavailable(cls) -> str | None:
        """Say why this server cannot run here, or None if it can."""

    @abc.abstractmethod
    def _server_command(self) -> list[str]: ...

    @abc.abstractmethod
    def _password_command(self, user: str) -> list[str]: ...

    def prepare(self) -> None:
        """Write directories, smb.conf and accounts."""
        # Clients with another unix identity than ours must be able to reach the shares.
        self.directory.mkdir(parents=True, exist_ok=True)
        self.directory.chmod(0o755)
        for name in _STATE_DIRECTORIES:
            (self.directory / name).mkdir(exist_ok=True)
        for share in self._shares:
            path = self.share_path(share)
            if not path.exists():
                path.mkdir(parents=True)
                path.chmod(0o777)
        self.write_conf()
        for user, password in self.users.items():
            done = subprocess.run(
                self._password_command(user),
                input=f"{password}\n{password}\n".encode(),
                capture_output=True,
                check=False,
                timeout=60,
            )
            if done.returncode:
                raise ServerError(f"{done.args}: {done.stderr.decode()}{done.stdout.decode()}")

    def write_conf(self, options: Mapping[str, str] | None = None) -> None:
        """Write smb.conf, with further [global] parameters if given (the server is not told)."""
        self._options.update(options or {})
        self.conf_path.write_text(self.conf)

    def start(self, timeout: float = 30) -> Self:
        """Start the server and wait until it answers a NEGOTIATE.

        Raises:
            ServerError: it ended or did not answer in time.
        """
        if not self.conf_path.exists():
            self.prepare()
        with (self.directory / "log" / "console").open("ab") as console:
            self._process = subprocess.Popen(
                self._server_command(),
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                cwd=self.directory,
                start_new_session=True,
            )
        if self._file_size_limit is not None:
            limit = self._file_size_limit
            resource.prlimit(self._process.pid, resource.RLIMIT_FSIZE, (limit, limit))
        self._wait(self._answers, timeout, "did not answer")
        self._wait(self._settled, timeout, "did not settle")
        return self

    def _answers(self) -> bool:
        self.check_alive()
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 2) as sock:
            sock.sendall(_negotiate_probe())
            return len(sock.recv(4)) > 0
        return False

    def _settled(self) -> bool:
        """The worker of our probe is gone: what is left below the parent are its helper daemons."""
        before = self._helpers
        self._helpers = frozenset(procstat.descendants(self.pid))
        return bool(before == self._helpers and not self.connections())

    def connections(self) -> int:
        """How many connections to our port the kernel knows as established."""
        local = f"0100007F:{self.port:04X}"
        table = Path("/proc/thread-self/net/tcp").read_text().splitlines()[1:]
        return sum(fields[1] == local and fields[3] == "01" for fields in map(str.split, table))

    def _wait(self, condition: Callable[[], bool], timeout: float, what: str) -> None:
        deadline = time.monotonic() + timeout
        while not condition():
            if time.monotonic() > deadline:
                tail = self.log_tail()
                self.stop()
                raise ServerError(f"{self.name} {what} within {timeout} s\n{tail}")
            time.sleep(0.05)

    def stop(self, timeout: float = 15) -> None:
        """End the server by TERM; what is left of its processes then is killed by pid."""
        if self._process is None:
            return
        # Samba's RPC helpers leave the family; they still carry the path of our smb.conf.
        members = {*procstat.descendants(self._process.pid), *procstat.with_argument(str(self.conf_path))}
        members.discard(self._process.pid)
        self._process.terminate()
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        deadline = time.monotonic() + 2
        while (left := [pid for pid in members if procstat.is_alive(pid)]) and time.monotonic() < deadline:
            time.sleep(0.02)
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process = None

    def remove(self) -> None:
        """Stop the server and delete its directory."""
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is not None:
                sys.stderr.write(self.log_tail() + "\n")
        finally:
            self.stop()

    # -- what is observed ----------------------------------------------------------------------------------

    @property
    def pid(self) -> int:
        """The parent process."""
        if self._process is None:
            raise ServerError(f"{self.name} is not running")
        return self._process.pid

    def check_alive(self) -> None:
        """Raise unless the parent runs.

        Raises:
            ServerError: it has ended; the message holds the end of its logs.
        """
        if self._process is None or (code := self._process.poll()) is not None:
            ended = "is not running" if self._process is None else f"ended with {code}"
            raise ServerError(f"{self.name} {ended}\n{self.log_tail()}")

    def worker_pids(self) -> list[int]:
        """The processes that serve clients: those below the parent that were not there when it was idle."""
        return [pid for pid in procstat.descendants(self.pid) if pid not in self._helpers]

    def helper_pids(self) -> list[int]:
        """The helper daemons that were there when the server was idle after its start."""
        return [pid for pid in self._helpers if procstat.is_alive(pid)]

    def cpu_seconds(self) -> float:
        """CPU time of all processes of the server so far, finished ones included."""
        return procstat.tree_cpu_seconds(self.pid)

    def memory(self) -> procstat.Memory:
        """Memory of all processes of the server."""
        return procstat.tree_memory(self.pid)

    def logs(self) -> dict[str, str]:
        """File name to text of all logs, the console included."""
        return {
            path.name: path.read_text(errors="replace")
            for path in sorted((self.directory / "log").glob("*"))
            if path.is_file()
        }

    def log_tail(self, lines: int = 30) -> str:
        """The last lines of every log."""
        parts = []
        for name, text in self.logs().items():
            if tail := text.splitlines()[-lines:]:
                parts.append(f"--- {self.name} {name}\n" + "\n".join(tail))
        return "\n".join(parts)


class SambaServer(Server):
    """Debian's smbd, the reference."""

    name = "samba"
    _SMBD = "/usr/sbin/smbd"

    @classmethod
    def unavailable(cls) -> str | None:
        if not Path(cls._SMBD).exists() or shutil.which("smbpasswd", path=_DEBIAN) is None:
            return "Debian's samba is not installed"
        if os.geteuid() != 0:
            return "Samba's smbd needs root"
        return None

    def _server_command(self) -> list[str]:
        return [self._SMBD, "-F", "--no-process-group", "-s", str(self.conf_path)]

    def _password_command(self, user: str) -> list[str]:
        tool = shutil.which("smbpasswd", path=_DEBIAN) or "smbpasswd"
        return [tool, "-c", str(self.conf_path), "-s", "-a", user]


class PysmbdServer(Server):
    """The server of this repository, from the environment that runs the tests."""

    name = "pysmbd"

    @classmethod
    def _tool(cls, name: str) -> str:
        return str(Path(sys.prefix) / "bin" / name)

    @classmethod
    def unavailable(cls) -> str | None:
        tool = cls._tool("smbd")
        return None if Path(tool).exists() else f"{tool} is missing: run scripts/test once"

    def _server_command(self) -> list[str]:
        return [self._tool("smbd"), "-F", "-s", str(self.conf_path)]

    def _password_command(self, user: str) -> list[str]:
        return [self._tool("smbpasswd"), "-c", str(self.conf_path), "-s", "-a", user]


SERVERS: Mapping[str, type[Server]] = {"pysmbd": PysmbdServer, "samba": SambaServer}


def server_class(name: str | None = None) -> type[Server]:
    """The server under test: by name, else of the environment (PYSMBD_TEST_SERVER), else pysmbd."""
    return SERVERS[name or os.environ.get("PYSMBD_TEST_SERVER", "pysmbd")]


@contextlib.contextmanager
def temporary_server(
    shares: Mapping[str, Mapping[str, str]],
    options: Mapping[str, str] | None = None,
    kind: type[Server] | None = None,
) -> Iterator[Server]:
    """A running server, in a directory that other users can reach; skips the test where it cannot run.

    Args:
        shares, options: as for `Server`.
        kind: default: the one under test.

    Raises:
        AssertionError: at the end: it has not survived.
    """
    kind = kind or server_class()
    if why := kind.unavailable():
        pytest.skip(why)
    with tempfile.TemporaryDirectory(prefix="server-") as scratch:
        Path(scratch).chmod(0o755)
        with kind(Path(scratch) / "server", shares=shares, options=options) as running:
            yield running
            running.check_alive()


#: For tests of rules that Samba 4.17 does not follow; they still run against pysmbd.
unlike_samba = pytest.mark.skipif(server_class() is SambaServer, reason="Samba deviates here")
