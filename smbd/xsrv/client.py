"""The client that a worker serves: smbXsrv_client ([MS-SMB2] 3.3.1.16), its connections and sessions."""

from __future__ import annotations

import logging
import secrets
import socket
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from smbd.transport.tcp import TcpTransport
from smbd.xsrv import previous_session
from smbd.xsrv.connection import Connection
from smbd.xsrv.handover import Adopt, Reception
from smbd.xsrv.records import CLIENT_CODEC, ClientGlobal
from smbd.xsrv.replay import ReplayCache

if TYPE_CHECKING:
    from messaging.server_id import ServerId
    from smbd.config.loadparm import Config
    from smbd.context import ServerContext
    from smbd.smb2.breaks import Breaks
    from smbd.xsrv.session import Session

_log = logging.getLogger(__name__)

#: Frames beyond the largest payload: headers, contexts and names of a request.
_FRAME_OVERHEAD: Final = 64 * 1024
_SECONDS_PER_MINUTE: Final = 60
#: How often idle connections are looked for.
_IDLE_CHECK: Final = 30.0


class Client:
    """All that one worker does for its client.

    Attributes:
        client_guid: of the first connection that named one.
        connections: the transport connections that are open.
        sessions: SessionId -> session, over all connections.
        replays: its creates that it may send again.
        breaks: of its oplocks and leases.
        reception: takes further connections of it from other workers.
    """

    def __init__(
        self, ctx: ServerContext, make_breaks: Callable[[Client], Breaks], adopt: Adopt | None = None
    ) -> None:
        self.ctx = ctx
        self.client_guid = bytes(16)
        self.connections: list[Connection] = []
        self.sessions: dict[int, Session] = {}
        self.replays = ReplayCache()
        # Volatile ids of one process never repeat; a random start keeps them from being guessed.
        self._volatile_id = secrets.randbits(31)
        ctx.client = self
        self.breaks = make_breaks(self)
        self.reception = Reception(ctx, adopt)
        previous_session.register(self)
        ctx.loop.call_later(_IDLE_CHECK, self._close_idle)

    def next_volatile_id(self) -> int:
        """Return a file id that this process has not used yet."""
        self._volatile_id += 1
        return self._volatile_id

    def add_connection(self, sock: socket.socket) -> Connection:
        """Take over an accepted socket."""
        parameters = self.ctx.config.globals
        if parameters.keepalive > 0:
            # The kernel asks a silent client whether it lives, and reports its death as an error of the socket.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, parameters.keepalive)
        largest = max(parameters.smb2_max_read, parameters.smb2_max_write, parameters.smb2_max_trans)
        connection = Connection(self, TcpTransport(sock, self.ctx.loop, largest + _FRAME_OVERHEAD))
        self.connections.append(connection)
        return connection

    def introduce(
        self, client_guid: bytes, connection: Connection, instead_of: ServerId | None = None
    ) -> ServerId | None:
        """Take the ClientGuid of the first connection that names one, and tell the other processes of it.

        Args:
            client_guid: of NEGOTIATE.
            connection: where that came from.
            instead_of: a process that is known to want no more connections of this client.

        Returns:
            The process that serves a client of that ClientGuid already; None if that is this one, from now on.
        """
        if any(self.client_guid) or not any(client_guid):
            return None
        ctx = self.ctx
        with ctx.databases.clients.fetch_locked(client_guid) as record:
            if record.value is not None:
                owner = CLIENT_CODEC.decode(record.value).server_id
                if owner not in {ctx.server_id, instead_of} and ctx.databases.is_alive(owner):
                    return owner
            self.client_guid = client_guid
            mine = ClientGlobal(
                client_guid,
                ctx.server_id,
                connection.local_address,
                connection.remote_address,
                connection.remote_name,
                time.time_ns(),
            )
            record.store(CLIENT_CODEC.encode(mine))
        return None

    def _withdraw(self) -> None:
        """Take back what `introduce` said."""
        if not any(self.client_guid):
            return
        with self.ctx.databases.clients.fetch_locked(self.client_guid) as record:
            if record.value is not None and CLIENT_CODEC.decode(record.value).server_id == self.ctx.server_id:
                record.delete()

    def remove_connection(self, connection: Connection) -> None:
        """Forget a closed connection; the process ends with the last one."""
        if connection in self.connections:
            self.connections.remove(connection)
        if not self.connections:
            self._withdraw()
            self.ctx.loop.stop()

    def close(self, reason: str) -> None:
        """Close every connection, and with them all sessions."""
        for connection in list(self.connections):
            connection.transport.flush()
            connection.transport.close(reason)

    # what the administrator asks for

    def reload(self, config: Config) -> None:
        """Give tree connects the parameters of a new configuration; shares that are gone stay as they were."""
        for session in self.sessions.values():
            for tcon in session.tcons.values():
                share = config.share(tcon.share_name)
                if share is not None:
                    tcon.share = share

    def close_share(self, name: str) -> None:
        """Disconnect the tree connects of one share, or of all for ``*``."""
        for session in list(self.sessions.values()):
            for tcon in list(session.tcons.values()):
                if name in {"*", tcon.share_name} or tcon.share_name.lower() == name.lower():
                    _log.warning("share %s is closed by the administrator", tcon.share_name)
                    session.close_tcon(tcon)

    def kill_ip(self, address: str) -> None:
        """Close the connections from one address."""
        for connection in list(self.connections):
            if connection.transport.remote_host == address:
                connection.transport.close("closed by the administrator")

    def _close_idle(self) -> None:
        """`deadtime`: close connections that have no open file and were silent for so many minutes."""
        minutes = self.ctx.config.globals.deadtime
        if minutes > 0:
            now = self.ctx.loop.now()
            oldest = now - minutes * _SECONDS_PER_MINUTE
            for connection in list(self.connections):
                if connection.active:
                    connection.active, connection.last_active = False, now
                busy = any(session.opens for session in connection.sessions.values())
                if connection.last_active < oldest and not busy:
                    connection.transport.close(f"idle for {minutes} minutes")
        self.ctx.loop.call_later(_IDLE_CHECK, self._close_idle)
