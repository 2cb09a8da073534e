"""Seeing to it that break notifications arrive, over whatever channel works ([MS-SMB2] 3.3.4.6, 3.3.4.7).

A notification goes over the first channel that can be used. A connection whose other end has fallen silent meanwhile
is closed, as with Samba: nobody shall wait 35 seconds for the answer of a client that is gone. If the channel breaks
before the client has answered, the notification is sent again over the next one; with the last one goes what was to be
broken. A client that gets it twice takes the second one for what it is.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

from smbd.smb2 import respond
from smbd.wire.constants import SMB2_OPLOCK_BREAK

if TYPE_CHECKING:
    from smbd.context import ServerContext
    from smbd.xsrv.connection import Connection
    from smbd.xsrv.session import Session

_log = logging.getLogger(__name__)

#: How often it is looked at whether the client's TCP has acknowledged what was sent, in seconds.
_INTERVAL: Final = 0.25
#: A connection is given up when the kernel has repeated so often what the other end does not acknowledge. The pauses
#: between that double and begin with what the network needs: on a fast one they make 1.4 seconds.
_MAX_REPEATS: Final = 3


class Notification:
    """A break of which the client is told.

    Attributes:
        key: of what is broken: number of the open, or lease key.
        session: under which it is encrypted, should that be necessary.
        body: the message.
        channels: the connections that it may go over, best first.
        wants_answer: the client has to acknowledge it.
        lost: called when it can be sent over none of them any more.
        connection: the one that it has been sent over last.
        arrived: the client's TCP has acknowledged it.
    """

    __slots__ = ("_end", "arrived", "body", "channels", "connection", "key", "lost", "session", "wants_answer")

    def __init__(
        self,
        key: int | bytes,
        session: Session,
        body: bytes,
        channels: Callable[[], Iterable[Connection]],
        *,
        wants_answer: bool,
        lost: Callable[[], None],
    ) -> None:
        self.key = key
        self.session = session
        self.body = body
        self.channels = channels
        self.wants_answer = wants_answer
        self.lost = lost
        self.connection: Connection | None = None
        self.arrived = False
        self._end: int | None = None

    def usable(self) -> list[Connection]:
        """Return the connections that it can be sent over."""
        session = self.session
        return [
            connection
            for connection in self.channels()
            if not connection.transport.closed and (connection in session.channels or not session.encrypts)
        ]

    def send(self, connection: Connection) -> None:
        """Send it over `connection`, without waiting for anything."""
        self.connection = connection
        self.arrived = False
        self._end = None
        respond.send_notification(connection, self.session, SMB2_OPLOCK_BREAK, self.body)
        connection.transport.flush()  # this may find it closed: then it goes over another

    def look(self) -> bool:
        """Look whether it has arrived; return whether it is lost in the silence of the other end."""
        if self.connection is None:
            return False
        transport = self.connection.transport
        if self._end is None:
            # What was sent behind it counts with it. Most breaks are answered before the first look, and cost nothing.
            self._end = transport.acknowledged() + transport.unacknowledged()
        self.arrived = transport.acknowledged() >= self._end
        return not self.arrived and transport.repeats() >= _MAX_REPEATS


class BreakDelivery:
    """The notifications of one client that are on their way.

    Args:
        ctx: of the process.
    """

    def __init__(self, ctx: ServerContext) -> None:
        self._ctx = ctx
        self._under_way: set[Notification] = set()
        self._looks = False

    @property
    def _repeats(self) -> bool:
        """Whether to do as the specification has it, not as Windows does."""
        return not self._ctx.config.globals.smb2_disable_oplock_break_retry

    def send(self, notification: Notification) -> bool:
        """Send it over a connection that can be used, False if there is none; Windows takes the latest channel."""
        usable = notification.usable()
        if not usable:
            self._under_way.discard(notification)
            return False
        connection = usable[0] if self._repeats else usable[-1]
        self._under_way.add(notification)
        notification.send(connection)  # this may find the connection closed, and come back here by `connection_lost`
        self._look_later()
        return notification in self._under_way

    def answered(self, key: int | bytes) -> None:
        """Note that the client has acknowledged the break of `key`, or that nobody waits for that any more."""
        for notification in [one for one in self._under_way if one.key == key]:
            self._under_way.discard(notification)

    def connection_lost(self, connection: Connection) -> None:
        """Send again what went over `connection` and was not answered; Windows leaves that to the time-out."""
        for notification in [one for one in self._under_way if one.connection is connection]:
            _log.info("%s: was lost with a break notification under way", connection)
            if not self._repeats:
                self._under_way.discard(notification)
            elif not self.send(notification) and notification.wants_answer:
                notification.lost()

    def _look_later(self) -> None:
        if not self._looks:
            self._looks = True
            self._ctx.loop.call_later(_INTERVAL, self._look)

    def _look(self) -> None:
        """Look what has become of that which is on its way, and give up the connections that are silent."""
        self._looks = False
        lost = {one.connection for one in self._under_way if not one.arrived and one.look()}
        self._under_way = {one for one in self._under_way if one.wants_answer or not one.arrived}
        for connection in lost:
            if connection is not None:
                connection.transport.close("its client does not take a break notification")
        if not all(one.arrived for one in self._under_way):
            self._look_later()
