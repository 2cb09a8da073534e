"""One process of clients: each does one request after the other at random, and answers breaks at once."""

from __future__ import annotations

import os
import random
import select
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from smbd.wire.buffer import Buffer
from smbd.wire.close import CloseRequest
from smbd.wire.constants import (
    SMB2_CLOSE,
    SMB2_CREATE,
    SMB2_CREATE_REQUEST_LEASE,
    SMB2_LOCKFLAG_EXCLUSIVE_LOCK,
    SMB2_LOCKFLAG_FAIL_IMMEDIATELY,
    SMB2_LOCKFLAG_SHARED_LOCK,
    SMB2_LOCKFLAG_UNLOCK,
    SMB2_NOTIFY_BREAK_LEASE_FLAG_ACK_REQUIRED,
    SMB2_OPLOCK_BREAK,
)
from smbd.wire.create import CreateRequest, CreateResponse
from smbd.wire.create_context_lease import LeaseContextV2
from smbd.wire.fscc.file_info import FileDispositionInformation as Disposition
from smbd.wire.fscc.name_info import FileRenameInformation as Rename
from smbd.wire.lock import LockElement
from smbd.wire.oplock_break import (
    LeaseBreakAcknowledgment,
    LeaseBreakNotification,
    OplockBreakAcknowledgment,
    OplockBreakNotification,
    unpack_break_notification,
)
from tests.smbxcli import Connection, ConnectionLostError, File, Offer, Pending, ReplyTimeoutError, Session
from vfs.access import DELETE, FILE_READ_ATTRIBUTES, FILE_READ_DATA, FILE_WRITE_DATA
from vfs.constants import (
    FILE_DIRECTORY_FILE,
    FILE_NON_DIRECTORY_FILE,
    FILE_OPEN,
    FILE_OPEN_IF,
    FILE_OVERWRITE_IF,
    FILE_SHARE_ALL,
    FileDispositionInformation,
    FileRenameInformation,
    FileStandardInformation,
)
from vfs.locking.oplock import (
    LEASE_ALL,
    LEASE_HANDLE,
    LEASE_READ,
    LEASE_WRITE,
    OPLOCK_BATCH,
    OPLOCK_EXCLUSIVE,
    OPLOCK_LEASE,
    OPLOCK_LEVEL_II,
    OPLOCK_NONE,
)
from vfs.ntstatus import (
    STATUS_ACCESS_DENIED,
    STATUS_DELETE_PENDING,
    STATUS_END_OF_FILE,
    STATUS_FILE_LOCK_CONFLICT,
    STATUS_LOCK_NOT_GRANTED,
    STATUS_OBJECT_NAME_COLLISION,
    STATUS_OBJECT_NAME_NOT_FOUND,
    STATUS_SHARING_VIOLATION,
    STATUS_SUCCESS,
)

DIRECTORY: Final = "d"
HOT: Final = DIRECTORY + "\\hot"
_NAMES: Final = 12
_RANGES: Final = 4
_ALL_ACCESS: Final = FILE_READ_DATA | FILE_WRITE_DATA | FILE_READ_ATTRIBUTES | DELETE
_ANSWER_LIMIT_S: Final = 60
_STATES: Final = (LEASE_READ, LEASE_READ | LEASE_HANDLE, LEASE_READ | LEASE_WRITE, LEASE_ALL)
#: What may be answered while others do the same; any other failure is a finding.
EXPECTED: Final = frozenset({
    STATUS_SUCCESS,
    STATUS_ACCESS_DENIED,
    STATUS_DELETE_PENDING,
    STATUS_END_OF_FILE,
    STATUS_FILE_LOCK_CONFLICT,
    STATUS_LOCK_NOT_GRANTED,
    STATUS_OBJECT_NAME_COLLISION,
    STATUS_OBJECT_NAME_NOT_FOUND,
    STATUS_SHARING_VIOLATION,
})


@dataclass
class Tally:
    """What some clients did and saw.

    Attributes:
        requests: how many were answered.
        statuses: how often which status came.
        waits: seconds from a CREATE that had to wait for breaks to its answer.
        slowest: seconds that the slowest request took.
        breaks: how many notifications came.
        unanswered: what was never answered.
        lost: connections that the server closed.
    """

    requests: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    waits: list[float] = field(default_factory=list)
    slowest: float = 0
    breaks: int = 0
    unanswered: list[str] = field(default_factory=list)
    lost: int = 0

    def add(self, other: Tally) -> None:
        """Put together what two groups of clients saw."""
        self.requests += other.requests
        self.statuses += other.statuses
        self.waits += other.waits
        self.slowest = max(self.slowest, other.slowest)
        self.breaks += other.breaks
        self.unanswered += other.unanswered
        self.lost += other.lost


class Client:
    """One connection with at most one request under way."""

    def __init__(self, port: int, user: str, password: str, seed: int, tally: Tally) -> None:
        guid = os.urandom(16)
        self.connection = Connection.open("127.0.0.1", port, Offer(client_guid=guid), timeout=_ANSWER_LIMIT_S)
        self._tree = Session.login(self.connection, user, password).tree_connect("tmp")
        self._key = guid
        self._random = random.Random(seed)
        self._tally = tally
        self._file: File | None = None
        self._hot = self._directory = self._was_level_ii = False
        self._locked: tuple[int, int] | None = None
        self._wants: tuple[int, int] | None = None
        self._pending: Pending | None = None
        self._sent = 0.0
        self._what = ""
        self._kind = 0

    @property
    def idle(self) -> bool:
        """Nothing is under way."""
        return self._pending is None

    def describe(self) -> str:
        """What is under way, for how long."""
        return f"{self._what} since {time.monotonic() - self._sent:.1f} s"

    def receive(self) -> None:
        """Read what has arrived, answer breaks, take the response."""
        self.connection.pump(5)
        try:
            while True:
                self.connection.pump(0)
        except ReplyTimeoutError:
            pass
        while self.connection.breaks:
            self._answer(unpack_break_notification(self.connection.breaks.popleft().pdu))
        if self._pending is not None and self._pending.response is not None:
            self._answered(self._pending)

    def _answer(self, message: LeaseBreakNotification | OplockBreakNotification) -> None:
        self._tally.breaks += 1
        if isinstance(message, LeaseBreakNotification):
            if message.flags & SMB2_NOTIFY_BREAK_LEASE_FLAG_ACK_REQUIRED:
                ack = LeaseBreakAcknowledgment(message.lease_key, message.new_lease_state)
                self._tree.send(SMB2_OPLOCK_BREAK, ack)
        else:
            ids = (message.file_id_persistent, message.file_id_volatile)
            if message.oplock_level or not self._was_level_ii:
                self._tree.send(SMB2_OPLOCK_BREAK, OplockBreakAcknowledgment(*ids, message.oplock_level))

    def _answered(self, pending: Pending) -> None:
        response, self._pending = pending.response, None
        if response is None:
            return
        took = time.monotonic() - self._sent
        tally = self._tally
        tally.requests += 1
        tally.statuses[response.status] += 1
        tally.slowest = max(tally.slowest, took)
        ok = response.status == STATUS_SUCCESS
        if pending.command == SMB2_CREATE:
            if pending.interim:
                tally.waits.append(took)
            if ok:
                self._file = File(self._tree, response.body(CreateResponse))
                self._was_level_ii = self._file.response.oplock_level == OPLOCK_LEVEL_II
        elif self._what == "lock" and ok:
            self._locked = self._wants
        elif self._what == "unlock":
            self._locked = None

    def next(self, *, finish: bool = False) -> bool:
        """Send the next request; False if there is none any more."""
        if self._file is None:
            if finish:
                return False
            self._begin("create", self._open())
        elif finish or self._random.random() < 0.25:
            file, self._file, self._locked = self._file, None, None
            self._begin("close", file.send(SMB2_CLOSE, CloseRequest(file.persistent, file.volatile, 0)))
        else:
            self._begin(*self._use(self._file))
        return True

    def _begin(self, what: str, pending: Pending) -> None:
        self._what, self._pending = what, pending
        self._sent = time.monotonic()

    def _open(self) -> Pending:
        choose = self._random
        self._hot = choose.random() < 0.5
        directory = self._directory = not self._hot and choose.random() < 0.1
        kind = choose.choice((OPLOCK_NONE, OPLOCK_LEVEL_II, OPLOCK_EXCLUSIVE, OPLOCK_BATCH, OPLOCK_LEASE, OPLOCK_LEASE))
        contexts: dict[bytes, Buffer] = {}
        if kind == OPLOCK_LEASE:
            self._kind += 1
            key = self._key[:12] + self._kind.to_bytes(4, "little")
            contexts[SMB2_CREATE_REQUEST_LEASE] = LeaseContextV2(key, choose.choice(_STATES)).pack()
        name = DIRECTORY if directory else HOT if self._hot else self._name()
        disposition = FILE_OPEN_IF if choose.random() < 0.9 else FILE_OVERWRITE_IF
        return self._tree.send(
            SMB2_CREATE,
            CreateRequest(
                name=name,
                desired_access=FILE_READ_DATA if directory else _ALL_ACCESS,
                share_access=FILE_SHARE_ALL if choose.random() < 0.9 else 0,
                create_disposition=FILE_OPEN if directory else disposition,
                create_options=FILE_DIRECTORY_FILE if directory else FILE_NON_DIRECTORY_FILE,
                requested_oplock_level=kind,
                contexts=contexts,
            ),
        )

    def _name(self) -> str:
        return f"{DIRECTORY}\\n{self._random.randrange(_NAMES)}"

    def _use(self, file: File) -> tuple[str, Pending]:
        choose = self._random
        if self._locked is not None:
            return "unlock", file.send_lock(LockElement(*self._locked, SMB2_LOCKFLAG_UNLOCK))
        roll = 1 if self._directory else choose.random()
        if roll < 0.4:
            self._wants = (choose.randrange(_RANGES) * 10, choose.choice((10, 15)))
            kind = choose.choice((SMB2_LOCKFLAG_EXCLUSIVE_LOCK, SMB2_LOCKFLAG_SHARED_LOCK))
            now = choose.choice((0, SMB2_LOCKFLAG_FAIL_IMMEDIATELY))
            return "lock", file.send_lock(LockElement(*self._wants, kind | now))
        if roll < 0.6:
            return "write", file.send_write(b"x" * 8, choose.randrange(64))
        if roll < 0.75:
            return "read", file.send_read(8)
        if not self._hot and roll < 0.9:
            rename = Rename(self._name(), choose.random() < 0.5)
            return "rename", file.send_set_info(FileRenameInformation, rename.pack())
        if not self._hot and not self._directory:
            return "delete", file.send_set_info(FileDispositionInformation, Disposition(True).pack())
        return "query", file.send_query_info(FileStandardInformation)


def hammer(port: int, user: str, password: str, count: int, seconds: float, seed: int) -> Tally:
    """Let `count` clients work for `seconds`, then let them come to an end."""
    tally = Tally()
    clients = [Client(port, user, password, seed * 1000 + number, tally) for number in range(count)]
    poll = select.poll()
    by_fd = {client.connection.transport.fileno(): client for client in clients}
    for fd in by_fd:
        poll.register(fd, select.POLLIN)
    end = time.monotonic() + seconds
    busy = set(clients)
    for client in clients:
        client.next()
    while busy and time.monotonic() < end + _ANSWER_LIMIT_S:
        for fd, _ in poll.poll(1000):
            client = by_fd[fd]
            try:
                client.receive()
            except ConnectionLostError:
                tally.lost += 1
                poll.unregister(fd)
                busy.discard(client)
                continue
            if client.idle and client in busy and not client.next(finish=time.monotonic() > end):
                busy.discard(client)
    tally.unanswered = [client.describe() for client in busy]
    for client in clients:
        client.connection.close()
    return tally
