"""What can go wrong for a client: three kinds, told apart because tests expect each of them somewhere."""

from __future__ import annotations

from vfs.ntstatus import status_name


class SmbxError(Exception):
    """Base of all errors of this client."""


class StatusError(SmbxError):
    """The server answered with an error status where success was expected."""

    def __init__(self, status: int, command: int) -> None:
        super().__init__(f"{status_name(status)} to command {command}")
        self.status = status
        self.command = command


class ConnectionLostError(SmbxError):
    """The server closed the connection."""


class ReplyTimeoutError(SmbxError):
    """No reply came in time."""


class ProtocolViolationError(SmbxError):
    """The server sent something that [MS-SMB2] forbids it to send."""
