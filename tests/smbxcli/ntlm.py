"""Anonymous NTLMSSP, which the GSS library has no way to ask for ([MS-NLMP] 3.2.5.1.2)."""

from __future__ import annotations

import struct
from typing import Final

_SIGNATURE: Final = b"NTLMSSP\0"
_NEGOTIATE_UNICODE: Final = 0x00000001
_REQUEST_TARGET: Final = 0x00000004
_NEGOTIATE_NTLM: Final = 0x00000200
_NEGOTIATE_ANONYMOUS: Final = 0x00000800
_NEGOTIATE_ALWAYS_SIGN: Final = 0x00008000
_NEGOTIATE_EXTENDED_SESSIONSECURITY: Final = 0x00080000
_FLAGS: Final = (
    _NEGOTIATE_UNICODE
    | _REQUEST_TARGET
    | _NEGOTIATE_NTLM
    | _NEGOTIATE_ALWAYS_SIGN
    | _NEGOTIATE_EXTENDED_SESSIONSECURITY
)
_FIELD: Final = struct.Struct("<HHI")
_AUTHENTICATE_SIZE: Final = 64


class AnonymousContext:
    """The client side of an anonymous login, with the methods of a GSS context that a session uses."""

    session_key = b""

    def __init__(self) -> None:
        self._first = True

    def step(self, token: bytes | None = None) -> bytes | None:
        """Return the NEGOTIATE message, then the AUTHENTICATE message, then nothing."""
        if self._first:
            self._first = False
            return struct.pack("<8sII", _SIGNATURE, 1, _FLAGS) + bytes(16)
        if token is None or not token.startswith(_SIGNATURE):
            return None
        # The LM response of an anonymous client is one zero byte, all other fields are empty.
        at = _AUTHENTICATE_SIZE
        fields = _FIELD.pack(1, 1, at) + _FIELD.pack(0, 0, at + 1) * 5
        head = struct.pack("<8sI", _SIGNATURE, 3)
        return head + fields + struct.pack("<I", _FLAGS | _NEGOTIATE_ANONYMOUS) + b"\0"
