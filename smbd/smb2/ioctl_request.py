"""What the handlers of control codes take and return."""

from __future__ import annotations

from typing import NamedTuple

from smbd.smb2.request import Request
from smbd.wire.buffer import Buffer
from smbd.wire.ioctl import IoctlRequest
from smbd.xsrv.open import Open
from vfs.ntstatus import STATUS_SUCCESS


class IoctlCall(NamedTuple):
    """One IOCTL request."""

    request: Request
    message: IoctlRequest

    def open(self) -> Open:
        """Return the open that it is about.

        Raises:
            NTStatusError: STATUS_FILE_CLOSED.
        """
        return self.request.open(self.message.file_id_persistent, self.message.file_id_volatile)


class IoctlOutput(NamedTuple):
    """The output buffer and the status that goes with it."""

    data: Buffer = b""
    status: int = STATUS_SUCCESS
