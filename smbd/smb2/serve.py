"""Serve one client from its first socket to its last."""

from __future__ import annotations

import socket

from smbd.context import ServerContext
from smbd.smb2.breaks import Breaks
from smbd.smb2.receive import Receiver
from smbd.xsrv.client import Client
from vfs.posix import credentials


def serve(ctx: ServerContext, sock: socket.socket) -> None:
    """Run the event loop of a worker until the last connection of its client is gone."""
    client = Client(ctx, Breaks)
    connection = client.add_connection(sock)
    connection.transport.start(Receiver(connection))
    try:
        ctx.loop.run()
    finally:
        credentials.become_root()
        client.close("the server ends")
