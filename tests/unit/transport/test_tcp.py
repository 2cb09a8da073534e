"""Framing, batching and back pressure over a real connection."""

import os
import select
import socket
import struct

import pytest

from smbd.eventloop import EventLoop
from smbd.transport.tcp import TcpTransport

LIMIT = 256 * 1024


class Handler:
    def __init__(self):
        self.frames = []
        self.closed = None
        self.transport = None
        self.echo = False

    def on_frame(self, view, start, length):
        self.frames.append(bytes(view[start : start + length]))
        if self.echo:
            out = self.transport.buffer(length)
            out.view[out.end + 4 : out.end + 4 + length] = view[start : start + length]
            self.transport.commit(length)

    def on_closed(self, reason):
        self.closed = reason


@pytest.fixture
def pair(request):
    listener = socket.create_server(("127.0.0.1", 0))
    client = socket.create_connection(listener.getsockname())
    server, _ = listener.accept()
    listener.close()
    loop = EventLoop()
    handler = Handler()
    handler.transport = TcpTransport(server, loop, getattr(request, "param", LIMIT))
    handler.transport.start(handler)
    yield client, handler, loop
    client.close()
    handler.transport.close("test ends")
    loop.close()


def frame(payload):
    return struct.pack(">I", len(payload)) + payload


def serve(loop, handler, count):
    while len(handler.frames) < count and handler.closed is None:
        loop.turn()


def test_frames_arrive_whole_however_they_were_sent(pair):
    client, handler, loop = pair
    payloads = [os.urandom(size) for size in (0, 1, 70, 65536, LIMIT, 3)]
    wire = b"".join(frame(payload) for payload in payloads)
    for begin in range(0, len(wire), 50_001):
        client.sendall(wire[begin : begin + 50_001])
        loop.turn()
    serve(loop, handler, len(payloads))
    assert handler.frames == payloads


def test_a_message_that_is_kept_stays_while_others_arrive(pair):
    client, handler, loop = pair
    kept = []

    def keep(view, start, length):
        handler.frames.append(bytes(view[start : start + length]))
        if length > 1000:
            handler.transport.keep_received()
            kept.append(view[start : start + length])

    handler.transport._handler.on_frame = keep
    payloads = [os.urandom(size) for size in (200_000, 5, 7, 200_000, 9, 200_000)]
    client.sendall(b"".join(frame(payload) for payload in payloads[:4]))
    serve(loop, handler, 4)
    # What came behind the first one, even if with it, was received elsewhere, and so is half of the next.
    assert bytes(kept[1]) == payloads[3]
    client.sendall(frame(payloads[4]) + frame(payloads[5])[:100_000])
    serve(loop, handler, 5)
    assert bytes(kept[1]) == payloads[3]
    client.sendall(frame(payloads[5])[100_000:])
    serve(loop, handler, 6)
    assert bytes(kept[1]) == payloads[3]
    assert handler.frames == payloads


@pytest.mark.parametrize("pair", [6 * LIMIT], indirect=True)
def test_of_a_large_frame_the_kernel_collects_more_before_it_wakes_us_up(pair):
    client, handler, loop = pair

    def low_water():
        return handler.transport._sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT)

    large = os.urandom(6 * LIMIT)
    wire = frame(large)
    client.sendall(wire[:70_000])
    while low_water() == 1:
        loop.turn()
    assert low_water() == 512 * 1024
    sent = 70_000
    while sent < len(wire) - 1:  # the rest is never waited for in larger pieces than it has
        step = min(300_000, len(wire) - 1 - sent)
        client.sendall(wire[sent : sent + step])
        sent += step
        while select.select([handler.transport.fileno()], [], [], 0)[0]:
            loop.turn()
    assert 1 <= low_water() <= 512 * 1024
    client.sendall(wire[-1:] + frame(b"small"))
    serve(loop, handler, 2)
    assert handler.frames == [large, b"small"]
    assert low_water() == 1
    client.sendall(wire[:70_000])
    while low_water() == 1:
        loop.turn()
    client.shutdown(socket.SHUT_WR)
    while handler.closed is None:
        loop.turn()


def test_whether_more_has_come(pair):
    client, handler, _ = pair
    assert not handler.transport.more_has_come()
    client.sendall(frame(b"more"))
    select.select([handler.transport.fileno()], [], [])
    assert handler.transport.more_has_come()


def test_replies_of_one_batch_go_out_together(pair):
    client, handler, loop = pair
    handler.echo = True
    client.sendall(frame(b"one") + frame(b"two"))
    serve(loop, handler, 2)
    assert client.recv(100) == frame(b"one") + frame(b"two")


def test_a_frame_over_the_limit_costs_the_connection(pair):
    client, handler, loop = pair
    client.sendall(struct.pack(">I", LIMIT + 1))
    serve(loop, handler, 1)
    assert "frame of" in handler.closed


def test_a_keepalive_is_no_frame(pair):
    client, handler, loop = pair
    client.sendall(b"\x85\0\0\0" + frame(b"x"))
    serve(loop, handler, 1)
    assert handler.frames == [b"x"]


def test_a_netbios_session_request_is_welcome(pair):
    client, handler, loop = pair
    names = os.urandom(68)
    client.sendall(b"\x81\0\0\x44" + names + frame(b"x"))
    serve(loop, handler, 1)
    assert handler.frames == [b"x"]
    assert client.recv(100) == b"\x82\0\0\0"


def test_a_netbios_session_request_may_come_in_pieces(pair):
    client, handler, loop = pair
    client.sendall(b"\x81\0\0\x44" + b"first")
    loop.turn()
    assert handler.closed is None
    client.sendall(bytes(0x44 - 5) + frame(b"x"))
    serve(loop, handler, 1)
    assert handler.frames == [b"x"]


def test_the_end_of_the_stream_closes_once(pair):
    client, handler, loop = pair
    client.close()
    serve(loop, handler, 1)
    assert handler.closed == "closed by the client"
    handler.transport.close("again")
    assert handler.closed == "closed by the client"


def test_a_client_that_does_not_read_is_not_read_from(pair):
    client, handler, loop = pair
    handler.echo = True
    payload = os.urandom(LIMIT)
    client.setblocking(False)
    wire = memoryview(frame(payload) * 64)
    sent = stalled = 0
    while sent < len(wire) and stalled < 3:
        try:
            sent += client.send(wire[sent:])
            stalled = 0
        except BlockingIOError:
            stalled += 1
        loop.call_soon(lambda: None)
        loop.turn()
    assert sent < len(wire)
    received = bytearray()
    while len(received) < len(wire):
        try:
            received += client.recv(1 << 20)
        except BlockingIOError:
            pass
        if sent < len(wire):
            try:
                sent += client.send(wire[sent:])
            except BlockingIOError:
                pass
        loop.call_soon(lambda: None)
        loop.turn()
    assert received == wire


def test_a_file_range_follows_its_head(pair, tmp_path):
    client, handler, loop = pair
    path = tmp_path / "data"
    content = os.urandom(3 << 20)
    path.write_bytes(content)
    fd = os.open(path, os.O_RDONLY)
    handler.transport.send_file(b"HEAD", fd, 1000, len(content) - 1000)
    os.close(fd)
    client.setblocking(False)
    received = bytearray()
    expected = frame(b"HEAD" + content[1000:])
    while len(received) < len(expected):
        try:
            received += client.recv(1 << 20)
        except BlockingIOError:
            pass
        loop.call_soon(lambda: None)
        loop.turn()
    assert received == expected


def test_a_file_that_shrinks_while_it_is_sent_costs_the_connection(pair, tmp_path):
    _client, handler, _loop = pair
    path = tmp_path / "data"
    path.write_bytes(b"short")
    fd = os.open(path, os.O_RDONLY)
    handler.transport.send_file(b"HEAD", fd, 0, 1000)
    os.close(fd)
    assert "shrank" in handler.closed


def test_addresses_are_printed_as_samba_does(pair):
    client, handler, _loop = pair
    host, port = client.getsockname()
    assert handler.transport.remote_address == f"ipv4:{host}:{port}"
    assert handler.transport.remote_host == "127.0.0.1"


def test_what_another_process_received_comes_first(pair):
    client, handler, loop = pair
    later = Handler()
    transport = TcpTransport(socket.socket(fileno=os.dup(handler.transport.fileno())), loop, LIMIT)
    handler.transport.pause()
    later.transport = transport
    transport.start(later, frame(b"before") + frame(b"half of it")[:6])
    client.sendall(b"lf of it" + frame(b"after"))
    serve(loop, later, 3)
    assert later.frames == [b"before", b"half of it", b"after"]
    assert not handler.frames
    transport.close("test ends")


def test_a_pause_leaves_everything_in_the_socket(pair):
    client, handler, loop = pair
    handler.transport.pause()
    client.sendall(frame(b"patience"))
    loop.call_soon(lambda: None)
    loop.turn()
    assert not handler.frames
    handler.transport.resume()
    serve(loop, handler, 1)
    assert handler.frames == [b"patience"]
