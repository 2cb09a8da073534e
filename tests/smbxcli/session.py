"""Sessions: login, binding of further channels, re-authentication, keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Unpack

import spnego

from smbd.crypto.kdf import SessionKeys, derive_channel_signing_key, derive_session_keys
from smbd.crypto.preauth import PreauthHash
from smbd.crypto.sealing import TRANSFORM_LENGTH, Sealer, make_sealer
from smbd.crypto.signing import Signer, make_signer
from smbd.wire.constants import (
    SMB2_LOGOFF,
    SMB2_NEGOTIATE_SIGNING_ENABLED,
    SMB2_SESSION_FLAG_BINDING,
    SMB2_SESSION_FLAG_ENCRYPT_DATA,
    SMB2_SESSION_FLAG_IS_GUEST,
    SMB2_SESSION_FLAG_IS_NULL,
    SMB2_SESSION_SETUP,
)
from smbd.wire.session import LogoffRequest, SessionSetupRequest, SessionSetupResponse
from tests.smbxcli.errors import ProtocolViolationError
from tests.smbxcli.message import Protection
from tests.smbxcli.ntlm import AnonymousContext
from tests.smbxcli.tree import Tree, connect_tree
from vfs.ntstatus import STATUS_MORE_PROCESSING_REQUIRED, STATUS_SUCCESS

if TYPE_CHECKING:
    from tests.smbxcli.connection import Connection, HeaderFields
    from tests.smbxcli.message import Body
    from tests.smbxcli.response import Pending, Response

_TAG: Final = 16


class Session:
    """One session over one or several connections.

    Attributes:
        connection: the one it was set up on; the default of every method.
        session_id: 0 until the server gave one.
        session_key: the key of the first authentication.
        keys: what was derived from it; None while there is no key.
        flags: SMB2_SESSION_FLAG_* of the last SESSION_SETUP.
        protection: how requests go out by default; set at login to SEAL, SIGN or PLAIN.
        opener: opens what the server sealed.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.session_id = 0
        self.session_key = b""
        self.keys: SessionKeys | None = None
        self.flags = 0
        self.protection = Protection.PLAIN
        self._signers: dict[int, Signer] = {}
        self._sealer: Sealer | None = None
        self._opener: Sealer | None = None

    @classmethod
    def login(cls, connection: Connection, user: str | None, password: str = "", domain: str = "") -> Session:
        """Set up a new session; ``user`` None means anonymous.

        Raises:
            StatusError: the server refuses.
        """
        session = cls(connection)
        session.authenticate(user, password, domain)
        return session

    # -- keys ----------------------------------------------------------------------------------------------

    def has_signer(self, connection: Connection) -> bool:
        """Whether there is a signing key for the channel on this connection."""
        return id(connection) in self._signers

    def signer(self, connection: Connection) -> Signer:
        """The signer of the channel on a connection; that of the first channel if it has none.

        Raises:
            ProtocolViolationError: there is no key at all.
        """
        signer = self._signers.get(id(connection)) or self._signers.get(id(self.connection))
        if signer is None:
            raise ProtocolViolationError("the session has no signing key")
        return signer

    def set_signer(self, connection: Connection, signer: Signer) -> None:
        """Replace the signer of a channel."""
        self._signers[id(connection)] = signer

    @property
    def opener(self) -> Sealer:
        """What opens messages of the server.

        Raises:
            ProtocolViolationError: the session has no such key.
        """
        if self._opener is None:
            raise ProtocolViolationError("the session has no keys to unseal with")
        return self._opener

    def seal(self, messages: bytearray) -> bytearray:
        """Put messages into a transform header.

        Raises:
            ProtocolViolationError: the session has no keys for that.
        """
        if self._sealer is None:
            raise ProtocolViolationError("the session has no keys to seal with")
        buffer = bytearray(TRANSFORM_LENGTH) + messages + bytes(_TAG)
        length = self._sealer.seal(memoryview(buffer), 0, len(messages), self.session_id)
        return buffer[:length]

    # -- authentication ------------------------------------------------------------------------------------

    def authenticate(
        self,
        user: str | None,
        password: str = "",
        domain: str = "",
        *,
        on: Connection | None = None,
        mechanism: str = "negotiate",
        previous_session_id: int = 0,
        binding: bool = False,
        security_mode: int = SMB2_NEGOTIATE_SIGNING_ENABLED,
        protection: Protection | None = None,
    ) -> Response:
        """Run SESSION_SETUP to its end: first login, binding of a channel or re-authentication.

        Args:
            user: account name; None for an anonymous session.
            password: its password.
            domain: domain or server name.
            on: the connection to use.
            mechanism: ``negotiate`` (SPNEGO) or ``ntlm`` (raw NTLMSSP).
            previous_session_id: a session this one replaces.
            binding: bind the connection ``on`` to this session as a further channel.
            security_mode: SMB2_NEGOTIATE_SIGNING_*.
            protection: of the requests; by default plain at first login, signed afterwards.

        Returns:
            the final response.

        Raises:
            StatusError: the server refuses.
        """
        connection = on or self.connection
        context = (
            AnonymousContext()
            if user is None
            else spnego.client(user if not domain else f"{domain}\\{user}", password, hostname="localhost",
                               service="cifs", protocol=mechanism)
        )
        preauth = connection.preauth.copy()
        first = self.keys is None
        if protection is None:
            protection = Protection.SIGN if binding else self.protection
        token = context.step()
        while True:
            body = SessionSetupRequest(
                security_buffer=token or b"",
                flags=SMB2_SESSION_FLAG_BINDING if binding else 0,
                security_mode=security_mode,
                previous_session_id=previous_session_id,
            )
            message = connection.prepare(SMB2_SESSION_SETUP, body, session=self)
            pending = connection.transmit([message], protection)[0]
            preauth.update(message.wire)
            response = pending.recv()
            self.session_id = response.header.session_id or self.session_id
            reply = response.body(SessionSetupResponse, STATUS_MORE_PROCESSING_REQUIRED)
            token = context.step(bytes(reply.security_buffer)) if reply.security_buffer else None
            if response.status == STATUS_SUCCESS:
                break
            preauth.update(response.pdu)
        self.flags = reply.session_flags
        if binding:
            self._add_channel(connection, context.session_key, preauth)
        elif first:
            self._set_keys(connection, context.session_key, preauth)
        connection.sessions[self.session_id] = self
        connection.verify(response)
        return response

    def _set_keys(self, connection: Connection, session_key: bytes, preauth: PreauthHash) -> None:
        agreed = connection.agreement
        if self.flags & SMB2_SESSION_FLAG_IS_NULL or not session_key:
            return
        self.session_key = session_key
        self.keys = derive_session_keys(agreed.dialect, session_key, preauth.value, agreed.cipher)
        self._signers[id(connection)] = make_signer(agreed.signing, self.keys.signing_key)
        if agreed.cipher:
            self._sealer = make_sealer(agreed.cipher, self.keys.c2s_key)
            self._opener = make_sealer(agreed.cipher, self.keys.s2c_key)
        if self.flags & SMB2_SESSION_FLAG_ENCRYPT_DATA:
            self.protection = Protection.SEAL
        elif not self.flags & SMB2_SESSION_FLAG_IS_GUEST:
            self.protection = Protection.SIGN

    def _add_channel(self, connection: Connection, session_key: bytes, preauth: PreauthHash) -> None:
        agreed = connection.agreement
        key = derive_channel_signing_key(agreed.dialect, session_key, preauth.value)
        self._signers[id(connection)] = make_signer(agreed.signing, key)

    def bind(self, connection: Connection, user: str, password: str, domain: str = "") -> Response:
        """Bind another connection to this session ([MS-SMB2] 3.2.4.2.3.1, dialects 3.x).

        Raises:
            StatusError: the server refuses.
        """
        return self.authenticate(user, password, domain, on=connection, binding=True)

    @property
    def can_seal(self) -> bool:
        """Whether the session has encryption keys."""
        return self._sealer is not None

    # -- requests ------------------------------------------------------------------------------------------

    def send(
        self,
        command: int,
        body: Body,
        *,
        on: Connection | None = None,
        protection: Protection = Protection.DEFAULT,
        **fields: Unpack[HeaderFields],
    ) -> Pending:
        """Send a request in this session."""
        return (on or self.connection).send(command, body, session=self, protection=protection, **fields)

    def tree_connect(self, share: str, **fields: Unpack[HeaderFields]) -> Tree:
        """Connect to a share.

        Raises:
            StatusError: the server refuses.
        """
        return connect_tree(self, share, **fields)

    def logoff(self) -> Response:
        """LOGOFF and its response.

        Raises:
            StatusError: the server refuses.
        """
        return self.send(SMB2_LOGOFF, LogoffRequest()).recv().check()
