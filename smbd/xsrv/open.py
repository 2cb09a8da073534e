"""The protocol half of an open file: smbXsrv_open ([MS-SMB2] 3.3.1.10).

What it means on disk is the other half: a `vfs.fsa` FileObject, or a named pipe. Neither knows the other.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from messaging.server_id import DISCONNECTED
from smbd.xsrv import scavenging
from smbd.xsrv.records import OpenGlobal
from smbd.xsrv.replay import UNUSED
from smbd.xsrv.table import random_id
from vfs.fsa import durable
from vfs.fsa.close import close_file
from vfs.ntstatus import STATUS_INSUFFICIENT_RESOURCES, STATUS_SUCCESS, NTStatusError

if TYPE_CHECKING:
    from smbd.rpc.pipe import Pipe
    from smbd.smb2.overlapped import OverlappedWriter
    from smbd.smb2.pending import Pending
    from smbd.xsrv.app_instance import InstanceOpen
    from smbd.xsrv.session import Session
    from smbd.xsrv.tcon import Tcon
    from vfs.fsa.directory import DirectoryScan
    from vfs.fsa.file_object import FileObject
    from vfs.token import SecurityToken

_log = logging.getLogger(__name__)


class Durability(NamedTuple):
    """What an open survives ([MS-SMB2] 3.3.5.9.6, 3.3.5.9.10): the loss of its connection; with a cookie, the server's.

    Attributes:
        create_guid: of the CREATE; the null GUID if that has none.
        timeout_msec: how long it waits for its client.
        cookie: of `vfs.fsa.durable` for a persistent handle, else empty.
    """

    create_guid: bytes
    timeout_msec: int
    cookie: bytes = b""

    def describe(self, record: OpenGlobal, share_name: str) -> None:
        """Enter it in the record of the open."""
        record.durable = True
        record.persistent = bool(self.cookie)
        record.create_guid = self.create_guid
        record.durable_timeout_msec = self.timeout_msec
        record.share_name = share_name
        record.backend_cookie = self.cookie


class Open(msgspec.Struct, eq=False):
    """One open of a file, a directory or a pipe.

    Attributes:
        volatile_id: key in the session's table; also the number that share modes know it by.
        persistent_id: id of the global record, if it has one.
        recorded: it has a record in smbXsrv_open_global. Most have none: what others need to know of an open that
            ends with its connection stands in the share modes.
        token: who opened it; its requests run as that user.
        file: the file system's half, None for a pipe.
        pipe: the pipe, None for a file.
        scan: directory enumeration in progress.
        pending: requests about this open that are not answered yet.
        channel_sequence: Open.ChannelSequence; `UNUSED` while the CREATE that made it can be replayed.
        create_guid: of that CREATE; empty if it cannot be replayed.
        app_instance_id: of the application that it belongs to; empty if that named none.
        lock_sequence: LockSequenceArray, index -> SequenceNumber of the entries that are valid.
        durable: it is to survive the loss of its connection, as long as nobody else wants the file.
        resilient: it is to survive that, whatever others want (FSCTL_LMR_REQUEST_RESILIENCY).
        persistent: it is to survive the server as well.
        durable_timeout_msec: how long it then waits for its client.
    """

    session: Session
    tcon: Tcon
    token: SecurityToken
    volatile_id: int
    persistent_id: int
    file: FileObject | None = None
    granted_access: int = 0
    recorded: bool = False
    pipe: Pipe | None = None
    scan: DirectoryScan | None = None
    pending: set[Pending | OverlappedWriter] = set()
    channel_sequence: int = 0
    create_guid: bytes = b""
    app_instance_id: bytes = b""
    lock_sequence: dict[int, int] = {}
    durable: bool = False
    resilient: bool = False
    persistent: bool = False
    durable_timeout_msec: int = 0

    def _note(self, **fields: object) -> None:
        """Set fields of the global record, which begins with the first of them.

        Raises:
            NTStatusError: STATUS_INSUFFICIENT_RESOURCES: another open of that id has a record.
        """

        def change(record: OpenGlobal) -> OpenGlobal:
            for name, value in fields.items():
                setattr(record, name, value)
            return record

        opens = self.session.client.ctx.databases.opens
        if self.recorded:
            opens.update(self.persistent_id, change)
            return
        first = change(_first_record(self.session, self.tcon, self.volatile_id, self.persistent_id))
        self.recorded = opens.insert(self.persistent_id, first)
        if not self.recorded:
            raise NTStatusError(STATUS_INSUFFICIENT_RESOURCES, "the id of the open is in use")

    def enter_app_instance(self, app_instance_id: bytes, entry: InstanceOpen) -> None:
        """Note, for the other processes as well, to which application it belongs ([MS-SMB2] 3.3.5.9.13)."""
        self.app_instance_id = app_instance_id
        self._note(app_instance_id=app_instance_id, app_instance_version=entry.version)
        databases = self.session.client.ctx.databases
        databases.app_instances.enter(app_instance_id, entry)
        if self.persistent:
            databases.keep(self.persistent_id)

    @property
    def survives(self) -> bool:
        """Whether it is any of the kinds that outlive their connection."""
        return self.durable or self.resilient or self.persistent

    def locks_changed(self) -> None:
        """Have the locks of a persistent handle kept, and which lock requests were answered."""
        self._note(lock_sequence=self.lock_sequence)
        self.session.client.ctx.databases.keep(self.persistent_id)

    def make_resilient(self, timeout_msec: int) -> None:
        """Note that the open is resilient from now on, and no longer only durable ([MS-SMB2] 3.3.5.15.9)."""
        self.resilient = True
        self.durable = self.durable and self.persistent
        self.durable_timeout_msec = timeout_msec
        self._note(
            resilient=True,
            durable=self.durable,
            durable_timeout_msec=timeout_msec,
            share_name=self.tcon.share_name,
        )

    def disconnect(self) -> None:
        """The client went away: keep the open for it if it survives that, else close it ([MS-SMB2] 3.3.7.1)."""
        file = self.file
        if not self.survives or file is None:
            self.close()
            return
        # Locks that are still waited for are not to be granted to a handle that nobody holds.
        self._end_waits()
        try:
            cookie = durable.disconnect(file, self.persistent_id, stays=self.resilient or self.persistent)
        except (OSError, NTStatusError) as error:
            _log.warning("%s does not stay open: %s", file.name, error)
            cookie = None
        if cookie is None:
            self.close()
            return
        del self.session.opens[self.volatile_id]
        client = self.session.client
        client.replays.forget(self)
        if self.create_guid and self.channel_sequence == UNUSED and not self.persistent:
            client.ctx.databases.replays.enter(client.client_guid, self.create_guid, self.persistent_id)
        self._note(
            server_id=DISCONNECTED,
            backend_cookie=cookie,
            disconnect_time=time.time_ns(),
            lock_sequence=self.lock_sequence,
        )
        scavenging.wake(client.ctx, self.durable_timeout_msec)

    def _end_waits(self) -> None:
        for pending in list(self.pending):
            if pending.request.waits_on is self:
                pending.cancel(pending.request.status_on_close)

    def close(self) -> int:
        """Close the file or pipe and take the open out of every table ([MS-SMB2] 3.3.4.17).

        Requests that wait on it end with the status that they have chosen.

        Returns:
            STATUS_SUCCESS, or what failed, such as the deletion of the file; the open is gone all the same.
        """
        status = STATUS_SUCCESS
        if self.session.opens.pop(self.volatile_id, None) is None:
            return status
        if self.pending:
            self._end_waits()
        if self.create_guid:
            self.session.client.replays.forget(self)
        try:
            if self.file is not None:
                close_file(self.file)
        except NTStatusError as error:
            _log.warning("close of %s: %s", self.file.name if self.file is not None else "", error)
            status = error.status
        finally:
            if self.pipe is not None:
                self.pipe.close()
            if self.recorded:
                self._remove_record()
        return status

    def _remove_record(self) -> None:
        client = self.session.client
        databases = client.ctx.databases
        databases.opens.remove(self.persistent_id)
        if self.app_instance_id:
            databases.app_instances.leave(self.app_instance_id, self.persistent_id)
        if self.persistent:
            databases.replays.leave(client.client_guid, self.create_guid, self.persistent_id)
            databases.forget(self.persistent_id)


def _first_record(session: Session, tcon: Tcon, volatile_id: int, persistent_id: int) -> OpenGlobal:
    client = session.client
    return OpenGlobal(
        persistent_id,
        volatile_id,
        client.ctx.server_id,
        session.global_id,
        tcon.global_id,
        time.time_ns(),
        session.user_sid,
        client.client_guid,
    )


def new_open(
    session: Session,
    tcon: Tcon,
    volatile_id: int,
    file: FileObject | None = None,
    durability: Durability | None = None,
) -> Open:
    """Make an open, with a record in smbXsrv_open_global if it is to survive anything; it is in no table yet.

    A persistent one outlives its process from now on; the machine, when that is on disk.

    Args:
        session: whose it is.
        tcon: what it was opened through.
        volatile_id: its number among those of this process.
        file: what it is an open of; None for a pipe.
        durability: what it survives; None for nothing.

    Raises:
        DbError: the record cannot be stored.
    """
    granted = 0 if file is None else file.granted_access
    if durability is None:
        return Open(session, tcon, tcon.token, volatile_id, random_id(), file, granted)
    return _new_durable(session, tcon, volatile_id, file, durability)


def _new_durable(
    session: Session, tcon: Tcon, volatile_id: int, file: FileObject | None, durability: Durability
) -> Open:
    client = session.client
    databases = client.ctx.databases

    def make(new_id: int) -> OpenGlobal:
        record = _first_record(session, tcon, volatile_id, new_id)
        durability.describe(record, tcon.share_name)
        if record.persistent:
            # First, so that there is no handle which the client cannot find.
            databases.replays.enter(client.client_guid, durability.create_guid, new_id)
        return record

    number = 0 if file is None else file.handle_id
    persistent_id = databases.opens.allocate(make, number)[0]
    granted = 0 if file is None else file.granted_access
    opened = Open(session, tcon, tcon.token, volatile_id, persistent_id, file, granted)
    opened.recorded = opened.durable = True
    opened.durable_timeout_msec = durability.timeout_msec
    if durability.cookie and file is not None:
        opened.persistent = True
        opened.create_guid = durability.create_guid
        if opened.persistent_id != number:
            durable.make_persistent(file, opened.persistent_id)
        databases.keep(opened.persistent_id)
    return opened
