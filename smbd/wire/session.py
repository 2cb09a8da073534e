"""SESSION_SETUP and LOGOFF, [MS-SMB2] 2.2.5 to 2.2.8."""

from __future__ import annotations

import struct
from typing import Final

import msgspec

from smbd.wire.buffer import BODY, EMPTY_DYNAMIC, Buffer, check_body, variable

# StructureSize, Flags, SecurityMode, Capabilities, Channel, SecurityBufferOffset, SecurityBufferLength,
# PreviousSessionId
_REQUEST: Final = struct.Struct("<HBBIIHHQ")
_REQUEST_SIZE: Final = 25
_RESPONSE: Final = struct.Struct("<HHHH")  # StructureSize, SessionFlags, SecurityBufferOffset, ...Length
_RESPONSE_SIZE: Final = 9
_LOGOFF: Final = struct.Struct("<HH")  # StructureSize, Reserved
_LOGOFF_SIZE: Final = 4


class SessionSetupRequest(msgspec.Struct, gc=False):
    """SMB2 SESSION_SETUP request, 2.2.5.

    Attributes:
        security_buffer: GSS token.
        flags: SMB2_SESSION_FLAG_BINDING or 0.
        security_mode: SMB2_NEGOTIATE_SIGNING_*.
        capabilities: SMB2_GLOBAL_CAP_DFS or 0.
        previous_session_id: Session that this one replaces.
        channel: Reserved.
    """

    security_buffer: Buffer = b""
    flags: int = 0
    security_mode: int = 0
    capabilities: int = 0
    previous_session_id: int = 0
    channel: int = 0

    def pack(self) -> bytes:
        """Return the body."""
        fixed = _REQUEST.pack(
            _REQUEST_SIZE,
            self.flags,
            self.security_mode,
            self.capabilities,
            self.channel,
            BODY + _REQUEST.size,
            len(self.security_buffer),
            self.previous_session_id,
        )
        return b"".join((fixed, self.security_buffer or EMPTY_DYNAMIC))

    @classmethod
    def unpack(cls, pdu: Buffer) -> SessionSetupRequest:
        """Read the message.

        Raises:
            WireError: It is malformed.
        """
        check_body(pdu, _REQUEST.size, _REQUEST_SIZE, "SESSION_SETUP request")
        _, flags, mode, capabilities, channel, offset, length, previous = _REQUEST.unpack_from(pdu, BODY)
        token = variable(pdu, offset, length, BODY + _REQUEST.size, "SESSION_SETUP security buffer")
        return cls(token, flags, mode, capabilities, previous, channel)


class SessionSetupResponse(msgspec.Struct, gc=False):
    """SMB2 SESSION_SETUP response, 2.2.6.

    Attributes:
        security_buffer: GSS token.
        session_flags: SMB2_SESSION_FLAG_IS_GUEST, _IS_NULL, _ENCRYPT_DATA.
    """

    security_buffer: Buffer = b""
    session_flags: int = 0

    def pack(self) -> bytes:
        """Return the body."""
        fixed = _RESPONSE.pack(_RESPONSE_SIZE, self.session_flags, BODY + _RESPONSE.size, len(self.security_buffer))
        return b"".join((fixed, self.security_buffer))

    @classmethod
    def unpack(cls, pdu: Buffer) -> SessionSetupResponse:
        """Read the message.

        Raises:
            WireError: It is malformed.
        """
        check_body(pdu, _RESPONSE.size, _RESPONSE_SIZE, "SESSION_SETUP response")
        _, flags, offset, length = _RESPONSE.unpack_from(pdu, BODY)
        token = variable(pdu, offset, length, BODY + _RESPONSE.size, "SESSION_SETUP security buffer")
        return cls(token, flags)


class LogoffRequest(msgspec.Struct, gc=False):
    """SMB2 LOGOFF request, 2.2.7."""

    def pack(self) -> bytes:
        """Return the body."""
        return _LOGOFF.pack(_LOGOFF_SIZE, 0)

    @classmethod
    def unpack(cls, pdu: Buffer) -> LogoffRequest:
        """Read the message.

        Raises:
            WireError: It is malformed.
        """
        check_body(pdu, _LOGOFF.size, _LOGOFF_SIZE, "LOGOFF request")
        return cls()


class LogoffResponse(msgspec.Struct, gc=False):
    """SMB2 LOGOFF response, 2.2.8."""

    def pack(self) -> bytes:
        """Return the body."""
        return _LOGOFF.pack(_LOGOFF_SIZE, 0)

    @classmethod
    def unpack(cls, pdu: Buffer) -> LogoffResponse:
        """Read the message.

        Raises:
            WireError: It is malformed.
        """
        check_body(pdu, _LOGOFF.size, _LOGOFF_SIZE, "LOGOFF response")
        return cls()
