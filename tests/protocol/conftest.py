"""One server for all protocol tests, and logged-in clients of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.servers import DEFAULT_SHARES, Server, temporary_server
from tests.smbxcli import Connection, Offer, Session, Tree


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A server with the usual shares and one that demands encryption."""
    with temporary_server({**DEFAULT_SHARES, "sealed": {"read only": "no", "smb encrypt": "required"}}) as running:
        yield running


@pytest.fixture
def connect(server: Server) -> Iterator[Callable[..., Connection]]:
    """Makes negotiated connections: ``connect(dialects=[...], ...)`` with the fields of an Offer."""
    opened: list[Connection] = []

    def make(**offer: object) -> Connection:
        connection = Connection.open("127.0.0.1", server.port, Offer(**offer))  # type: ignore[arg-type]
        opened.append(connection)
        return connection

    yield make
    for connection in opened:
        connection.close()


@pytest.fixture
def raw(server: Server) -> Iterator[Connection]:
    """A connection on which nothing was said yet."""
    from tests.smbxcli import Transport

    with Connection(Transport.connect("127.0.0.1", server.port)) as connection:
        yield connection


@pytest.fixture
def login(server: Server, connect: Callable[..., Connection]) -> Callable[..., Session]:
    """Makes logged-in sessions, each on a connection of its own with the given offer."""

    def make(**offer: object) -> Session:
        return Session.login(connect(**offer), server.user, server.password)

    return make


@pytest.fixture
def tree(server: Server, login: Callable[..., Session]) -> Tree:
    """A tree connect to the share ``tmp``, with everything that a modern client offers."""
    return login().tree_connect("tmp")


@pytest.fixture
def name(request: pytest.FixtureRequest, server: Server) -> Iterator[str]:
    """A file name of this test's own; what has that name is gone afterwards."""
    chosen = "".join(letter if letter.isalnum() else "-" for letter in request.node.name)
    yield chosen
    for path in server.share_path("tmp").glob(f"{chosen}*"):
        if path.is_dir():
            path.rmdir()
        else:
            path.unlink()
