"""SERVER_TO_CLIENT_NOTIFICATION, [MS-SMB2] 2.2.44."""

from __future__ import annotations

import struct
from typing import Final

import msgspec

from smbd.wire.buffer import BODY, Buffer, check_body
from smbd.wire.constants import SMB2_NOTIFY_SESSION_CLOSED

# StructureSize, Reserved, NotificationType; SMB2_NOTIFY_SESSION_CLOSED adds four reserved bytes
_LAYOUT: Final = struct.Struct("<H2xI4x")
_SIZE: Final = 4


class ServerToClientNotification(msgspec.Struct, gc=False):
    """SMB2 SERVER_TO_CLIENT_NOTIFICATION; the only type is SMB2_NOTIFY_SESSION_CLOSED."""

    notification_type: int = SMB2_NOTIFY_SESSION_CLOSED

    def pack(self) -> bytes:
        """Return the body."""
        return _LAYOUT.pack(_SIZE, self.notification_type)

    @classmethod
    def unpack(cls, pdu: Buffer) -> ServerToClientNotification:
        """Read the message.

        Raises:
            WireError: It is malformed.
        """
        check_body(pdu, _LAYOUT.size, _SIZE, "SERVER_TO_CLIENT_NOTIFICATION")
        return cls(_LAYOUT.unpack_from(pdu, BODY)[1])
