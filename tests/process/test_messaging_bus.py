"""The bus between real processes: delivery, death, reuse of pids, stuck receivers."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from messaging.bus import MAX_POST, QUEUE_LENGTH, Bus, MessagingError, PeerBusy, PeerGone, remove_dead_process
from messaging.irpc import Irpc, IrpcRefused, IrpcTimeout
from messaging.msg_types import FIRST_FREE
from messaging.poll_reactor import PollReactor
from messaging.server_id import ServerId, living_processes, new_server_id, server_id_exists
from messaging.waiter import Waiter
from tests.process.messaging_processes import PATIENCE, Child

MSG_ASK = FIRST_FREE
MSG_ANSWER = FIRST_FREE + 1
MSG_QUIT = FIRST_FREE + 2


@pytest.fixture(params=["short", "long"])
def directory(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A lock directory; the long one does not fit into a socket address."""
    path = tmp_path if request.param == "short" else tmp_path / ("x" * 120)
    path.mkdir(exist_ok=True)
    return path


@pytest.fixture
def bus(tmp_path: Path) -> Iterator[Bus]:
    bus = Bus(str(tmp_path), new_server_id(), PollReactor())
    yield bus
    bus.close()


def echo(directory: Path) -> Callable[[Connection], None]:
    """A process that answers what it is asked until it is told to quit."""

    def body(link: Connection) -> None:
        reactor = PollReactor()
        bus = Bus(str(directory), new_server_id(), reactor)
        irpc = Irpc(bus)
        end: Waiter[None] = Waiter()
        never: Waiter[bytes] = Waiter()
        irpc.register("double", lambda _source, payload: payload * 2)
        irpc.register("fail", lambda _source, _payload: bytes(1 // 0))
        irpc.register("never", lambda _source, _payload: never)
        bus.register(MSG_ASK, lambda source, payload: bus.send(source, MSG_ANSWER, payload))
        bus.register(MSG_QUIT, lambda _source, _payload: end.set_result(None))
        link.send((bus.server_id.pid, bus.server_id.unique_id))
        reactor.run_until(end)
        bus.close()

    return body


@pytest.fixture
def peer(tmp_path: Path) -> Iterator[tuple[Child, ServerId]]:
    child = Child(echo(tmp_path))
    pid, unique_id = child.hear()
    yield child, ServerId(pid=pid, unique_id=unique_id)
    child.stop()


def run(bus: Bus, waiter: Waiter[bytes]) -> bytes:
    assert isinstance(bus.reactor, PollReactor)
    return bus.reactor.run_until(waiter, PATIENCE)


def test_messages_arrive_in_order(directory: Path) -> None:
    child = Child(echo(directory))
    pid, unique_id = child.hear()
    reactor = PollReactor()
    bus = Bus(str(directory), new_server_id(), reactor)
    answers: list[bytes] = []
    done: Waiter[None] = Waiter()

    def answered(source: ServerId, payload: bytes) -> None:
        assert (source.pid, source.unique_id) == (pid, unique_id)
        answers.append(payload)
        if len(answers) == 100:
            done.set_result(None)

    bus.register(MSG_ANSWER, answered)
    peer = ServerId(pid=pid, unique_id=unique_id)
    assert bus.peers() == [peer]
    for number in range(100):
        bus.send(peer, MSG_ASK, b"%d" % number)
    reactor.run_until(done, PATIENCE)
    assert answers == [b"%d" % number for number in range(100)]
    bus.send(peer, MSG_QUIT)
    child.join()
    bus.close()
    assert list(directory.glob("msg*/*")) == []


def test_the_last_message_before_the_end_arrives(tmp_path: Path, peer: tuple[Child, ServerId]) -> None:
    bus = Bus(str(tmp_path), new_server_id(), PollReactor())
    bus.send(peer[1], MSG_QUIT)
    bus.close()
    peer[0].join()


def test_sending_to_a_dead_process_is_an_error_at_once(bus: Bus, peer: tuple[Child, ServerId]) -> None:
    child, server_id = peer
    bus.send(server_id, MSG_ASK)
    child.kill()
    with pytest.raises(PeerGone) as caught:
        bus.send(server_id, MSG_ASK)
    assert caught.value.server_id == server_id
    assert bus.statistics()["connections"] == 0
    assert bus.broadcast(MSG_ASK) == 0
    left = Path(bus.directory, "msg", str(child.pid))
    assert left.exists()
    assert remove_dead_process(bus.directory, child.pid)
    assert not left.exists()
    assert not remove_dead_process(bus.directory, os.getpid())


def test_a_successor_with_the_same_pid_is_another_process(bus: Bus, peer: tuple[Child, ServerId]) -> None:
    _, server_id = peer
    former = ServerId(pid=server_id.pid, unique_id=server_id.unique_id ^ 1)
    assert bus.exists(server_id)
    assert bus.exists(ServerId(pid=server_id.pid))
    assert not bus.exists(former)
    with pytest.raises(PeerGone):
        bus.send(former, MSG_QUIT)
    died: Waiter[bytes] = Waiter()
    bus.others.watch(former, lambda: died.set_result(b""))
    run(bus, died)


def test_a_message_in_flight_does_not_reach_the_successor(
    bus: Bus, peer: tuple[Child, ServerId], monkeypatch: pytest.MonkeyPatch
) -> None:
    child, server_id = peer
    monkeypatch.setattr("messaging.peers.server_id_exists", lambda *_: True)
    bus.send(ServerId(pid=server_id.pid, unique_id=server_id.unique_id ^ 1), MSG_QUIT)
    answer: Waiter[bytes] = Waiter()
    bus.register(MSG_ANSWER, lambda _source, payload: answer.set_result(payload))
    bus.send(server_id, MSG_ASK, b"still there")
    assert run(bus, answer) == b"still there"
    bus.send(server_id, MSG_QUIT)
    child.join()


def test_a_stuck_receiver_does_not_block_the_sender(bus: Bus, peer: tuple[Child, ServerId]) -> None:
    child, server_id = peer
    child.kill(signal.SIGSTOP)
    started = time.monotonic()
    with pytest.raises(PeerBusy):  # noqa: PT012 - which of them is refused does not matter
        for _ in range(1000):
            bus.send(server_id, MSG_ASK, bytes(100_000))
    assert time.monotonic() - started < PATIENCE / 2
    child.kill(signal.SIGCONT)
    answer: Waiter[bytes] = Waiter()
    bus.register(MSG_ANSWER, lambda _source, payload: answer.set_result(payload))
    assert len(run(bus, answer)) == 100_000


def test_a_broadcast_reaches_everybody_but_the_sender(
    bus: Bus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("messaging.bus.MAX_CONNECTIONS", 1)  # what makes room is still sent
    children = [Child(echo(tmp_path)) for _ in range(3)]
    for child in children:
        child.hear()
    assert len(living_processes(bus.directory)) == 4
    bus.register(MSG_QUIT, lambda *_: pytest.fail("the sender does not broadcast to itself"))
    assert bus.broadcast(MSG_QUIT) == 3
    assert bus.statistics()["connections"] == 1
    for child in children:
        child.join()


def test_a_bus_does_not_survive_a_fork(bus: Bus) -> None:
    def use(link: Connection) -> None:
        with pytest.raises(MessagingError, match="fork"):
            bus.send(bus.server_id, MSG_ASK)
        bus.close()  # of no effect on the parent's
        mine = Bus(bus.directory, new_server_id(), PollReactor())
        link.send(mine.exists(bus.server_id))
        mine.close()

    child = Child(use)
    assert child.hear() is True
    child.join()
    assert server_id_exists(bus.directory, bus.server_id)


def test_a_forked_child_does_not_keep_its_parent_alive(tmp_path: Path) -> None:
    """The lock belongs to the process that took it, not to those that inherit the descriptor."""

    def parent(link: Connection) -> None:
        bus = Bus(str(tmp_path), new_server_id(), PollReactor())
        grandchild = os.fork()
        if grandchild == 0:
            signal.pause()
        link.send((bus.server_id.unique_id, grandchild))
        link.recv()

    child = Child(parent)
    unique_id, grandchild = child.hear()
    server_id = ServerId(pid=child.pid, unique_id=unique_id)
    assert server_id_exists(str(tmp_path), server_id)
    child.kill()
    assert not server_id_exists(str(tmp_path), server_id)
    os.kill(grandchild, signal.SIGKILL)


def test_request_and_reply(bus: Bus, peer: tuple[Child, ServerId]) -> None:
    child, server_id = peer
    irpc = Irpc(bus)
    assert run(bus, irpc.call(server_id, "double", b"ab")) == b"abab"
    with pytest.raises(IrpcRefused, match="no operation 'unknown'"):
        run(bus, irpc.call(server_id, "unknown"))
    with pytest.raises(IrpcRefused, match="division"):
        run(bus, irpc.call(server_id, "fail"))
    with pytest.raises(IrpcTimeout):
        run(bus, irpc.call(server_id, "never", timeout=0.05))
    dies = irpc.call(server_id, "never")
    child.kill()
    with pytest.raises(PeerGone):
        run(bus, dies)
    with pytest.raises(PeerGone):
        run(bus, irpc.call(server_id, "double"))
    irpc.close()


def test_hints_arrive_even_if_the_receiver_cannot_take_them_all_now(bus: Bus, peer: tuple[Child, ServerId]) -> None:
    child, server_id = peer
    sent = {b"%d" % number for number in range(40)} | {bytes(10_000)}
    answers: set[bytes] = set()
    done: Waiter[bytes] = Waiter()

    def answered(_source: ServerId, payload: bytes) -> None:
        answers.add(payload)
        if answers == sent:
            done.set_result(b"")

    bus.register(MSG_ANSWER, answered)
    bus.hint(server_id, MSG_ASK, b"0")
    child.kill(signal.SIGSTOP)
    for payload in sent - {b"0"}:
        bus.hint(server_id, MSG_ASK, payload)
    child.kill(signal.SIGCONT)
    run(bus, done)


def test_what_is_posted_arrives_in_order_whatever_the_receiver_can_take_now(
    bus: Bus, peer: tuple[Child, ServerId]
) -> None:
    child, server_id = peer
    sent = [b"%d" % number for number in range(100)] + [bytes(MAX_POST), b"last"]
    answers: list[bytes] = []
    done: Waiter[bytes] = Waiter()

    def answered(_source: ServerId, payload: bytes) -> None:
        answers.append(payload)
        if payload == b"last":
            done.set_result(b"")

    bus.register(MSG_ANSWER, answered)
    bus.post(server_id, MSG_ASK, sent[0])
    child.kill(signal.SIGSTOP)
    for payload in sent[1:50]:
        bus.post(server_id, MSG_ASK, payload)
    bus.reactor.run_for(0.01)
    for payload in sent[50:]:
        bus.post(server_id, MSG_ASK, payload)
    child.kill(signal.SIGCONT)
    run(bus, done)
    assert answers == sent


def test_too_much_posted_is_refused_and_dropped_with_its_receiver(bus: Bus, peer: tuple[Child, ServerId]) -> None:
    child, server_id = peer
    bus.post(server_id, MSG_ASK)
    child.kill(signal.SIGSTOP)

    def post_many() -> None:
        for _ in range(2 * QUEUE_LENGTH):
            bus.post(server_id, MSG_ASK)

    with pytest.raises(PeerBusy):
        post_many()
    child.kill()
    bus.reactor.run_for(0.01)
    with pytest.raises(PeerGone):
        bus.post(server_id, MSG_ASK)


def test_a_hint_for_a_dead_process_is_an_error_at_once(bus: Bus, peer: tuple[Child, ServerId]) -> None:
    child, server_id = peer
    bus.hint(server_id, MSG_ASK)
    with pytest.raises(PeerGone):
        bus.hint(ServerId(pid=server_id.pid, unique_id=server_id.unique_id ^ 1), MSG_QUIT)
    child.kill()
    with pytest.raises(PeerGone):
        bus.hint(server_id, MSG_ASK)
    left = Path(bus.directory, "msg", f"{child.pid}.dgram")
    assert left.exists()
    assert remove_dead_process(bus.directory, child.pid)
    assert not left.exists()


def test_the_death_of_a_process_is_told_at_once(bus: Bus, peer: tuple[Child, ServerId]) -> None:
    child, server_id = peer
    deaths: list[str] = []
    both: Waiter[bytes] = Waiter()

    def died(how: str) -> None:
        deaths.append(how)
        if len(deaths) == 2:
            both.set_result(b"")

    bus.others.watch(ServerId(pid=child.pid), lambda: died("pid"))
    bus.others.watch(server_id, lambda: died("server"))
    bus.others.watch(server_id, lambda: died("cancelled")).cancel()
    assert bus.exists(server_id)
    child.kill()
    assert not bus.exists(server_id)
    run(bus, both)
    assert sorted(deaths) == ["pid", "server"]
    late: Waiter[bytes] = Waiter()
    bus.others.watch(server_id, lambda: late.set_result(b"late"))
    assert not late.done
    assert run(bus, late) == b"late"
