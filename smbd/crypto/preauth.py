"""Pre-authentication integrity: the SHA-512 chain of SMB 3.1.1 ([MS-SMB2] 3.3.5.4 and 3.3.5.5)."""

from __future__ import annotations

import hashlib
from typing import Final

from smbd.wire.buffer import Buffer

HASH_LENGTH: Final = 64


class PreauthHash:
    """A running hash: each message turns H into SHA-512(H || message), starting from 64 zero bytes.

    A connection has one over the negotiation; each session setup in progress continues a `copy` of it.
    """

    __slots__ = ("value",)

    def __init__(self, value: bytes = bytes(HASH_LENGTH)) -> None:
        self.value = value

    def update(self, message: Buffer) -> None:
        """Chain one whole message, from its SMB2 header to its end."""
        digest = hashlib.sha512(self.value)
        digest.update(message)
        self.value = digest.digest()

    def copy(self) -> PreauthHash:
        """Return an independent chain that goes on from here."""
        return PreauthHash(self.value)
