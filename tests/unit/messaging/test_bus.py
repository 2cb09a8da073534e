"""The bus inside of one process; between processes see tests/process."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import zmq

from messaging import msg_types
from messaging.bus import Bus, MessagingError
from messaging.irpc import Irpc, IrpcRefused, IrpcTimeout
from messaging.msg_types import FIRST_FREE, message_name
from messaging.poll_reactor import PollReactor
from messaging.server_id import ServerId, new_server_id
from messaging.waiter import Cancelled, Waiter

MSG = FIRST_FREE


@pytest.fixture
def reactor() -> PollReactor:
    return PollReactor()


@pytest.fixture
def bus(tmp_path: Path, reactor: PollReactor) -> Iterator[Bus]:
    bus = Bus(str(tmp_path), new_server_id(), reactor)
    yield bus
    bus.close()


def test_a_message_to_oneself_comes_by_the_loop(bus: Bus, reactor: PollReactor) -> None:
    got: list[tuple[ServerId, bytes]] = []
    bus.register(MSG, lambda source, payload: got.append((source, payload)))
    bus.send(bus.server_id, MSG, b"x")
    assert got == []
    reactor.run_once(0)
    assert got == [(bus.server_id, b"x")]
    assert bus.peers() == []


def test_a_handler_that_fails_stops_nothing(
    bus: Bus, reactor: PollReactor, caplog: pytest.LogCaptureFixture
) -> None:
    got: list[bytes] = []
    bus.register(MSG, lambda _source, _payload: got.append(bytes(1 // 0)))
    bus.register(MSG + 1, lambda _source, payload: got.append(payload))
    bus.send(bus.server_id, MSG)
    bus.send(bus.server_id, MSG + 1, b"after")
    reactor.run_once(0)
    assert got == [b"after"]
    assert "handling MSG_0x1000 from" in caplog.text


def test_one_handler_a_type(bus: Bus, reactor: PollReactor) -> None:
    bus.register(MSG, lambda *_: pytest.fail("deregistered"))
    with pytest.raises(MessagingError, match="has a handler"):
        bus.register(MSG, lambda *_: None)
    bus.deregister(MSG)
    bus.deregister(MSG)
    bus.send(bus.server_id, MSG)
    reactor.run_once(0)


@pytest.mark.parametrize("junk", [b"", b"junk", b"\x95\x02\x01\x94\x01\x00\x00\x00\x00\xc4\x00", bytes(1000)])
def test_junk_is_dropped(bus: Bus, reactor: PollReactor, junk: bytes, caplog: pytest.LogCaptureFixture) -> None:
    context = zmq.Context()
    socket = context.socket(zmq.PUSH)
    socket.connect(f"ipc://{bus.directory}/msg/{os.getpid()}")
    socket.send(junk)
    while "dropped" not in caplog.text:
        reactor.run_once(5)
    context.destroy(linger=0)


def test_the_sockets_are_private(bus: Bus, tmp_path: Path) -> None:
    assert (tmp_path / "msg").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "msg" / str(os.getpid())).stat().st_mode & 0o777 == 0o600


def test_a_directory_open_to_others_is_refused(tmp_path: Path, reactor: PollReactor) -> None:
    (tmp_path / "msg").mkdir()
    (tmp_path / "msg").chmod(0o755)
    with pytest.raises(MessagingError, match="alone"):
        Bus(str(tmp_path), new_server_id(), reactor)


def test_a_foreign_or_unverifiable_identity_is_refused(tmp_path: Path, reactor: PollReactor) -> None:
    for server_id in (ServerId(pid=1, unique_id=5), ServerId(pid=os.getpid())):
        with pytest.raises(MessagingError, match="identity"):
            Bus(str(tmp_path), server_id, reactor)


def test_a_closed_bus_sends_nothing(tmp_path: Path, reactor: PollReactor) -> None:
    (tmp_path / "msg").mkdir(mode=0o700)
    (tmp_path / "msg" / str(os.getpid())).write_text("left by a dead process of our pid")
    bus = Bus(str(tmp_path), new_server_id(), reactor)
    bus.close()
    bus.close()
    with pytest.raises(MessagingError, match="closed"):
        bus.send(bus.server_id, MSG)
    assert list(tmp_path.glob("msg*/*")) == []


def test_irpc_with_oneself(bus: Bus, reactor: PollReactor) -> None:
    irpc = Irpc(bus)
    later: Waiter[bytes] = Waiter()
    irpc.register("echo", lambda _source, payload: payload)
    irpc.register("later", lambda _source, _payload: later)
    with pytest.raises(MessagingError, match="has a handler"):
        irpc.register("echo", lambda _source, payload: payload)
    assert reactor.run_until(irpc.call(bus.server_id, "echo", b"x"), 5) == b"x"
    delayed = irpc.call(bus.server_id, "later")
    reactor.run_once(0)
    assert not delayed.done
    later.set_result(b"at last")
    assert reactor.run_until(delayed, 5) == b"at last"
    irpc.deregister("echo")
    with pytest.raises(IrpcRefused):
        reactor.run_until(irpc.call(bus.server_id, "echo"), 5)
    irpc.close()


def test_an_answer_that_fails_later_is_a_refusal(bus: Bus, reactor: PollReactor) -> None:
    irpc = Irpc(bus)
    later: Waiter[bytes] = Waiter()
    irpc.register("later", lambda _source, _payload: later)
    call = irpc.call(bus.server_id, "later")
    later.set_exception(ValueError("no"))
    with pytest.raises(IrpcRefused, match="no"):
        reactor.run_until(call, 5)


def test_late_and_cancelled_answers_are_dropped(bus: Bus, reactor: PollReactor) -> None:
    irpc = Irpc(bus)
    irpc.register("echo", lambda _source, payload: payload)
    late = irpc.call(bus.server_id, "echo", timeout=-1)
    with pytest.raises(IrpcTimeout):
        reactor.run_until(late, 5)
    cancelled = irpc.call(bus.server_id, "echo")
    cancelled.cancel()
    closed = irpc.call(bus.server_id, "echo")
    irpc.close()
    for _ in range(3):
        reactor.run_once(0)
    for call in (cancelled, closed):
        with pytest.raises(Cancelled):
            call.result()


def test_message_types_are_distinct() -> None:
    same = {"MSG_SMB_CONF_UPDATED", "MSG_RELOAD_CONFIG"}
    types = {name: value for name, value in vars(msg_types).items() if name.startswith("MSG_")}
    distinct = [value for name, value in types.items() if name not in same]
    assert len(set(distinct)) == len(distinct)
    assert message_name(msg_types.MSG_PING) == "MSG_PING"
    assert max(types.values()) < FIRST_FREE
