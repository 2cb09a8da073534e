"""Rows of logging in, and of what a connection that does nothing costs."""

from __future__ import annotations

import socket
import time

from tests import procstat
from tests.bench.lab import EVERYWHERE, TOGETHER, Lab
from tests.bench.row import CPU, WALL, Goal, Row, Sample
from tests.smbxcli import Connection, Offer, Session
from tests.smbxcli.transport import Transport

SESSIONS = "Login and memory"


class _TimedTransport(Transport):
    """Counts the seconds that the client waits for the server, and so leaves its own work out."""

    waited = 0.0

    def receive(self, timeout: float) -> bytearray:
        began = time.perf_counter()
        try:
            return super().receive(timeout)
        finally:
            self.waited += time.perf_counter() - began


class Login(Row):
    """Whole sessions: connect, negotiate, log in, tree connect, log off, close."""

    name = "login"
    title = "connect, log in, tree connect, log off"
    group = SESSIONS
    goal = Goal(1 / 0.7, ">= 0.7 x per second", (WALL,))

    def run(self, lab: Lab) -> Sample:
        lab.pin(TOGETHER)
        server = lab.server

        def work() -> float:
            return sum(self._one(server.port, server.user, server.password) for _ in range(lab.load.logins))

        waited, cpu = lab.whole_cpu_of(work)
        return {CPU: cpu * 1e6 / lab.load.logins, WALL: waited * 1e6 / lab.load.logins}

    @staticmethod
    def _one(port: int, user: str, password: str) -> float:
        began = time.perf_counter()
        transport = _TimedTransport(socket.create_connection(("127.0.0.1", port), 20))
        connected = time.perf_counter() - began
        with Connection(transport, Offer()) as connection:
            connection.negotiate()
            session = Session.login(connection, user, password)
            session.tree_connect("tmp")
            session.logoff()
        return connected + transport.waited


class Memory(Row):
    """What one more idle connection, logged in and with a tree connect, adds to the memory of the server's own."""

    group = SESSIONS
    unit = "KiB"
    goal = Goal(4.5 * 1024, "<= 4.5 MB", (WALL,), absolute=True)
    most_rounds = 1  # memory is the same each time

    def __init__(self, index: int, count: int) -> None:
        self.name = f"memory-{count}"
        self.title = f"memory (USS) per idle connection at {count:,} connections, KiB"
        self._index = index

    def run(self, lab: Lab) -> Sample:
        server = lab.server
        lab.pin(EVERYWHERE)
        count = lab.load.idle[self._index]
        before = procstat.tree_memory(server.pid).uss
        connections = []
        try:
            for _ in range(count):
                connection = Connection.open("127.0.0.1", server.port, Offer(), timeout=60)
                connections.append(connection)
                Session.login(connection, server.user, server.password).tree_connect("tmp")
            used = procstat.tree_memory(server.pid).uss - before
        finally:
            for connection in connections:
                connection.close()
            lab.wait_idle()
        return {WALL: used / count / 1024}


def session_rows() -> list[Row]:
    """All of them."""
    return [Login(), Memory(0, 200), Memory(1, 1000)]

