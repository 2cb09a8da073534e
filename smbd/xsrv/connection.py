"""One transport connection: smbXsrv_connection ([MS-SMB2] 3.3.1.7)."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from smbd.config.substitute import SubstContext
from smbd.crypto.preauth import PreauthHash
from smbd.rpc.context import RpcContext
from smbd.transport.tcp import TcpTransport
from smbd.wire.constants import (
    SMB2_DIALECT_202,
    SMB2_DIALECT_210,
    SMB2_DIALECT_300,
    SMB2_DIALECT_302,
    SMB2_DIALECT_311,
)
from smbd.xsrv.credits import CreditWindow
from vfs.ntstatus import STATUS_CANCELLED

if TYPE_CHECKING:
    from smbd.auth.context import AuthContext
    from smbd.crypto.signing import Signer
    from smbd.gensec import Acceptor
    from smbd.smb2.overlapped import OverlappedWriter
    from smbd.smb2.pending import Pending
    from smbd.xsrv.client import Client
    from smbd.xsrv.session import Session

_log = logging.getLogger(__name__)

#: Names of the dialects as smb.conf and smbstatus have them.
DIALECT_NAMES: Final = {
    SMB2_DIALECT_202: "SMB2_02",
    SMB2_DIALECT_210: "SMB2_10",
    SMB2_DIALECT_300: "SMB3_00",
    SMB2_DIALECT_302: "SMB3_02",
    SMB2_DIALECT_311: "SMB3_11",
}


#: Of how many ended sessions a connection remembers the signer.
_MAX_ENDED: Final = 64


class Setup:
    """An authentication in progress on one connection ([MS-SMB2] 3.3.5.5).

    Attributes:
        acceptor: the mechanism.
        preauth: the hash over its messages, 3.1.1 only.
        reauthentication: the session was valid already.
    """

    __slots__ = ("acceptor", "preauth", "reauthentication")

    def __init__(self, acceptor: Acceptor, preauth: PreauthHash | None, *, reauthentication: bool) -> None:
        self.acceptor = acceptor
        self.preauth = preauth
        self.reauthentication = reauthentication


class Connection:
    """One connection of a client and what was negotiated on it.

    Attributes:
        dialect: SMB2_DIALECT_*, 0 before NEGOTIATE.
        negotiated: a NEGOTIATE has been answered for good.
        capabilities, security_mode: what the server said, for VALIDATE_NEGOTIATE_INFO.
        client_guid, client_capabilities, client_security_mode, client_dialects: what the client said.
        cipher: SMB2_ENCRYPTION_*, 0 if there is none.
        signing_algorithm: SMB2_SIGNING_*.
        posix_extensions: both sides have the POSIX extensions, 3.1.1 only.
        preauth: hash over NEGOTIATE, 3.1.1 only.
        max_transact, max_read, max_write: bytes.
        sessions: SessionId -> session that has a channel here, or is being set up here.
        setups: SessionId -> authentication in progress.
        pending: MessageId -> request that waits.
        ended: SessionId -> signer of sessions that ended on another of their channels; requests that were on their
            way here are refused with a signature.
        pipelines: the client sends its next large write before the last one is answered.
        overlapped: what writes data of a request that came over this connection, else None.
        active: there was a request with a session since somebody has looked.
        last_active: loop time at which it was last found active.
    """

    __slots__ = (
        "_async_id",
        "active",
        "capabilities",
        "cipher",
        "client",
        "client_capabilities",
        "client_dialects",
        "client_guid",
        "client_security_mode",
        "credits",
        "ctx",
        "dialect",
        "ended",
        "last_active",
        "local_address",
        "loop",
        "max_read",
        "max_transact",
        "max_write",
        "negotiated",
        "overlapped",
        "pending",
        "pipelines",
        "posix_extensions",
        "preauth",
        "remote_address",
        "remote_name",
        "security_mode",
        "sessions",
        "setups",
        "signing_algorithm",
        "transport",
    )

    def __init__(self, client: Client, transport: TcpTransport) -> None:
        ctx = client.ctx
        self.client = client
        self.ctx = ctx
        self.loop = ctx.loop
        self.transport = transport
        self.local_address = transport.local_address
        self.remote_address = transport.remote_address
        self.remote_name = transport.remote_host
        self.dialect = 0
        self.negotiated = False
        self.capabilities = 0
        self.security_mode = 0
        self.client_guid = bytes(16)
        self.client_capabilities = 0
        self.client_security_mode = 0
        self.client_dialects: list[int] = []
        self.cipher = 0
        self.signing_algorithm = 0
        self.posix_extensions = False
        self.preauth: PreauthHash | None = None
        self.max_transact = 65536
        self.max_read = 65536
        self.max_write = 65536
        self.credits = CreditWindow(ctx.config.globals.smb2_max_credits)
        self.sessions: dict[int, Session] = {}
        self.setups: dict[int, Setup] = {}
        self.pending: dict[int, Pending] = {}
        self.ended: dict[int, Signer] = {}
        self.pipelines = False
        self.overlapped: OverlappedWriter | None = None
        self.active = False
        self.last_active = ctx.loop.now()
        self._async_id = 0

    def __str__(self) -> str:
        return self.remote_address

    def session(self, session_id: int) -> Session | None:
        """Return the session of that id if this connection is one of its channels."""
        return self.sessions.get(session_id)

    def session_ended(self, session_id: int, signer: Signer | None) -> None:
        """Forget a session; with `signer`, remember what to sign refusals with."""
        self.sessions.pop(session_id, None)
        self.setups.pop(session_id, None)
        if signer is not None:
            while len(self.ended) >= _MAX_ENDED:
                del self.ended[next(iter(self.ended))]
            self.ended[session_id] = signer

    def next_async_id(self) -> int:
        """Return an AsyncId, unique on this connection and never zero."""
        self._async_id += 1
        return self._async_id

    def auth_context(self) -> AuthContext:
        """Return what an authentication on this connection needs to know."""
        auth = self.ctx.auth
        auth.client_address = self.transport.remote_host
        auth.client_name = self.remote_name
        return auth

    def substitutions(self) -> SubstContext:
        """Return what %-variables stand for on this connection."""
        return SubstContext(
            client_ip=self.transport.remote_host,
            client_name=self.remote_name,
            server_name=self.ctx.config.globals.netbios_name,
            server_ip=self.transport.local_host,
            dialect=DIALECT_NAMES.get(self.dialect, ""),
        )

    def rpc_context(self) -> RpcContext:
        """Return what the services on named pipes need to know of the server."""
        return RpcContext(self.ctx.config, self.ctx.auth, self.ctx.databases, self.transport.remote_host)

    def on_closed(self, reason: str) -> None:
        """Give back everything ([MS-SMB2] 3.3.7.1): waits first, then the sessions that have no other channel."""
        _log.info("%s: connection closed: %s", self, reason)
        for pending in list(self.pending.values()):
            session = pending.request.session
            if session is None or not pending.request.outlives_channel or not session.has_other_channel(self):
                pending.cancel(STATUS_CANCELLED)
        self.setups.clear()
        for session in list(self.sessions.values()):
            session.remove_connection(self)
        self.sessions.clear()
        self.client.breaks.connection_lost(self)
        self.client.remove_connection(self)
