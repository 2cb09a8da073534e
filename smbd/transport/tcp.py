"""SMB2 over TCP: direct TCP framing ([MS-SMB2] 2.1), batched sends, sendfile.

One `recv_into` of at most 64 KiB for each wake-up, all frames that it completed are handled, and their
replies leave with one send. The rest of a frame that is larger is received to its exact end, so that its
payload lies in one piece and nothing is ever copied.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import socket
import struct
import termios
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

from smbd.eventloop import EventLoop
from smbd.transport.buffers import HEADROOM, SEAL_SPARE, OutBuffer, anonymous

_log = logging.getLogger(__name__)

_PREFIX: Final = struct.Struct(">I")
_INT: Final = struct.Struct("i")
_COUNT: Final = struct.Struct("Q")
# Where the fields of struct tcp_info stand: tcpi_retransmits, tcpi_probes; tcpi_bytes_acked.
_TCP_INFO_REPEATS: Final = slice(2, 4)
_TCP_INFO_ACKED: Final = 120
PREFIX_SIZE: Final = _PREFIX.size
#: What one call receives at most: a request with 64 KiB of payload comes in one.
_RECEIVE_CHUNK: Final = 65 * 1024
#: Of a larger frame the kernel collects so much before it wakes us up, rather than each segment.
_LOW_WATER: Final = 512 * 1024
#: Replies of one batch are sent when they exceed this, so that the client can work while we do.
_BATCH_LIMIT: Final = 256 * 1024
#: A client that does not read its replies is not read from either beyond this many queued bytes.
_BACKLOG_LIMIT: Final = 4 * 1024 * 1024
# The session service of NetBIOS (RFC 1002 4.3): packet types, and the 17 bits of its length.
_NBT_SESSION_REQUEST: Final = 0x81
_NBT_POSITIVE_RESPONSE: Final = 0x82
_NBT_KEEPALIVE: Final = 0x85
_NBT_LENGTH: Final = 0x1FFFF
_NBT_TYPES: Final = (_NBT_SESSION_REQUEST, _NBT_KEEPALIVE)
_NBT_MAX_PACKET: Final = 512


class FrameHandler(Protocol):
    """What a transport calls."""

    def on_frame(self, view: memoryview, start: int, length: int) -> None:
        """Handle the message at ``view[start:start + length]``; the memory is reused after the return."""

    def on_closed(self, reason: str) -> None:
        """Learn that the transport is gone; called once."""


class _FileSegment:
    """The rest of a file range that waits for the socket; owns its descriptor."""

    __slots__ = ("count", "fd", "offset")

    def __init__(self, fd: int, offset: int, count: int) -> None:
        self.fd = os.dup(fd)
        self.offset = offset
        self.count = count


class TcpTransport:
    """One TCP connection of a client."""

    def __init__(self, sock: socket.socket, loop: EventLoop, max_message: int) -> None:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._sock = sock
        self._receive = sock.recv_into
        self._send = sock.send
        self._loop = loop
        self._handler: FrameHandler | None = None
        self._max_message = max_message
        self._buffer_size = max_message + HEADROOM
        self._in = anonymous(self._buffer_size)
        self._in_spare: memoryview | None = None
        self._in_limit = self._buffer_size - SEAL_SPARE
        self._in_end = 0
        self._needed = 0  # bytes of an incomplete frame still missing, 0 when unknown
        self._low_water = 1  # SO_RCVLOWAT
        self._out = OutBuffer(self._buffer_size)
        self._out_limit = self._buffer_size - PREFIX_SIZE - SEAL_SPARE
        self._spare: list[OutBuffer] = []
        self._queue: deque[tuple[memoryview, OutBuffer | None] | _FileSegment] = deque()
        self._queued = 0
        self._flush_due = False
        self._on_drained: Callable[[], None] | None = None
        self.closed = False
        self.local_address = _address(sock.getsockname())
        self.remote_address = _address(sock.getpeername())
        self.local_host = _host(sock.getsockname()[0])
        self.remote_host = _host(sock.getpeername()[0])

    def start(self, handler: FrameHandler, received: bytes = b"") -> None:
        """Begin to deliver frames to `handler`, first those in what another process has `received` already."""
        self._handler = handler
        self._loop.add_reader(self._sock.fileno(), self._on_readable)
        if received:
            end = len(received)
            self._in[:end] = received
            self._deliver(end)
            self.flush()

    def fileno(self) -> int:
        """Return the descriptor of the socket."""
        return self._sock.fileno()

    def unacknowledged(self) -> int:
        """Return how many of the bytes to send the other end's TCP has not acknowledged; 0 on a closed transport."""
        if self.closed:
            return 0
        waiting: int = _INT.unpack(fcntl.ioctl(self._sock.fileno(), termios.TIOCOUTQ, bytes(_INT.size)))[0]
        return self._out.end + self._queued + waiting

    def acknowledged(self) -> int:
        """Return how many bytes the other end's TCP has acknowledged so far."""
        if self.closed:
            return 0
        info = self._sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_ACKED + _COUNT.size)
        acknowledged: int = _COUNT.unpack_from(info, _TCP_INFO_ACKED)[0]
        return acknowledged

    def repeats(self) -> int:
        """Return how often in a row the kernel has sent something again, since nothing was heard of the other end."""
        if self.closed:
            return 0
        info = self._sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_REPEATS.stop)
        return sum(info[_TCP_INFO_REPEATS])

    def pause(self) -> None:
        """Leave in the socket what arrives from now on, until `resume`."""
        self._loop.remove_reader(self._sock.fileno())

    def resume(self) -> None:
        """Read again after `pause`."""
        if not self.closed:
            self._loop.add_reader(self._sock.fileno(), self._on_readable)

    # receiving

    def more_has_come(self) -> bool:
        """Tell whether the client has sent more than what was handled, or is handled now."""
        if self.closed:
            return False
        if self._needed:
            return True
        waiting: int = _INT.unpack(fcntl.ioctl(self._sock.fileno(), termios.FIONREAD, bytes(_INT.size)))[0]
        return waiting > 0

    def keep_received(self) -> None:
        """Receive elsewhere from now on: the message that is handled stays as it is until the next call of this.

        Once in a delivery, which a message larger than one chunk makes sure of.
        """
        spare, self._in_spare = self._in_spare, self._in
        self._in = anonymous(self._buffer_size) if spare is None else spare

    def _on_readable(self) -> None:
        begun = self._in_end
        receive = self._receive
        try:
            received = self._receive_rest() if begun else receive(self._in, _RECEIVE_CHUNK)
        except BlockingIOError:
            return
        except OSError as error:
            self.close(f"receive: {error.strerror}")
            return
        if not received:
            self.close("closed by the client")
            return
        self._in_end = end = begun + received
        if self._needed and not self._completes(received):
            return
        self._deliver(end)
        self.flush()

    def _receive_rest(self) -> int:
        """Receive more of a frame that has begun."""
        end = self._in_end
        return self._receive(self._in[end:], min(self._needed or _RECEIVE_CHUNK, self._in_limit - end))

    def _completes(self, received: int) -> bool:
        """Tell whether a large frame is complete with `received` bytes more."""
        self._needed = needed = self._needed - received
        if needed < self._low_water > 1:
            self._set_low_water(needed or 1)
        return not needed

    def _set_low_water(self, size: int) -> None:
        """Wake up when `size` bytes have come, or the end. Never more than what is missing of a frame."""
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, size)
        self._low_water = size

    def _deliver(self, end: int) -> None:
        """Hand every complete frame to the handler and keep the rest at the start of the buffer."""
        handler = self._handler
        if handler is None:
            return
        view = self._in
        start = self._needed = 0
        while (begin := start + PREFIX_SIZE) <= end:
            length = _PREFIX.unpack_from(view, start)[0]
            if length > self._max_message:
                packet = PREFIX_SIZE + (length & _NBT_LENGTH)
                if length >> 24 not in _NBT_TYPES or packet > _NBT_MAX_PACKET:
                    self.close(f"frame of {length:#x} bytes, {self._max_message} are allowed")
                    return
                if packet > end - start:
                    break
                if length >> 24 == _NBT_SESSION_REQUEST:
                    self._accept_netbios_session()
                start += packet
                continue
            stop = begin + length
            if stop > end:
                # Only a frame larger than one chunk is received to its exact end: small ones come in batches.
                missing = stop - end
                self._needed = missing if missing > _RECEIVE_CHUNK else 0
                if missing > _LOW_WATER:
                    self._set_low_water(_LOW_WATER)
                break
            handler.on_frame(view, begin, length)
            if self.closed:
                return
            start = stop
        self._in_end = rest = end - start
        if rest and (start or view is not self._in):
            self._in[:rest] = view[start:end]

    def _accept_netbios_session(self) -> None:
        """Answer what a client of port 139 begins with (RFC 1002 4.3); whatever name it calls is ours."""
        out = self.buffer(0)
        _PREFIX.pack_into(out.view, out.end, _NBT_POSITIVE_RESPONSE << 24)
        out.end += PREFIX_SIZE

    # sending

    def buffer(self, size: int) -> OutBuffer:
        """Return the buffer of the current batch with room for a message of `size` bytes.

        Raises:
            ValueError: `size` is more than any message may have.
        """
        out = self._out
        end = out.end
        if end + size > self._out_limit or end > _BATCH_LIMIT:
            self.flush()
            out = self._out
            if size > self._out_limit:
                raise ValueError(f"a message of {size} bytes fits no buffer")
        return out

    def commit(self, length: int) -> None:
        """Add to the batch the message of `length` bytes that was written behind ``buffer().end + 4``."""
        out = self._out
        _PREFIX.pack_into(out.view, out.end, length)
        out.end += PREFIX_SIZE + length

    def flush(self) -> None:
        """Send the batch; what the socket does not take is queued."""
        out = self._out
        end = out.end
        if not end or self.closed:
            return
        view = out.view[:end]
        if not self._queue:
            send = self._send
            try:
                sent = send(view)
            except BlockingIOError:
                sent = 0
            except OSError as error:
                self.close(f"send: {error.strerror}")
                return
            if sent == end:
                out.end = 0
                return
            view = view[sent:]
        self._enqueue((view, out), len(view))
        self._out = self._spare.pop() if self._spare else OutBuffer(self._buffer_size)

    def flush_soon(self) -> None:
        """Send the batch when everything else is done that the loop has to do now: more replies may join it."""
        if not self._flush_due:
            self._flush_due = True
            self._loop.call_soon(self._flush_now)

    def _flush_now(self) -> None:
        self._flush_due = False
        self.flush()

    def send_file(self, head: bytes, fd: int, offset: int, count: int) -> None:
        """Send a message that is `head` followed by `count` bytes of file `fd` from `offset`.

        The range must exist; when the file shrinks meanwhile the connection is closed, since its length has
        been announced already.
        """
        self.flush()
        if self.closed:
            return
        prefixed = _PREFIX.pack(len(head) + count) + head
        if self._queue:
            self._enqueue((memoryview(prefixed), None), len(prefixed))
            self._enqueue(_FileSegment(fd, offset, count), count)
            return
        try:
            sent = self._send(prefixed, socket.MSG_MORE)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            self.close(f"send: {error.strerror}")
            return
        if sent < len(prefixed):
            self._enqueue((memoryview(prefixed)[sent:], None), len(prefixed) - sent)
            self._enqueue(_FileSegment(fd, offset, count), count)
            return
        done = self._sendfile(fd, offset, count)
        if done < count and not self.closed:
            self._enqueue(_FileSegment(fd, offset + done, count - done), count - done)

    def _sendfile(self, fd: int, offset: int, count: int) -> int:
        """Send until the socket is full; return how many bytes went."""
        done, sock_fd = 0, self._sock.fileno()
        while done < count:
            try:
                sent = os.sendfile(sock_fd, fd, offset + done, count - done)
            except BlockingIOError:
                break
            except OSError as error:
                self.close(f"sendfile: {os.strerror(error.errno or errno.EIO)}")
                break
            if not sent:
                self.close("a file shrank while it was sent")
                break
            done += sent
        return done

    def _enqueue(self, item: tuple[memoryview, OutBuffer | None] | _FileSegment, size: int) -> None:
        if not self._queue:
            self._loop.add_writer(self._sock.fileno(), self._on_writable)
        self._queue.append(item)
        self._queued += size
        if self._queued > _BACKLOG_LIMIT:
            self._loop.remove_reader(self._sock.fileno())

    def _on_writable(self) -> None:
        while self._queue:
            item = self._queue[0]
            if isinstance(item, _FileSegment):
                if not self._send_segment(item):
                    return
            elif not self._send_view(*item):
                return
            self._queue.popleft()
        self._loop.remove_writer(self._sock.fileno())
        self._loop.add_reader(self._sock.fileno(), self._on_readable)

    def _send_segment(self, segment: _FileSegment) -> bool:
        done = self._sendfile(segment.fd, segment.offset, segment.count)
        if self.closed:
            return False
        self._queued -= done
        segment.offset += done
        segment.count -= done
        if segment.count:
            return False
        os.close(segment.fd)
        return True

    def _send_view(self, view: memoryview, owner: OutBuffer | None) -> bool:
        try:
            sent = self._send(view)
        except BlockingIOError:
            return False
        except OSError as error:
            self.close(f"send: {error.strerror}")
            return False
        self._queued -= sent
        if sent < len(view):
            self._queue[0] = (view[sent:], owner)
            return False
        if owner is not None:
            owner.end = 0
            self._spare.append(owner)
        return True

    # the end

    def close(self, reason: str) -> None:
        """Close the socket and tell the handler why; later calls do nothing."""
        if self.closed:
            return
        self.closed = True
        fd = self._sock.fileno()
        self._loop.remove_reader(fd)
        self._loop.remove_writer(fd)
        for item in self._queue:
            if isinstance(item, _FileSegment):
                os.close(item.fd)
        self._queue.clear()
        self._sock.close()
        if self._handler is not None:
            self._handler.on_closed(reason)


def _address(sockaddr: tuple[str, int] | tuple[str, int, int, int]) -> str:
    """Print a socket address as Samba does: ``ipv4:10.0.0.1:445`` or ``ipv6:[::1]:445``."""
    host, port = _host(sockaddr[0]), sockaddr[1]
    return f"ipv6:[{host}]:{port}" if ":" in host else f"ipv4:{host}:{port}"


def _host(host: str) -> str:
    """Return a host address without the IPv6 clothes that a dual-stack socket puts an IPv4 address into."""
    if host.startswith("::ffff:") and "." in host:
        return host[len("::ffff:") :]
    return host
