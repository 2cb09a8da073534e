"""Requests before they are sent: a header, a body, and how they are to be protected on the wire."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Protocol

from smbd.wire.header import Header

if TYPE_CHECKING:
    from tests.smbxcli.session import Session


class Packable(Protocol):
    """Every body of ``smbd.wire``."""

    def pack(self) -> bytes:
        """Return the bytes after the header."""
        ...


Body = Packable | bytes | bytearray | memoryview


class Protection(enum.Enum):
    """How a message goes out."""

    DEFAULT = "as the session wants"
    PLAIN = "neither signed nor sealed"
    SIGN = "signed"
    SIGN_BROKEN = "signed, then one bit of the signature flipped"
    SIGN_FLAG_ONLY = "flagged as signed, with a signature of zeros"
    SEAL = "sealed"
    SEAL_BROKEN = "sealed, then one bit of the ciphertext flipped"


class Message:
    """One request of a frame; several make a compound.

    Attributes:
        header: its header; change what you like before it is sent.
        body: the bytes after it.
        session: whose keys protect it; None before login.
        wire: what was sent, signature included but before sealing; empty until then.
    """

    def __init__(self, header: Header, body: Body, session: Session | None) -> None:
        self.header = header
        self.body = bytes(body) if isinstance(body, bytes | bytearray | memoryview) else body.pack()
        self.session = session
        self.wire = bytearray()

    def pack(self) -> bytearray:
        """Return header and body, not protected."""
        return bytearray(self.header.pack()) + self.body
