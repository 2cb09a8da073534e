"""Questions and answers between processes, on top of the bus.

A call ends in exactly one way: with the answer, with the refusal of the other side, with its death, or by
time-out.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

import msgspec

from messaging.bus import Bus
from messaging.errors import MessagingError, PeerGone
from messaging.msg_types import MSG_IRPC_REPLY, MSG_IRPC_REQUEST
from messaging.peers import PeerWatch
from messaging.reactor import TimerHandle
from messaging.server_id import ServerId
from messaging.waiter import Waiter

_log = logging.getLogger(__name__)

DEFAULT_TIMEOUT: Final = 10.0
"""Seconds. A process that is not stuck answers within milliseconds."""

Handler = Callable[[ServerId, bytes], "bytes | Waiter[bytes]"]


class IrpcRefused(MessagingError):  # noqa: N818 - a fact about the peer
    """The other side knows no such operation, or failed in it."""


class IrpcTimeout(MessagingError, TimeoutError):  # noqa: N818 - as TimeoutError
    """No answer in time."""


class _Request(msgspec.Struct, array_like=True, gc=False):
    call_id: int
    operation: str
    payload: bytes


class _Reply(msgspec.Struct, array_like=True, gc=False):
    call_id: int
    payload: bytes
    refusal: str = ""


_encode = msgspec.msgpack.Encoder().encode
_decode_request = msgspec.msgpack.Decoder(_Request).decode
_decode_reply = msgspec.msgpack.Decoder(_Reply).decode


class _Call:
    """A question of ours that is open."""

    __slots__ = ("death", "dest", "timer", "waiter")

    def __init__(self, dest: ServerId) -> None:
        self.dest = dest
        self.waiter: Waiter[bytes] = Waiter()
        self.timer: TimerHandle | None = None
        self.death: PeerWatch | None = None


class Irpc:
    """Both sides of request and reply; one per bus.

    Args:
        bus: carries the messages.
    """

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._handlers: dict[str, Handler] = {}
        self._calls: dict[int, _Call] = {}
        self._last_id = 0
        bus.register(MSG_IRPC_REQUEST, self._requested)
        bus.register(MSG_IRPC_REPLY, self._replied)

    def close(self) -> None:
        """Cancel all open calls and answer no more."""
        self._bus.deregister(MSG_IRPC_REQUEST)
        self._bus.deregister(MSG_IRPC_REPLY)
        for call in list(self._calls.values()):
            call.waiter.cancel()

    # -- asking ------------------------------------------------------------------------------------------

    def call(
        self, dest: ServerId, operation: str, payload: bytes = b"", timeout: float = DEFAULT_TIMEOUT
    ) -> Waiter[bytes]:
        """Ask `dest` for `operation`.

        The waiter completes with the answer or with `PeerGone`, `PeerBusy`, `IrpcRefused` or `IrpcTimeout`.
        Cancelling it forgets the call.
        """
        self._last_id += 1
        call_id = self._last_id
        call = _Call(dest)
        try:
            self._bus.send(dest, MSG_IRPC_REQUEST, _encode(_Request(call_id, operation, payload)))
            if not dest.same_process(self._bus.server_id):
                call.death = self._bus.others.watch(dest, lambda: self._fail(call_id, PeerGone(dest)))
        except (MessagingError, OSError) as error:
            call.waiter.set_exception(error)
            return call.waiter
        late = IrpcTimeout(f"{operation}: no answer from {dest} within {timeout} s")
        call.timer = self._bus.reactor.call_later(timeout, lambda: self._fail(call_id, late))
        self._calls[call_id] = call
        call.waiter.add_done_callback(lambda _: self._ended(call_id))
        return call.waiter

    def _fail(self, call_id: int, error: Exception) -> None:
        call = self._calls.get(call_id)
        if call is not None:
            call.waiter.set_exception(error)

    def _ended(self, call_id: int) -> None:
        call = self._calls.pop(call_id)
        if call.timer is not None:
            call.timer.cancel()
        if call.death is not None:
            call.death.cancel()

    def _replied(self, source: ServerId, payload: bytes) -> None:
        reply = _decode_reply(payload)
        call = self._calls.get(reply.call_id)
        # The answer may be late, or not come from whom we asked.
        if call is None or call.dest.pid != source.pid:
            _log.debug("stray reply from %s", source)
        elif reply.refusal:
            call.waiter.set_exception(IrpcRefused(reply.refusal))
        else:
            call.waiter.set_result(reply.payload)

    # -- answering ---------------------------------------------------------------------------------------

    def register(self, operation: str, handler: Handler) -> None:
        """Answer `operation` by ``handler(source, payload)``: the answer, or a waiter for it.

        Raises:
            MessagingError: if the operation has a handler.
        """
        if operation in self._handlers:
            raise MessagingError(f"{operation} has a handler")
        self._handlers[operation] = handler

    def deregister(self, operation: str) -> None:
        """Refuse `operation` from now on."""
        self._handlers.pop(operation, None)

    def _requested(self, source: ServerId, payload: bytes) -> None:
        request = _decode_request(payload)
        handler = self._handlers.get(request.operation)
        if handler is None:
            self._reply(source, _Reply(request.call_id, b"", f"no operation {request.operation!r}"))
            return
        try:
            answer = handler(source, request.payload)
        except Exception as error:  # noqa: BLE001 - the caller is to learn of it
            _log.exception("%s for %s failed", request.operation, source)
            self._reply(source, _Reply(request.call_id, b"", f"{request.operation} failed: {error}"))
            return
        if isinstance(answer, Waiter):
            answer.add_done_callback(lambda done: self._reply_done(source, request, done))
        else:
            self._reply(source, _Reply(request.call_id, answer))

    def _reply_done(self, source: ServerId, request: _Request, done: Waiter[bytes]) -> None:
        try:
            reply = _Reply(request.call_id, done.result())
        except Exception as error:  # noqa: BLE001 - the caller is to learn of it
            reply = _Reply(request.call_id, b"", f"{request.operation} failed: {error!r}")
        self._reply(source, reply)

    def _reply(self, dest: ServerId, reply: _Reply) -> None:
        try:
            self._bus.send(dest, MSG_IRPC_REPLY, _encode(reply))
        except MessagingError as error:
            _log.debug("nobody to reply to: %s", error)
