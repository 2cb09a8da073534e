"""A user session and its channels: smbXsrv_session, smbXsrv_channel ([MS-SMB2] 3.3.1.8, 3.3.1.14)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from smbd.crypto.sealing import Sealer, make_sealer
from smbd.crypto.signing import Signer, make_signer
from smbd.xsrv.records import ChannelGlobal, SessionGlobal
from vfs.ntstatus import STATUS_ACCESS_DENIED, STATUS_USER_SESSION_DELETED, NTStatusError

if TYPE_CHECKING:
    from smbd.auth.session_info import SessionInfo
    from smbd.crypto.kdf import SessionKeys
    from smbd.xsrv.client import Client
    from smbd.xsrv.connection import Connection
    from smbd.xsrv.open import Open
    from smbd.xsrv.tcon import Tcon

_MAX_TREE_ID: Final = 0xFFFFFFFE
_NEVER: Final = 0
_TIME_MAX_NS: Final = (1 << 63) - 1


class Session:
    """One user session, from the first SESSION_SETUP on.

    Attributes:
        wire_id: SessionId.
        global_id: key of its record in smbXsrv_session_global.
        info: who it is; None until the first authentication has succeeded.
        valid: authenticated and not logged off.
        signing_required: unsigned requests are refused.
        encryption_required: requests that are not encrypted are refused.
        encryption_desired: the client was told to encrypt.
        channels: signer of each connection it runs over.
        dialect, cipher, signing_algorithm, client_guid: of the connection it began on; the others have the same.
        signing_key: of that connection; empty without keys.
        sealer, unsealer: encrypt what goes out and decrypt what comes in; None without keys or a cipher.
        tcons: TreeId -> tree connect.
        opens: volatile file id -> open.
        expires: seconds since the epoch at which the authentication runs out; None if it does not.
    """

    def __init__(self, client: Client) -> None:
        self.client = client
        self.info: SessionInfo | None = None
        self.valid = False
        self.signing_required = False
        self.encryption_required = False
        self.encryption_desired = False
        self.channels: dict[Connection, Signer | None] = {}
        self.dialect = 0
        self.cipher = 0
        self.signing_algorithm = 0
        self.client_guid = bytes(16)
        self.signing_key = b""
        self.tcons: dict[int, Tcon] = {}
        self.opens: dict[int, Open] = {}
        self._next_tree_id = 1
        self.sealer: Sealer | None = None
        self.unsealer: Sealer | None = None
        self.expires: float | None = None
        self.user_sid = ""
        self.global_id, self._record = client.ctx.databases.sessions.allocate(self._new_record)
        self.wire_id = self._record.session_wire_id

    @staticmethod
    def _new_record(new_id: int) -> SessionGlobal:
        now = time.time_ns()
        return SessionGlobal(
            session_global_id=new_id,
            session_wire_id=new_id,
            creation_time=now,
            expiration_time=_TIME_MAX_NS,
            auth_time=_NEVER,
            uid=-1,
            gid=-1,
            user_name="",
            domain_name="",
            user_sid="",
            is_guest=False,
            is_anonymous=False,
            valid=False,
            signing="",
            encryption="",
            channels=[],
        )

    # keys

    def set_keys(self, connection: Connection, keys: SessionKeys) -> None:
        """Take the keys of the first authentication; later ones keep them ([MS-SMB2] 3.3.5.5.3)."""
        self.signing_key = keys.signing_key
        self.channels[connection] = make_signer(connection.signing_algorithm, keys.signing_key)
        if connection.cipher:
            self.sealer = make_sealer(connection.cipher, keys.s2c_key)
            self.unsealer = make_sealer(connection.cipher, keys.c2s_key)

    def begin_on(self, connection: Connection) -> None:
        """Take `connection` as the first one."""
        self.dialect = connection.dialect
        self.cipher = connection.cipher
        self.signing_algorithm = connection.signing_algorithm
        self.client_guid = connection.client_guid
        self.channels[connection] = None
        connection.sessions[self.wire_id] = self

    def add_channel(self, connection: Connection, signer: Signer) -> None:
        """Run over `connection`, too, and publish it ([MS-SMB2] 3.3.5.5.3)."""
        self.channels[connection] = signer
        connection.sessions[self.wire_id] = self
        self._record.channels.append(_channel_record(connection))
        self._publish()

    def first_signer(self) -> Signer:
        """Return a signer with the key of the connection that the session began on: it has one."""
        return make_signer(self.signing_algorithm, self.signing_key)

    def verify(self, connection: Connection, message: memoryview) -> bool:
        """Tell whether `message` bears the signature of the session's channel on `connection`."""
        signer = self.channels.get(connection)
        return signer is not None and signer.verify(message)

    def signer(self, connection: Connection) -> Signer:
        """Return the signer of the session's channel on `connection`.

        Raises:
            NTStatusError: STATUS_USER_SESSION_DELETED if it has none (yet, or as a guest).
        """
        found = self.channels.get(connection)
        if found is None:
            raise NTStatusError(STATUS_USER_SESSION_DELETED, "no signing key")
        return found

    @property
    def has_keys(self) -> bool:
        """Whether an authentication has produced keys."""
        return any(self.channels.values())

    @property
    def can_seal(self) -> bool:
        """Whether encrypted messages of this session can be read."""
        return self.unsealer is not None

    @property
    def encrypts(self) -> bool:
        """Whether messages that nobody asked for go out encrypted."""
        return self.encryption_desired and self.sealer is not None

    def seal(self, view: memoryview, start: int, length: int) -> int:
        """Encrypt a message in place, see `smbd.crypto.sealing.Sealer.seal`."""
        if self.sealer is None:
            raise NTStatusError(STATUS_ACCESS_DENIED, "no encryption key")
        return self.sealer.seal(view, start, length, self.wire_id)

    # life

    @property
    def expired(self) -> bool:
        """Whether the authentication has run out, so that the client has to repeat it."""
        return self.expires is not None and time.time() >= self.expires

    def authenticated(self, connection: Connection, info: SessionInfo) -> None:
        """Note a successful authentication, the first or a later one, and publish it."""
        self.info = info
        self.valid = True
        self.user_sid = str(info.token.user_sid)
        self.expires = info.expires
        record = self._record
        record.auth_time = time.time_ns()
        record.expiration_time = _TIME_MAX_NS if info.expires is None else int(info.expires * 1e9)
        record.uid, record.gid = info.token.uid, info.token.gid
        record.user_name, record.domain_name = info.user_name, info.domain
        record.user_sid = self.user_sid
        record.is_guest, record.is_anonymous = info.is_guest, info.is_anonymous
        record.valid = True
        record.signing = "full" if self.signing_required else "partial" if self.has_keys else ""
        record.encryption = "full" if self.encryption_required else "partial" if self.encryption_desired else ""
        if not any(channel.remote_address == connection.remote_address for channel in record.channels):
            record.channels.append(_channel_record(connection))
        self._publish()

    def _publish(self) -> None:
        self.client.ctx.databases.sessions.store(self.global_id, self._record)

    def next_tree_id(self) -> int:
        """Return a TreeId that is not in use."""
        while self._next_tree_id in self.tcons or self._next_tree_id > _MAX_TREE_ID:
            self._next_tree_id = self._next_tree_id % _MAX_TREE_ID + 1
        tree_id = self._next_tree_id
        self._next_tree_id += 1
        return tree_id

    def has_other_channel(self, connection: Connection) -> bool:
        """Tell whether the session runs over another connection than this one."""
        return any(channel is not connection and not channel.transport.closed for channel in self.channels)

    def remove_connection(self, connection: Connection) -> None:
        """Forget a channel; the session ends with the last one."""
        self.channels.pop(connection, None)
        if not self.channels:
            self.close()
            return
        channels = self._record.channels
        self._record.channels = [c for c in channels if c.remote_address != connection.remote_address]
        self._publish()

    def close_tcon(self, tcon: Tcon, *, keep_durable: bool = False) -> None:
        """Close every open of a tree connect and the tree connect itself ([MS-SMB2] 3.3.5.8).

        Args:
            tcon: the tree connect.
            keep_durable: its durable handles wait for the client to come back.
        """
        if self.tcons.pop(tcon.wire_id, None) is None:
            return
        for opened in [opened for opened in self.opens.values() if opened.tcon is tcon]:
            if keep_durable:
                opened.disconnect()
            else:
                opened.close()
        tcon.close()

    def close(self) -> None:
        """End the session: its waits, opens and tree connects, and its record.

        Durable handles survive, whether the connection was lost, or the user logs off or comes again
        ([MS-SMB2] 3.3.5.6, 3.3.7.1).
        The keys of the channels stay: the response to the LOGOFF is still to be signed.
        """
        self.valid = False
        for tcon in list(self.tcons.values()):
            self.close_tcon(tcon, keep_durable=True)
        several = len(self.channels) > 1
        for connection, signer in self.channels.items():
            connection.session_ended(self.wire_id, signer if several else None)
        self.client.sessions.pop(self.wire_id, None)
        self.client.ctx.databases.sessions.remove(self.global_id)


def _channel_record(connection: Connection) -> ChannelGlobal:
    return ChannelGlobal(
        server_id=connection.client.ctx.server_id,
        local_address=connection.local_address,
        remote_address=connection.remote_address,
        remote_name=connection.remote_name,
        creation_time=time.time_ns(),
        connection_dialect=connection.dialect,
        signing_algorithm=connection.signing_algorithm,
        encryption_cipher=connection.cipher,
    )
