"""A bad network: a TCP proxy that cuts all connections again and again, and is only so fast."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from typing import Final, Self

_PIECE: Final = 65536
#: An RST instead of a FIN: what is on the way is lost, as with a cable pulled.
_LINGER: Final = struct.pack("ii", 1, 0)


class CuttingProxy:
    """Forwards connections to a port of this machine until it cuts them.

    Args:
        port: of the server.
        every: seconds from one cut to the next; 0 for none.
        rate: bytes per second of each direction of each connection.

    Attributes:
        port: where clients connect to.
        cuts: how often connections were cut.
        lost: how many connections that were.
    """

    def __init__(self, port: int, every: float, rate: float) -> None:
        self._server_port = port
        self._every = every
        self._rate = rate
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.cuts = 0
        self.lost = 0
        self._lock = threading.Lock()
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        if every:
            self._threads.append(threading.Thread(target=self._cut_regularly, daemon=True))

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._ended.set()
        # Closing does not wake up who waits in accept().
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._cut()
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self._server_port))
            except OSError:
                client.close()
                continue
            for one in (client, server):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._pairs.append((client, server))
            for pair in ((client, server), (server, client)):
                threading.Thread(target=self._forward, args=pair, daemon=True).start()

    def _forward(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(_PIECE):
                target.sendall(data)
                time.sleep(len(data) / self._rate)
        for one in (source, target):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def _cut_regularly(self) -> None:
        while not self._ended.wait(self._every):
            self._cut()

    def _cut(self) -> None:
        with self._lock:
            pairs, self._pairs = self._pairs, []
        self.cuts += 1
        for pair in pairs:
            self.lost += any(one.fileno() >= 0 for one in pair)
            for one in pair:
                with contextlib.suppress(OSError):
                    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER)
                    one.shutdown(socket.SHUT_RDWR)
                one.close()
