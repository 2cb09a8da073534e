"""What every security mechanism offers: SPNEGO itself, NTLMSSP, and those to come.

A mechanism is driven with the client's tokens until it is done or raises. It never raises anything but
`NTStatusError`, whatever the client sends.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Final, NamedTuple

from smbd.auth.session_info import SessionInfo
from vfs.ntstatus import STATUS_INVALID_PARAMETER, NTStatusError

MAX_TOKEN_LENGTH: Final = 0xFFFF
"""What the length field of a session setup can express ([MS-SMB2] 2.2.5)."""


class Step(NamedTuple):
    """The answer to one token: what to send (maybe nothing), and whether the user is logged on."""

    token: bytes
    done: bool


class Acceptor(ABC):
    """The server's side of one authentication."""

    __slots__ = ("_session_info",)

    def __init__(self) -> None:
        self._session_info: SessionInfo | None = None

    @abstractmethod
    def update(self, token: bytes) -> Step:
        """Take the client's next token.

        Raises:
            NTStatusError: the token is malformed or comes out of turn (STATUS_INVALID_PARAMETER), or the
                user may not log on (STATUS_LOGON_FAILURE and the statuses of account restrictions).
        """

    @property
    def session_info(self) -> SessionInfo:
        """The user; to be asked for when `update` said that it is done.

        Raises:
            NTStatusError: STATUS_INVALID_PARAMETER: the authentication is not complete.
        """
        if self._session_info is None:
            raise NTStatusError(STATUS_INVALID_PARAMETER, "the authentication is not complete")
        return self._session_info


class Mechanism(Acceptor):
    """An `Acceptor` that SPNEGO can carry: it can protect the negotiation of the mechanism."""

    __slots__ = ()

    @abstractmethod
    def can_sign(self) -> bool:
        """Tell whether there is a session key, so that the mechListMIC can be checked and made."""

    @abstractmethod
    def verify_mic(self, message: bytes, mic: bytes) -> bool:
        """Check the client's MIC of `message` in constant time."""

    @abstractmethod
    def make_mic(self, message: bytes) -> bytes:
        """Return the server's MIC of `message`."""
