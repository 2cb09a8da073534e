"""Frames over a TCP connection: the direct TCP transport of [MS-SMB2] 2.1."""

from __future__ import annotations

import ctypes
import socket
import struct
import time
from typing import Final

from tests.smbxcli.errors import ConnectionLostError, ProtocolViolationError, ReplyTimeoutError

_LENGTH: Final = struct.Struct(">I")
#: A socket filter of one instruction, BPF_RET | BPF_K, that takes nothing of any packet: its code, jumps, and operand.
_TAKE_NOTHING: Final = struct.pack("HBBI", 6, 0, 0, 0)
_SO_ATTACH_FILTER: Final = 26
_SO_DETACH_FILTER: Final = 27
_MAX_FRAME: Final = (1 << 24) - 1  # the length has 24 bits, after a zero byte


class Transport:
    """A connected socket and what was received but not consumed yet.

    Attributes:
        frames_sent: complete frames sent so far.
        frames_received: complete frames received so far.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._buffer = bytearray()
        self.frames_sent = 0
        self.frames_received = 0
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    @classmethod
    def connect(cls, host: str, port: int, timeout: float = 10) -> Transport:
        """Open a TCP connection.

        Raises:
            OSError: as socket.create_connection does.
        """
        return cls(socket.create_connection((host, port), timeout))

    def fileno(self) -> int:
        """The socket's descriptor, for select."""
        return self._sock.fileno()

    def send_raw(self, data: bytes | bytearray | memoryview) -> None:
        """Send bytes as they are, without a frame around them.

        Raises:
            ConnectionLostError: the peer is gone.
        """
        try:
            self._sock.sendall(data)
        except OSError as error:
            raise ConnectionLostError(str(error)) from error

    def send(self, message: bytes | bytearray | memoryview) -> None:
        """Send one frame.

        Raises:
            ConnectionLostError: the peer is gone.
        """
        self.send_raw(b"".join((_LENGTH.pack(len(message)), message)))
        self.frames_sent += 1

    def receive(self, timeout: float) -> bytearray:
        """Return the next frame without its length.

        Raises:
            ConnectionLostError: the peer closed the connection.
            ReplyTimeoutError: the frame is not complete after ``timeout`` seconds.
            ProtocolViolationError: its first byte is not zero.
        """
        deadline = time.monotonic() + timeout
        self._fill(_LENGTH.size, deadline)
        (length,) = _LENGTH.unpack_from(self._buffer)
        if length > _MAX_FRAME:
            raise ProtocolViolationError(f"frame begins with {bytes(self._buffer[:4])!r}")
        self._fill(_LENGTH.size + length, deadline)
        message = self._buffer[_LENGTH.size : _LENGTH.size + length]
        del self._buffer[: _LENGTH.size + length]
        self.frames_received += 1
        return message

    def _fill(self, size: int, deadline: float) -> None:
        while len(self._buffer) < size:
            left = deadline - time.monotonic()
            if left <= 0:
                raise ReplyTimeoutError(f"{len(self._buffer)} of {size} bytes received in time")
            self._sock.settimeout(left)
            try:
                data = self._sock.recv(max(65536, size - len(self._buffer)))
            except TimeoutError:
                continue
            except OSError as error:
                raise ConnectionLostError(str(error)) from error
            if not data:
                raise ConnectionLostError(f"closed by the server, {len(self._buffer)} bytes left over")
            self._buffer += data

    def wait_closed(self, timeout: float = 10) -> bool:
        """Read on until the server closes the connection; tell whether it did in time."""
        deadline = time.monotonic() + timeout
        try:
            while True:
                self.receive(max(deadline - time.monotonic(), 0))
        except ConnectionLostError:
            return True
        except ReplyTimeoutError:
            return False

    def fall_silent(self) -> None:
        """Let the kernel drop what comes from now on, without an acknowledgment: as without a network."""
        code = ctypes.create_string_buffer(_TAKE_NOTHING, len(_TAKE_NOTHING))
        program = struct.pack("HP", 1, ctypes.addressof(code))
        self._sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)

    def hear_again(self) -> None:
        """Take back `fall_silent`."""
        self._sock.setsockopt(socket.SOL_SOCKET, _SO_DETACH_FILTER, 0)

    def shutdown_write(self) -> None:
        """Tell the server that nothing more will come, and keep reading."""
        self._sock.shutdown(socket.SHUT_WR)

    def close(self, *, reset: bool = False) -> None:
        """Close the socket; with ``reset`` the peer gets an RST instead of a FIN."""
        if reset:
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._sock.close()
