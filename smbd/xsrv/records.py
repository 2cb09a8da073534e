"""What the smbXsrv global databases store: the part of each object that other processes see.

Times are nanoseconds since the epoch, addresses are printed as ``ipv4:10.0.0.1:445``. A change of any field
needs a new version number below.
"""

from __future__ import annotations

from typing import Final

import msgspec

from messaging.records import RecordCodec
from messaging.server_id import ServerId


class ClientGlobal(msgspec.Struct, array_like=True, gc=False):
    """smbXsrv_client_global: which process serves a ClientGuid (key: the 16 bytes of the GUID)."""

    client_guid: bytes
    server_id: ServerId
    local_address: str
    remote_address: str
    remote_name: str
    initial_connect_time: int


class ChannelGlobal(msgspec.Struct, array_like=True, gc=False):
    """One connection that a session runs over."""

    server_id: ServerId
    local_address: str
    remote_address: str
    remote_name: str
    creation_time: int
    connection_dialect: int
    signing_algorithm: int
    encryption_cipher: int


class SessionGlobal(msgspec.Struct, array_like=True, gc=False):
    """smbXsrv_session_global: one user session.

    `signing` and `encryption` are ``""``, ``"partial"`` or ``"full"``, as smbstatus prints them.
    """

    session_global_id: int
    session_wire_id: int
    creation_time: int
    expiration_time: int
    auth_time: int
    uid: int
    gid: int
    user_name: str
    domain_name: str
    user_sid: str
    is_guest: bool
    is_anonymous: bool
    valid: bool
    signing: str
    encryption: str
    channels: list[ChannelGlobal]


class TconGlobal(msgspec.Struct, array_like=True, gc=False):
    """smbXsrv_tcon_global: one tree connect."""

    tcon_global_id: int
    tcon_wire_id: int
    server_id: ServerId
    session_global_id: int
    share_name: str
    creation_time: int
    signing: str
    encryption: str


class OpenGlobal(msgspec.Struct, array_like=True, gc=False):
    """smbXsrv_open_global: one open; what another process needs to find and reconnect it.

    While the client is away `server_id` is `DISCONNECTED`, `backend_cookie` is what the object store needs to
    open the file again (`vfs.fsa.durable`), and `lock_sequence` the numbers of the lock requests that were answered.
    Of a `persistent` handle these are there from the beginning: its process may be killed. `durable_timeout_msec` is
    the time-out of `resilient` and `persistent` handles, too. `app_instance_version` is None if the client gave none.
    """

    open_global_id: int
    open_volatile_id: int
    server_id: ServerId
    session_global_id: int
    tcon_global_id: int
    open_time: int
    owner_sid: str
    client_guid: bytes
    create_guid: bytes = b""
    app_instance_id: bytes = b""
    disconnect_time: int = 0
    durable_timeout_msec: int = 0
    durable: bool = False
    backend_cookie: bytes = b""
    share_name: str = ""
    lock_sequence: dict[int, int] = {}
    resilient: bool = False
    persistent: bool = False
    app_instance_version: tuple[int, int] | None = None


CLIENT_CODEC: Final = RecordCodec(ClientGlobal, 1, "smbXsrv_client_global")
SESSION_CODEC: Final = RecordCodec(SessionGlobal, 1, "smbXsrv_session_global")
TCON_CODEC: Final = RecordCodec(TconGlobal, 1, "smbXsrv_tcon_global")
OPEN_CODEC: Final = RecordCodec(OpenGlobal, 4, "smbXsrv_open_global")
