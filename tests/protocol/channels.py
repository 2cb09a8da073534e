"""What the tests of multi-channel share: a session with two channels, and losing one."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from tests.servers import Server
from tests.smbxcli import Connection, Session, Tree

_PATIENCE_S = 10.0


class TwoChannels:
    """A session over two connections, connected to the share ``tmp``.

    Attributes:
        first, second: the connections; the session's own is the first.
        tree: the tree connect.
    """

    def __init__(self, server: Server, connect: Callable[..., Connection]) -> None:
        guid = os.urandom(16)
        self.first = connect(client_guid=guid)
        self.second = connect(client_guid=guid)
        self.session = Session.login(self.first, server.user, server.password)
        self.session.bind(self.second, server.user, server.password)
        self.tree: Tree = self.session.tree_connect("tmp")

    def lose_first(self) -> None:
        """Break the first connection; from now on the second is that of the session."""
        self.first.close(reset=True)
        self.session.connection = self.second
        # What the server does about it is done before it answers on the other channel twice.
        self.second.echo()
        time.sleep(0.05)
        self.second.echo()


def eventually(condition: Callable[[], object]) -> None:
    """Wait until `condition` holds."""
    end = time.monotonic() + _PATIENCE_S
    while not condition():
        assert time.monotonic() < end, "it does not happen"
        time.sleep(0.02)
