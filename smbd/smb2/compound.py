"""Compound requests ([MS-SMB2] 3.3.5.2.7): several requests in one message, answered in one.

The requests run one after the other. A related request takes session, tree connect and file from the one
before it. One that has to wait goes asynchronous only at the end of the chain; in the middle it just holds up
what follows, since the responses must come in order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from smbd.smb2 import respond
from smbd.smb2.request import FileRange, Request
from vfs.ntstatus import STATUS_FILE_CLOSED, STATUS_SUCCESS, NTStatusError, is_error

if TYPE_CHECKING:
    from smbd.smb2.request import Body
    from smbd.xsrv.open import Open


class Chain:
    """The state that the requests of one compound share.

    Attributes:
        rest: requests not started yet, the next one last.
        last_open: the open that the latest request named or created.
        last_status: how the latest request ended; a failure is handed on to related requests that need a file.
    """

    __slots__ = ("_responses", "last_open", "last_status", "previous", "rest")

    def __init__(self) -> None:
        self.rest: list[Request] = []
        self.last_open: Open | None = None
        self.last_status = STATUS_SUCCESS
        self.previous: Request | None = None
        self._responses: list[tuple[Request, int, bytes]] = []

    def related_open(self, request: Request) -> Open:
        """Return the file of the request before.

        Raises:
            NTStatusError: with the status of the request before if that failed, else STATUS_FILE_CLOSED.
        """
        found = self.last_open
        if found is None or request.session is None or request.session.opens.get(found.volatile_id) is not found:
            status = self.last_status if is_error(self.last_status) else STATUS_FILE_CLOSED
            raise NTStatusError(status, "the request before left no file")
        return found

    def finish(self, request: Request, status: int, body: Body) -> None:
        """Note the response of `request`."""
        if type(body) is not bytes:
            if isinstance(body, (int, FileRange)):
                raise TypeError("a response inside a compound is bytes")
            body = bytes(body)
        self.last_status = status
        self.previous = request
        self._responses.append((request, status, body))

    def send(self) -> None:
        """Write what is finished so far; nothing if there is nothing."""
        responses, self._responses = self._responses, []
        if responses:
            respond.send_chain(responses)
