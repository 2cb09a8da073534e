"""Requests that wait: the interim response, and the one end that each of them has.

A handler that suspends becomes a `Pending` owned by its request. It ends exactly once: its wait completes,
the client cancels it, or what it waits on goes away (close, logoff, tree disconnect, lost connection). Ending
always goes through the suspended coroutine, so that it can give back what it holds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from messaging.waiter import Waiter
from smbd.smb2 import respond
from vfs.ntstatus import STATUS_CANCELLED, NTStatusError

if TYPE_CHECKING:
    from collections.abc import Callable

    from smbd.eventloop import Timer
    from smbd.smb2.request import AsyncResult, Request


class Pending:
    """A suspended handler.

    Args:
        request: who waits.
        coroutine: the handler, suspended on `waiter`.
        waiter: what it waits for.
        resume: runs the coroutine on and answers when it ends.
        grace: seconds until the client is told that it has to wait; None if it may not be told.
    """

    __slots__ = ("_given_up", "_resume", "_timer", "coroutine", "request", "user", "waiter")

    def __init__(
        self,
        request: Request,
        coroutine: AsyncResult,
        waiter: Waiter[Any],
        resume: Callable[[Pending], None],
        grace: float | None,
    ) -> None:
        self.request = request
        # The session may be authenticated again meanwhile: the request goes on as who it began as.
        owner = request.waits_on if request.waits_on is not None else request.tcon
        self.user = owner.token.unix if owner is not None else None
        self.coroutine = coroutine
        self.waiter = waiter
        self._resume = resume
        self._timer: Timer | None = None
        self._given_up: NTStatusError | None = None
        request.pending = self
        connection = request.connection
        connection.pending[request.message_id] = self
        if request.target is not None:
            request.target.pending.add(self)
        if grace == 0:
            self.send_interim()
        elif grace is not None:
            self._timer = connection.loop.call_later(grace, self.send_interim)

    def wait(self) -> None:
        """Have the coroutine run on, from the loop, when its wait completes."""
        if self._given_up is not None:  # between two waits
            self.waiter.set_exception(self._given_up)
        self.waiter.add_done_callback(self._wake)

    def _wake(self, _waiter: Waiter[Any]) -> None:
        self.request.connection.loop.call_soon(lambda: self._resume(self))

    def send_interim(self) -> None:
        """Tell the client that its request takes time, and by which AsyncId it can cancel it."""
        request = self.request
        if request.async_id or request.pending is not self:
            return
        if request.chain is not None:
            # The responses before it go out first; this one is on its own from now on.
            request.chain.send()
            request.chain = None
        request.async_id = request.connection.next_async_id()
        respond.send_interim(request)
        request.connection.transport.flush()

    def cancel(self, status: int = STATUS_CANCELLED) -> bool:
        """End the wait with `status`; False if it has ended already: then the next one ends, should one follow."""
        self._given_up = NTStatusError(status, "the wait was given up")
        return self.waiter.set_exception(self._given_up)

    def done(self) -> None:
        """Forget it: the coroutine has ended."""
        if self._timer is not None:
            self._timer.cancel()
        request = self.request
        request.pending = None
        if request.target is not None:
            request.target.pending.discard(self)
        request.connection.pending.pop(request.message_id, None)
