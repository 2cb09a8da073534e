"""Large writes by a thread, so that the client's next message is received, verified or decrypted meanwhile.

To the client, and to every other part of the server, such a write is as if it were done at once: no further request
of its connection is handled and its open is not closed before it has ended (`finish` waits for that). One is under
way at a time, so what is held for writes is one receive buffer for each connection.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from messaging.waiter import Waiter
from vfs.posix.credentials import ThreadIdentity

if TYPE_CHECKING:
    from smbd.eventloop import EventLoop
    from smbd.smb2.request import Request
    from smbd.xsrv.open import Open
    from vfs.token import UnixToken

#: Bytes from which on it pays. Of what is smaller the kernel takes the next few messages meanwhile, and one processor
#: finds more of it in its cache than two.
OVERLAP_MIN: Final = 6 * 1024 * 1024


def can_overlap(request: Request) -> bool:
    """Tell whether something to do meanwhile is likely to come, and there is a processor to do it."""
    return request.chain is None and request.connection.pipelines and len(os.sched_getaffinity(0)) > 1


def look_ahead(request: Request) -> None:
    """Note, at the end of a large write, whether the client has sent more meanwhile: then it will again."""
    request.connection.pipelines = request.connection.transport.more_has_come()


class OverlappedWriter:
    """The thread and the write that it does. Listed with the open of that write, as one of its outstanding requests.

    Attributes:
        request: whose data are written, or were last.
    """

    __slots__ = ("_chore", "_identity", "_put", "_user", "request")

    request: Request
    _put: Callable[[], None]
    _user: UnixToken

    def __init__(self, loop: EventLoop) -> None:
        self._chore = loop.chore(self._write)
        self._identity = ThreadIdentity()

    def start(self, request: Request, opened: Open, put: Callable[[], None], body: bytes) -> Waiter[bytes]:
        """Have `put` called in the thread, as the user of `opened`; the data may lie in the receive buffer.

        Args:
            request: came alone.
            opened: is not closed before `put` has ended.
            put: of `vfs.fsa.write.write_apart`.
            body: of the response.

        Returns:
            what completes, from the loop or within a `finish`, with `body` or with what `put` raised.
        """
        self._chore.finish()
        connection = request.connection
        connection.transport.keep_received()
        self.request, self._put, self._user = request, put, opened.token.unix
        request.waits_on = opened
        opened.pending.add(self)
        connection.overlapped = self
        answer: Waiter[bytes] = Waiter()

        def ended(waiter: Waiter[None]) -> None:
            opened.pending.discard(self)
            connection.overlapped = None
            look_ahead(request)
            try:
                waiter.result()
            except Exception as error:  # noqa: BLE001 - handed to whoever answers
                answer.set_exception(error)
            else:
                answer.set_result(body)

        self._chore.run().add_done_callback(ended)
        return answer

    def _write(self) -> None:
        self._identity.impersonate(self._user)
        self._put()

    def finish(self) -> None:
        """Wait for the end of the write under way and have it answered: the client has sent its next request."""
        self._chore.finish()
        self.request.connection.pipelines = True

    def cancel(self, _status: int) -> None:
        """The open is about to be closed: what the kernel has begun it also ends."""
        self._chore.finish()
