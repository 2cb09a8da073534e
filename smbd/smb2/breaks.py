"""Oplock and lease breaks on the side of the owner ([MS-SMB2] 3.3.4.6, 3.3.4.7, 3.3.6.1, 3.3.6.5).

Other openers, in this process or another, ask for a break by message. The client is told, and if it has to answer
a timer runs: whoever does not answer loses what it holds.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from messaging.msg_types import MSG_SMB_BREAK_REQUEST
from smbd.smb2.break_delivery import BreakDelivery, Notification
from smbd.wire.constants import SMB2_NOTIFY_BREAK_LEASE_FLAG_ACK_REQUIRED
from smbd.wire.oplock_break import LeaseBreakNotification, OplockBreakNotification
from vfs.locking import holding
from vfs.locking.breaks import unpack_request
from vfs.locking.lease import LEASE_V2, under_way
from vfs.locking.oplock import LEASE_READ, OPLOCK_LEASE, OPLOCK_LEVEL_II, OPLOCK_NONE

if TYPE_CHECKING:
    from messaging.server_id import ServerId
    from smbd.eventloop import Timer
    from smbd.xsrv.client import Client
    from smbd.xsrv.connection import Connection
    from smbd.xsrv.open import Open
    from vfs.fsa.file_object import FileObject
    from vfs.locking import lease

_log = logging.getLogger(__name__)

BREAK_TIMEOUT_S: Final = 35.0
"""How long a client may take to acknowledge ([MS-SMB2] 3.3.2.1, product note)."""


class Breaks:
    """The breaks of one client.

    Args:
        client: whose oplocks and leases they are.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        # By number of the open, or by lease key.
        self._timers: dict[int | bytes, Timer] = {}
        ctx = client.ctx
        self._delivery = BreakDelivery(ctx)
        ctx.bus.register(MSG_SMB_BREAK_REQUEST, self._requested)
        modes = ctx.databases.share_modes
        ask_others = modes.send_break

        def ask(owner: ServerId, payload: bytes) -> None:
            if owner == ctx.server_id:
                self._requested(owner, payload)
            else:
                ask_others(owner, payload)

        modes.send_break = ask

    def _requested(self, source: ServerId, payload: bytes) -> None:
        request = unpack_request(payload)
        opened = self._find(request.open_id)
        file = opened.file if opened is not None else None
        if opened is None or file is None or file.oplock is None or file.file_id.key() != request.file_id:
            return  # closed, or given up, while the message was on its way
        if _log.isEnabledFor(logging.DEBUG):
            _log.debug("%s asks to break %s to %d", source, file.name, request.state)
        if file.oplock.level == OPLOCK_LEASE:
            self._break_lease(opened, file, request.state)
        else:
            self._break_oplock(opened, file, request.state)

    def _find(self, open_id: int) -> Open | None:
        for session in self._client.sessions.values():
            found = session.opens.get(open_id)
            if found is not None:
                return found
        return None

    # oplocks

    def _break_oplock(self, opened: Open, file: FileObject, state: int) -> None:
        oplock = file.oplock
        if oplock is None or oplock.breaking_to is not None:
            return  # an opener that looked again asks again
        level = OPLOCK_LEVEL_II if state & LEASE_READ and file.volume.options.level2_oplocks else OPLOCK_NONE
        if oplock.level == OPLOCK_LEVEL_II:
            if level == OPLOCK_NONE:
                holding.set_level(file, OPLOCK_NONE)
                self._tell_oplock(opened, OPLOCK_NONE, wants_answer=False)
            return
        if not self._tell_oplock(opened, level, wants_answer=True):
            holding.set_level(file, OPLOCK_NONE)
            return
        oplock.breaking_to = level
        self._start_timer(opened.volatile_id, lambda: self._oplock_expired(opened))

    def _tell_oplock(self, opened: Open, level: int, *, wants_answer: bool) -> bool:
        message = OplockBreakNotification(opened.persistent_id, opened.volatile_id, level)
        session = opened.session
        return self._delivery.send(
            Notification(
                opened.volatile_id,
                session,
                message.pack(),
                lambda: session.channels,
                wants_answer=wants_answer,
                lost=lambda: self._oplock_expired(opened),
            )
        )

    def _oplock_expired(self, opened: Open) -> None:
        file = opened.file
        if file is not None and not file.closed and file.oplock is not None and file.oplock.breaking_to is not None:
            _log.warning("%s: the client does not answer an oplock break: it has lost it", file.name)
            holding.set_level(file, OPLOCK_NONE)

    def acknowledged(self, opened: Open, level: int) -> None:
        """Take the acknowledgment of an oplock break: the open is down to `level`."""
        self._stop_timer(opened.volatile_id)
        self._delivery.answered(opened.volatile_id)
        if opened.file is not None:
            holding.set_level(opened.file, level)

    # leases

    def _break_lease(self, opened: Open, file: FileObject, state: int) -> None:
        oplock = file.oplock
        if oplock is None:
            return
        notification = holding.break_lease(
            file.volume.share_modes, file.owner.client_guid, oplock.lease_key, state
        )
        if notification is not None:
            self._tell_lease(opened, file, oplock.lease_key, notification)
        else:
            self._repeat(oplock.lease_key)

    def _tell_lease(self, opened: Open, file: FileObject, key: bytes, notification: lease.Notification) -> None:
        held = file.oplock.lease if file.oplock is not None else None
        message = LeaseBreakNotification(
            key,
            notification.old,
            notification.new,
            SMB2_NOTIFY_BREAK_LEASE_FLAG_ACK_REQUIRED if notification.wants_answer else 0,
            notification.epoch if held is not None and held.version == LEASE_V2 else 0,
        )
        session = opened.session
        sent = self._delivery.send(
            Notification(
                key,
                session,
                message.pack(),
                # A lease is the client's, not the session's.
                lambda: self._client.connections,
                wants_answer=notification.wants_answer,
                lost=lambda: self._lease_lost(key),
            )
        )
        if not notification.wants_answer:
            return
        if sent:
            self._start_timer(key, lambda: self._lease_expired(key))
        else:
            self._lease_lost(key)

    def _lease_lost(self, key: bytes) -> None:
        # If only handles that wait for their client have a share in it, that is told when it is back.
        if self._sharing(key) is not None:
            self._lease_expired(key)

    def _lease_expired(self, key: bytes) -> None:
        client = self._client
        if holding.expire_lease(client.ctx.databases.share_modes, client.client_guid, key):
            _log.warning("the client does not answer a break of lease %s: it has lost it", key.hex())

    def resume(self, file: FileObject) -> None:
        """Tell the client of a break of its lease that it had not acknowledged when it went away.

        It has come back for `file`, and is told once it has the response to that ([MS-SMB2] 3.3.5.9.7, 3.3.5.9.12).
        """
        oplock = file.oplock
        if oplock is not None and oplock.lease is not None and oplock.lease.breaking:
            key = oplock.lease_key
            self._client.ctx.loop.call_soon(lambda: self._repeat(key))

    def _repeat(self, key: bytes) -> None:
        """Send the notification of a break that is under way, unless this process has done so."""
        if key in self._timers:
            return
        client = self._client
        lease = client.ctx.databases.share_modes.find_lease(client.client_guid, key)
        notification = under_way(lease) if lease is not None else None
        if notification is not None:
            self._next_step(key, notification)

    def acknowledged_lease(self, key: bytes, state: int) -> None:
        """Take the acknowledgment of a lease break.

        Raises:
            NTStatusError: as `vfs.locking.holding.acknowledge_lease`.
        """
        client = self._client
        modes = client.ctx.databases.share_modes
        following = holding.acknowledge_lease(modes, client.client_guid, key, state)
        self._stop_timer(key)
        self._delivery.answered(key)
        if following is not None:
            # Not before the response to this acknowledgment.
            client.ctx.loop.call_soon(lambda: self._next_step(key, following))

    def _next_step(self, key: bytes, notification: lease.Notification) -> None:
        found = self._sharing(key)
        if found is not None:
            self._tell_lease(*found, key, notification)

    def _sharing(self, key: bytes) -> tuple[Open, FileObject] | None:
        """Return an open that has a share in the lease."""
        for session in self._client.sessions.values():
            for opened in session.opens.values():
                file = opened.file
                if file is not None and file.oplock is not None and file.oplock.lease_key == key:
                    return opened, file
        return None

    # common

    def connection_lost(self, connection: Connection) -> None:
        """Tell the client over another connection what it may not have got over this one."""
        self._delivery.connection_lost(connection)

    def _start_timer(self, key: int | bytes, expired: Callable[[], None]) -> None:
        if key in self._timers:
            self._stop_timer(key)

        def fire() -> None:
            self._timers.pop(key, None)
            self._delivery.answered(key)
            expired()

        self._timers[key] = self._client.ctx.loop.call_later(BREAK_TIMEOUT_S, fire)

    def _stop_timer(self, key: int | bytes) -> None:
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()
