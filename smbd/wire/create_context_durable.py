"""Create contexts of durable and persistent handles, [MS-SMB2] 2.2.13.2 and 2.2.14.2."""

from __future__ import annotations

import struct
from typing import ClassVar

from smbd.wire.constants import (
    SMB2_CREATE_DURABLE_HANDLE_RECONNECT,
    SMB2_CREATE_DURABLE_HANDLE_RECONNECT_V2,
    SMB2_CREATE_DURABLE_HANDLE_REQUEST,
    SMB2_CREATE_DURABLE_HANDLE_REQUEST_V2,
)
from smbd.wire.fixed import Fixed


class DurableHandleRequest(Fixed, gc=False):
    """SMB2_CREATE_DURABLE_HANDLE_REQUEST (DHnQ), 2.2.13.2.3: 16 reserved bytes."""

    layout = struct.Struct("<16x")
    exact = True
    tag: ClassVar[bytes] = SMB2_CREATE_DURABLE_HANDLE_REQUEST


class DurableHandleResponse(Fixed, gc=False):
    """SMB2_CREATE_DURABLE_HANDLE_RESPONSE (DHnQ), 2.2.14.2.3: 8 reserved bytes."""

    layout = struct.Struct("<8x")
    exact = True
    tag: ClassVar[bytes] = SMB2_CREATE_DURABLE_HANDLE_REQUEST


class DurableHandleReconnect(Fixed, gc=False):
    """SMB2_CREATE_DURABLE_HANDLE_RECONNECT (DHnC), 2.2.13.2.4; it has no answer."""

    layout = struct.Struct("<QQ")
    exact = True
    tag: ClassVar[bytes] = SMB2_CREATE_DURABLE_HANDLE_RECONNECT

    file_id_persistent: int
    file_id_volatile: int


class DurableHandleRequestV2(Fixed, gc=False):
    """SMB2_CREATE_DURABLE_HANDLE_REQUEST_V2 (DH2Q), 2.2.13.2.11.

    Attributes:
        timeout: Milliseconds that the handle should survive a lost connection; 0 leaves it to the server.
        flags: SMB2_DHANDLE_FLAG_PERSISTENT or 0.
        create_guid: 16 bytes that identify the create.
    """

    layout = struct.Struct("<II8x16s")
    exact = True
    tag: ClassVar[bytes] = SMB2_CREATE_DURABLE_HANDLE_REQUEST_V2

    timeout: int
    flags: int
    create_guid: bytes


class DurableHandleResponseV2(Fixed, gc=False):
    """SMB2_CREATE_DURABLE_HANDLE_RESPONSE_V2 (DH2Q), 2.2.14.2.12."""

    layout = struct.Struct("<II")
    exact = True
    tag: ClassVar[bytes] = SMB2_CREATE_DURABLE_HANDLE_REQUEST_V2

    timeout: int
    flags: int = 0


class DurableHandleReconnectV2(Fixed, gc=False):
    """SMB2_CREATE_DURABLE_HANDLE_RECONNECT_V2 (DH2C), 2.2.13.2.12; it has no answer."""

    layout = struct.Struct("<QQ16sI")
    exact = True
    tag: ClassVar[bytes] = SMB2_CREATE_DURABLE_HANDLE_RECONNECT_V2

    file_id_persistent: int
    file_id_volatile: int
    create_guid: bytes
    flags: int = 0
