"""The steps done to a real server by four clients, and what they saw."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from collections import Counter
from collections.abc import Callable
from typing import Final

from smbd.wire.buffer import Buffer
from smbd.wire.close import CloseRequest
from smbd.wire.constants import (
    SMB2_CLOSE,
    SMB2_CREATE,
    SMB2_CREATE_REQUEST_LEASE,
    SMB2_LEASE_FLAG_BREAK_IN_PROGRESS,
    SMB2_LOCKFLAG_EXCLUSIVE_LOCK,
    SMB2_LOCKFLAG_FAIL_IMMEDIATELY,
    SMB2_LOCKFLAG_SHARED_LOCK,
    SMB2_LOCKFLAG_UNLOCK,
    SMB2_NOTIFY_BREAK_LEASE_FLAG_ACK_REQUIRED,
    SMB2_OPLOCK_BREAK,
)
from smbd.wire.create import CreateRequest, CreateResponse
from smbd.wire.create_context_lease import LeaseContext, LeaseContextV2, unpack_lease
from smbd.wire.fscc.file_info import FileDispositionInformation
from smbd.wire.fscc.name_info import FileRenameInformation
from smbd.wire.lock import LockElement
from smbd.wire.oplock_break import (
    LeaseBreakAcknowledgment,
    LeaseBreakNotification,
    LeaseBreakResponse,
    OplockBreakAcknowledgment,
    unpack_break_notification,
    unpack_break_response,
)
from smbd.wire.read_write import ReadResponse, WriteResponse
from tests.model import rules, steps
from tests.model.audit import Audit
from tests.model.generate import CLIENTS
from tests.model.quiet import Watcher
from tests.model.world import Event
from tests.servers import Server
from tests.smbxcli import (
    Connection,
    ConnectionLostError,
    File,
    Offer,
    Pending,
    ReplyTimeoutError,
    Response,
    Session,
    Tree,
)
from vfs import constants
from vfs.constants import FILE_DELETE_ON_CLOSE, FILE_NON_DIRECTORY_FILE
from vfs.ntstatus import STATUS_SUCCESS

SHARE: Final = "tmp"
#: After a kill, waiters have to go on within a second and everything of the dead has to be gone soon.
_GONE_S: Final = 5.0


class Client:
    """One connection, served by a process of its own."""

    def __init__(self, server: Server, number: int) -> None:
        self.number = number
        self._server = server
        self._guid = os.urandom(16)
        self.pid = 0
        self.connection: Connection
        self.tree: Tree
        self.files: dict[tuple[int, int], int] = {}
        self.asked: list[tuple[steps.Step, Pending]] = []
        self.connect()

    def connect(self) -> None:
        """Log in; the same client as before if it was connected already."""
        before = set(self._server.worker_pids())
        self.connection = Connection.open("127.0.0.1", self._server.port, Offer(client_guid=self._guid))
        session = Session.login(self.connection, self._server.user, self._server.password)
        self.tree = session.tree_connect(SHARE)
        (self.pid,) = set(self._server.worker_pids()) - before
        self.files.clear()
        self.asked.clear()

    def finish(self) -> None:
        """Wait until everything is answered."""
        self.connection.pump_until(lambda: not self.connection.outstanding)

    def read_all(self, patience: float) -> None:
        """Read what has arrived; several frames may have come with one look at the socket."""
        while True:
            try:
                while True:
                    self.connection.pump(0)
            except ReplyTimeoutError:
                if not select.select([self.connection.transport], [], [], 0)[0]:
                    return
                self.connection.pump(patience)

    def key(self, number: int) -> bytes:
        """The lease key of that number."""
        return bytes([number + 1]) + self._guid[1:]


class Clients:
    """All clients of one server.

    Attributes:
        patience: seconds that an expected message may take.
    """

    def __init__(self, server: Server) -> None:
        self.patience = 5.0
        self._server = server
        self._watcher = Watcher()
        self._files: dict[int, File] = {}
        self._pending: dict[int, tuple[Client, Pending]] = {}
        self._clients = [Client(server, number) for number in range(CLIENTS)]
        self._follow()
        self.audit = Audit(server.directory / "lock")

    def _follow(self) -> None:
        self._watcher.follow([client.pid for client in self._clients])

    # -- doing ---------------------------------------------------------------------------------------------

    def do(self, step: steps.Step) -> Counter[Event]:
        """Do a step; return what was seen when all came to rest."""
        client = self._clients[step.client]
        if isinstance(step, steps.Kill):
            self._kill(client)
            return self.seen()
        if isinstance(step, steps.Cancel):
            owner, pending = self._pending[step.request]
            owner.connection.cancel(pending)
            pending.recv(self.patience)
            return self.seen()
        pending = self._DOERS[type(step)](self, client, step)
        client.asked.append((step, pending))
        waits = pending.recv_interim(self.patience) is not None and pending.response is None
        seen = self.seen()
        if waits and pending.response is None:
            self._pending[step.id] = (client, pending)
            seen[("wait", step.id)] += 1
        elif waits:  # told to wait, and answered within the same step
            seen[("wait", step.id)] += 1
        return seen

    def _create(self, client: Client, step: steps.Create) -> Pending:
        contexts: dict[bytes, Buffer] = {}
        if step.lease >= 0:
            kind = LeaseContextV2 if step.lease % 2 else LeaseContext
            contexts[SMB2_CREATE_REQUEST_LEASE] = kind(client.key(step.lease), step.state).pack()
        options = FILE_NON_DIRECTORY_FILE | (FILE_DELETE_ON_CLOSE if step.delete_on_close else 0)
        request = CreateRequest(
            name=step.name,
            desired_access=step.access,
            file_attributes=0,
            share_access=step.share,
            create_disposition=step.disposition,
            create_options=options,
            requested_oplock_level=step.oplock,
            contexts=contexts,
        )
        return client.tree.send(SMB2_CREATE, request)

    def _close(self, _client: Client, step: steps.Close) -> Pending:
        file = self._files[step.handle]
        return file.send(SMB2_CLOSE, CloseRequest(file.persistent, file.volatile, 0))

    def _ack_oplock(self, _client: Client, step: steps.AckOplock) -> Pending:
        file = self._files[step.handle]
        return file.send(SMB2_OPLOCK_BREAK, OplockBreakAcknowledgment(file.persistent, file.volatile, step.level))

    def _ack_lease(self, client: Client, step: steps.AckLease) -> Pending:
        return client.tree.send(SMB2_OPLOCK_BREAK, LeaseBreakAcknowledgment(client.key(step.key), step.state))

    def _lock(self, _client: Client, step: steps.Lock) -> Pending:
        now = 0 if step.wait else SMB2_LOCKFLAG_FAIL_IMMEDIATELY
        elements = [
            LockElement(start, length, now | (SMB2_LOCKFLAG_EXCLUSIVE_LOCK if exclusive else SMB2_LOCKFLAG_SHARED_LOCK))
            for start, length, exclusive in step.elements
        ]
        return self._files[step.handle].send_lock(*elements)

    def _unlock(self, _client: Client, step: steps.Unlock) -> Pending:
        elements = [LockElement(start, length, SMB2_LOCKFLAG_UNLOCK) for start, length in step.elements]
        return self._files[step.handle].send_lock(*elements)

    def _read(self, _client: Client, step: steps.Read) -> Pending:
        return self._files[step.handle].send_read(step.length, step.offset)

    def _write(self, _client: Client, step: steps.Write) -> Pending:
        return self._files[step.handle].send_write(bytes([step.value]) * step.length, step.offset)

    def _disposition(self, _client: Client, step: steps.Disposition) -> Pending:
        return self._files[step.handle].send_set_info(
            constants.FileDispositionInformation, FileDispositionInformation(step.delete).pack()
        )

    def _rename(self, _client: Client, step: steps.Rename) -> Pending:
        return self._files[step.handle].send_set_info(
            constants.FileRenameInformation, FileRenameInformation(step.name, step.replace).pack()
        )

    _DOERS: Final[dict[type[steps.Step], Callable[..., Pending]]] = {
        steps.Create: _create,
        steps.Close: _close,
        steps.AckOplock: _ack_oplock,
        steps.AckLease: _ack_lease,
        steps.Lock: _lock,
        steps.Unlock: _unlock,
        steps.Read: _read,
        steps.Write: _write,
        steps.Disposition: _disposition,
        steps.Rename: _rename,
    }

    def _kill(self, client: Client) -> None:
        """Kill the worker, wait until nothing of it is left, and come back."""
        before = client.pid
        gone = {pair for pair, (owner, _) in self._pending.items() if owner is client}
        for request in gone:
            del self._pending[request]
        os.kill(before, signal.SIGKILL)
        with contextlib.suppress(ConnectionLostError, ReplyTimeoutError):
            while True:
                client.connection.pump(self.patience)
        client.connection.close()
        client.connection.breaks.clear()
        for number in list(client.files.values()):
            self._files.pop(number, None)
        deadline = time.monotonic() + _GONE_S
        while (left := [one for one in self.audit.problems() if "dead" in one]) and time.monotonic() < deadline:
            os.sched_yield()
        if left:
            raise ReplyTimeoutError(f"after a kill there is still {left}")
        client.connect()
        self._follow()

    # -- seeing --------------------------------------------------------------------------------------------

    def seen(self) -> Counter[Event]:
        """What has arrived when all workers rest, and was not reported yet."""
        self._watcher.wait()
        return self.collect()

    def wait_for_more(self, timeout: float) -> None:
        """Wait until something arrives at any client."""
        select.select([client.connection.transport for client in self._clients], [], [], timeout)

    def collect(self) -> Counter[Event]:
        """What has arrived and was not reported yet."""
        events: Counter[Event] = Counter()
        for client in self._clients:
            client.read_all(self.patience)
            for step, pending in [pair for pair in client.asked if pair[1].response is not None]:
                client.asked.remove((step, pending))
                self._pending.pop(step.id, None)
                if pending.response is not None:
                    events[self._final(client, step, pending.response)] += 1
            while client.connection.breaks:
                events[self._notification(client, client.connection.breaks.popleft())] += 1
        return events

    def _final(self, client: Client, step: steps.Step, response: Response) -> Event:
        head = ("done", step.id, response.status)
        if response.status != STATUS_SUCCESS:
            return head
        if isinstance(step, steps.Create):
            return (*head, *self._opened(client, step, response.body(CreateResponse)))
        if isinstance(step, steps.Close):
            file = self._files.pop(step.handle)
            client.files.pop((file.persistent, file.volatile), None)
        elif isinstance(step, steps.Read):
            return (*head, bytes(response.body(ReadResponse).data))
        elif isinstance(step, steps.Write):
            return (*head, response.body(WriteResponse).count)
        elif isinstance(step, steps.AckLease | steps.AckOplock):
            answer = unpack_break_response(response.pdu)
            return (*head, answer.lease_state if isinstance(answer, LeaseBreakResponse) else answer.oplock_level)
        return head

    def _opened(self, client: Client, step: steps.Create, body: CreateResponse) -> tuple[object, ...]:
        file = File(client.tree, body)
        self._files[step.id] = file
        client.files[file.persistent, file.volatile] = step.id
        if body.oplock_level != rules.LEASE:
            return (body.create_action, body.oplock_level)
        lease = unpack_lease(body.contexts[SMB2_CREATE_REQUEST_LEASE])
        breaking = bool(lease.lease_flags & SMB2_LEASE_FLAG_BREAK_IN_PROGRESS)
        epoch = lease.epoch if isinstance(lease, LeaseContextV2) else 0
        return (body.create_action, body.oplock_level, lease.lease_state, breaking, epoch)

    @staticmethod
    def _notification(client: Client, response: Response) -> Event:
        message = unpack_break_notification(response.pdu)
        if not isinstance(message, LeaseBreakNotification):
            number = client.files.get((message.file_id_persistent, message.file_id_volatile), -1)
            return ("oplock", number, message.oplock_level)
        key = message.lease_key[0] - 1
        answer = bool(message.flags & SMB2_NOTIFY_BREAK_LEASE_FLAG_ACK_REQUIRED)
        states = (message.current_lease_state, message.new_lease_state)
        return ("lease", client.number, key, *states, answer, message.new_epoch)

    # -- starting anew -------------------------------------------------------------------------------------

    def reset(self, *, reconnect: bool = False) -> list[str]:
        """Close everything and empty the share; return what is left in the databases."""
        for client in self._clients:
            if reconnect:
                client.connection.close()
                client.connection.breaks.clear()
        if reconnect:
            self._wait_gone()
            for client in self._clients:
                client.connect()
        else:
            for owner, pending in list(self._pending.values()):
                owner.connection.cancel(pending)
            for client in self._clients:
                # Answers still to come make opens that have to be closed, too.
                client.finish()
            self.seen()
            for file in list(self._files.values()):
                file.close()
        self._follow()
        self._files.clear()
        for client in self._clients:
            client.files.clear()
        self._pending.clear()
        self._watcher.wait()
        self.collect()
        for path in self._server.share_path(SHARE).iterdir():
            path.unlink()
        return [*self.audit.problems(), *self.audit.leftovers()]

    def _wait_gone(self) -> None:
        gone = {client.pid for client in self._clients}
        deadline = time.monotonic() + _GONE_S
        while gone & set(self._server.worker_pids()) and time.monotonic() < deadline:
            os.sched_yield()

    def close(self) -> None:
        """Hang up."""
        for client in self._clients:
            client.connection.close()
        self._watcher.close()
