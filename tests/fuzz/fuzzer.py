"""Send damaged requests to a server and watch that it stays in good health.

Many connections never log in; the others do, and damage what they send before it is signed or sealed, so that
the damage gets past the signature check. A well-behaved bystander keeps a session with an open
file over the whole run: if its worker or the parent suffers, it notices.
"""

from __future__ import annotations

import contextlib
import random
import re
import shutil
import time
from collections import Counter
from typing import Final

from smbd.wire.constants import SMB2_ECHO, SMB2_NEGOTIATE, SMB2_SESSION_SETUP
from smbd.wire.echo import EchoRequest
from smbd.wire.errors import WireError
from smbd.wire.header import Header
from smbd.wire.session import SessionSetupRequest
from smbd.wire.smb1 import Smb1NegotiateRequest
from tests import procstat
from tests.fuzz.corpus import FileId, valid_request
from tests.fuzz.mutate import mutate
from tests.servers import Server
from tests.smbxcli import (
    ALL_DIALECTS,
    Chain,
    Connection,
    ConnectionLostError,
    Offer,
    Pending,
    Protection,
    ProtocolViolationError,
    ReplyTimeoutError,
    Session,
    SmbxError,
    Transport,
    Tree,
)
from tests.smbxcli.message import Message
from vfs.constants import FILE_DIRECTORY_FILE, FILE_OPEN_IF
from vfs.ntstatus import status_name

_BATCH: Final = 16  # requests between two echoes
_PER_TREE: Final = 640  # then a new tree connect: what damaged requests opened is closed with the old
_PER_CONNECTION: Final = 5 * _PER_TREE
_BEFORE_LOGIN: Final = 0.05  # part of the requests; a connection takes only a few of them
_SETTLED: Final = 0.25  # part of the run after which the parent must not grow any more
_TOLERANCE: Final = 8 << 20  # bytes of growth that are noise
_ENTRY: Final = re.compile(r"^(?=\[\d{4}/)", re.MULTILINE)
_BAD_END: Final = re.compile(r"was killed by|ended with exit code|core dumped")
_TRACEBACK: Final = "Traceback (most recent call last)"


class HealthError(AssertionError):
    """The server suffered."""


class Fuzzer:
    """One run.

    Attributes:
        sent: damaged requests sent so far.
        counts: what became of them.
        statuses: what the server answered to requests after login.
        internal_errors: place to number of InternalErrors in the server's log.
        memory: requests sent and USS of the parent, now and then.
        worker_memory: USS of each long-lived worker after its first tree connect and at its end.
    """

    def __init__(self, server: Server, seed: int) -> None:
        self._server = server
        self._seed = seed
        self._random = random.Random(seed)
        self._round = 0
        self._history: list[bytes] = []
        self._quiet: list[int] = []
        self._before = 0
        self._pendings: list[Pending] = []
        self.sent = 0
        self.counts: Counter[str] = Counter()
        self.statuses: Counter[int] = Counter()
        self.internal_errors: Counter[str] = Counter()
        self.memory: list[tuple[int, int]] = []
        self.worker_memory: list[tuple[int, int]] = []

    def run(self, requests: int) -> None:
        """Send this many damaged requests.

        Raises:
            HealthError: a process of the server died, hung, leaked or logged a traceback.
        """
        self._prepare_share()
        with Connection.open("127.0.0.1", self._server.port, timeout=60) as bystander:
            session = Session.login(bystander, self._server.user, self._server.password)
            file = session.tree_connect("tmp").create("bystander", disposition=FILE_OPEN_IF)
            self._quiet = [*self._server.worker_pids(), *self._server.helper_pids()]
            while self.sent < requests:
                # Each connection has a seed of its own, so that one can be repeated without the others.
                self._round += 1
                self._random = random.Random(f"{self._seed}/{self._round}")
                self._one_connection(min(_PER_CONNECTION, requests - self.sent))
                if self._round % 8 == 0:
                    self._check_processes()
                    self.memory.append((self.sent, procstat.memory(self._server.pid).uss))
                if self._round % 64 == 0:
                    self._prepare_share()
            try:
                if file.write(b"still here") != 10 or file.read(10) != b"still here":
                    raise HealthError("the bystander read something else than it wrote")
            except SmbxError as error:
                raise self._failure(f"the bystander was hurt: {error}") from error
            self._check_processes()
        self._check_memory(requests)
        self.check_logs()

    def _prepare_share(self) -> None:
        share = self._server.share_path("tmp")
        for entry in share.iterdir():
            if entry.name == "bystander":
                continue
            with contextlib.suppress(OSError):
                shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
        with contextlib.suppress(OSError):
            (share / "dir").mkdir(exist_ok=True)
            (share / "dir").chmod(0o777)

    # -- connections ---------------------------------------------------------------------------------------

    def _one_connection(self, budget: int) -> None:
        self.counts["connections"] += 1
        self._history.clear()
        self._pendings.clear()
        try:
            transport = Transport.connect("127.0.0.1", self._server.port)
        except OSError as error:
            raise self._failure(f"cannot connect: {error}") from error
        dialects = [self._random.choice(ALL_DIALECTS)]
        connection = Connection(transport, Offer(dialects=dialects), timeout=30)
        before = self.sent
        outcome: Exception | None = None
        try:
            with connection:
                if self._before < _BEFORE_LOGIN * self.sent:
                    self._before_login(connection)
                    self._before += self.sent - before
                else:
                    self._after_login(connection, budget)
        except ConnectionLostError as error:
            outcome = error
            self.counts["connections dropped by the server"] += 1
        except (ProtocolViolationError, WireError) as error:
            outcome = error
            # The damage may well have changed what the answer is allowed to look like.
            self.counts[f"unexpected answers: {re.sub('[0-9]+', 'N', str(error))[:60]}"] += 1
        except ReplyTimeoutError as error:
            raise self._failure(f"no answer: {error}") from error
        if self.sent == before:
            raise self._failure(f"a healthy connection failed: {outcome!r}")

    def _before_login(self, connection: Connection) -> None:
        """Damage NEGOTIATE, SESSION_SETUP and the frames around them."""
        kind = self._random.randrange(4)
        if kind == 0:
            smb1 = Smb1NegotiateRequest(["NT LM 0.12", "SMB 2.002", "SMB 2.???"])
            self._send_frame(connection, mutate(smb1.pack(), self._random))
        elif kind == 1:
            negotiate = mutate(connection.offer.request().pack(), self._random)
            self._send_frame(connection, Message(Header(command=SMB2_NEGOTIATE), negotiate, None).pack())
        else:
            connection.negotiate()
            for _ in range(self._random.randrange(1, 8)):
                token = mutate(self._token(), self._random)
                body = SessionSetupRequest(token).pack()
                if self._random.random() < 0.3:
                    body = bytes(mutate(body, self._random))
                message = connection.prepare(SMB2_SESSION_SETUP, body)
                self._count(message.pack())
                connection.transmit([message])[0].recv()
        with contextlib.suppress(ReplyTimeoutError):
            connection.pump(0.05)

    def _token(self) -> bytes:
        import spnego

        protocol = self._random.choice(("ntlm", "negotiate"))
        context = spnego.client("fuzz", "fuzz", hostname="localhost", service="cifs", protocol=protocol)
        return context.step() or b""

    def _after_login(self, connection: Connection, budget: int) -> None:
        connection.negotiate()
        session = Session.login(connection, self._server.user, self._server.password)
        ways = [Protection.PLAIN, Protection.SIGN] + ([Protection.SEAL] if session.can_seal else [])
        session.protection = self._random.choice(ways)
        connection.window.wanted = 400
        # Damaged chains and headers cost most connections their life: half of the connections go without.
        wild = self._random.random() < 0.5
        first = 0
        while budget > 0:
            # 3.1.1 wants its tree connects protected.
            chosen, session.protection = session.protection, Protection.SIGN
            tree = session.tree_connect("tmp")
            session.protection = chosen
            asked = min(budget, _PER_TREE)
            if not self._tree(tree, asked, wild=wild):
                return
            budget -= asked
            session.protection = Protection.SIGN
            tree.disconnect()
            session.protection = chosen
            now = self._worker_memory()
            first = first or now
        self.worker_memory.append((first, now))
        if now > first + _TOLERANCE:
            raise self._failure(f"a worker grew from {first >> 10} to {now >> 10} KiB")

    def _worker_memory(self) -> int:
        busy = [pid for pid in self._server.worker_pids() if pid not in self._quiet]
        try:
            return max((procstat.memory(pid).uss for pid in busy), default=0)
        except OSError:
            return 0

    def _tree(self, tree: Tree, budget: int, *, wild: bool) -> bool:
        """Send damaged requests in one tree connect; False if the server has stopped granting credits."""
        session = tree.session
        connection = session.connection
        self._echo(connection, session)
        files: list[FileId] = []
        while budget > 0:
            if self._random.random() < 0.25 or not files:
                files = self._open_files(tree)  # the old ones may be closed by now
            if connection.window.credits <= 2 * _BATCH:
                return False
            count = min(_BATCH, budget)
            if wild and self._random.random() < 0.1:
                self._compound(tree, files, count)
            else:
                for _ in range(count):
                    self._request(tree, files, wild=wild)
            budget -= count
            self._echo(connection, session)
        return True

    def _open_files(self, tree: Tree) -> list[FileId]:
        wanted = (("a", 0), ("b.txt", 0), ("dir", FILE_DIRECTORY_FILE))
        opened = [(1, 2), (0xFFFFFFFFFFFFFFFF, 0xFFFFFFFFFFFFFFFF)]
        for name, options in wanted:
            # Earlier requests may have left the file locked away behind its own security descriptor.
            with contextlib.suppress(SmbxError):
                file = tree.create(name, disposition=FILE_OPEN_IF, options=options)
                opened += [(file.persistent, file.volatile)] * 3
        return opened

    def _echo(self, connection: Connection, session: Session) -> None:
        """Wait until everything before is handled."""
        connection.send(SMB2_ECHO, EchoRequest(), session=session, protection=Protection.PLAIN).recv()
        self.statuses.update(pending.response.status for pending in self._pendings if pending.response)
        self._pendings.clear()

    def _request(self, tree: Tree, files: list[FileId], *, wild: bool) -> None:
        connection = tree.session.connection
        plain = valid_request(self._random, self._random.choice(files))
        body = mutate(plain.body, self._random) if self._random.random() < 0.9 else bytearray(plain.body)
        # Messages without a StructureSize end the connection: rarely enough, to get deeper.
        message = tree.prepare(plain.command, body if wild or len(body) >= 2 else plain.body)
        if wild and self._random.random() < 0.02:
            mangled = mutate(message.header.pack(), self._random)[:64].ljust(64, b"\0")
            with contextlib.suppress(WireError):
                message.header = Header.unpack(mangled)
        self._count(message.pack())
        self._pendings += connection.transmit([message])

    def _compound(self, tree: Tree, files: list[FileId], count: int) -> None:
        chain = Chain(tree)
        for index in range(count):
            plain = valid_request(self._random, self._random.choice(files))
            add = chain.related if index and self._random.random() < 0.7 else chain.add
            message = add(plain.command, mutate(plain.body, self._random))
            if self._random.random() < 0.05:
                message.header.next_command = self._random.choice((1, 8, 64, 72, 0x10000, 0xFFFFFFF8))
            self._count(message.pack())
        self._pendings += chain.send()

    def _send_frame(self, connection: Connection, message: bytearray) -> None:
        self._count(message)
        connection.send_raw(message)

    def _count(self, message: bytearray) -> None:
        self.sent += 1
        self._history.append(bytes(message))

    # -- health --------------------------------------------------------------------------------------------

    def _failure(self, what: str) -> HealthError:
        last = "\n".join(message[:400].hex() for message in self._history[-_BATCH - 1 :])
        return HealthError(
            f"seed {self._seed} connection {self._round} after {self.sent} requests: {what}\n"
            f"last requests:\n{last}\n{self._server.log_tail()}"
        )

    def _check_processes(self) -> None:
        self._server.check_alive()
        if dead := [pid for pid in self._quiet if not procstat.is_alive(pid)]:
            raise self._failure(f"processes {dead} died")

    def _check_memory(self, requests: int) -> None:
        settled = [uss for sent, uss in self.memory if sent >= requests * _SETTLED]
        if settled and settled[-1] > settled[0] + _TOLERANCE:
            raise self._failure(f"the parent grew from {settled[0] >> 10} to {settled[-1] >> 10} KiB")

    def check_logs(self) -> None:
        """Look for tracebacks and for workers that ended badly.

        Raises:
            HealthError: there is one that is not an InternalError.
        """
        self.internal_errors.clear()
        for name, text in self._server.logs().items():
            for entry in _ENTRY.split(text):
                if _TRACEBACK in entry:
                    if "InternalError" not in entry:
                        raise self._failure(f"traceback in {name}:\n{entry[-3000:]}")
                    self.internal_errors[_place(entry)] += 1
                elif _BAD_END.search(entry):
                    raise self._failure(f"a worker ended badly, says {name}:\n{entry[-3000:]}")


def _place(entry: str) -> str:
    """The innermost frame and the error of a traceback."""
    frames = re.findall(r'File "[^"]*?([^/"]+/[^/"]+)", line (\d+)', entry)
    where = ":".join(frames[-1]) if frames else "?"
    lines = [line for line in entry.splitlines() if line.strip()]
    return f"{where} {lines[-1].strip()[:120]}"


def summary(fuzzer: Fuzzer, began: float) -> str:
    """What was done, in lines."""
    seconds = time.monotonic() - began
    lines = [f"{fuzzer.sent} damaged requests in {seconds:.0f} s"]
    lines += [f"  {count:8} {what}" for what, count in sorted(fuzzer.counts.items())]
    lines += [f"  {count:8} answers {status_name(status)}" for status, count in fuzzer.statuses.most_common(12)]
    if fuzzer.memory:
        first, last = fuzzer.memory[0][1] >> 10, fuzzer.memory[-1][1] >> 10
        lines.append(f"  parent: {first} KiB at first, {last} KiB at last")
    if fuzzer.worker_memory:
        growth = max(last - first for first, last in fuzzer.worker_memory)
        lines.append(f"  {len(fuzzer.worker_memory)} long-lived workers, largest growth {growth >> 10} KiB")
    lines += [f"  {count:8} InternalError at {place}" for place, count in fuzzer.internal_errors.most_common()]
    return "\n".join(lines)
