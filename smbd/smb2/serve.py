"""Serve one client from its first socket to its last."""

from __future__ import annotations

import socket

from smbd.context import ServerContext
from smbd.smb2 import session_bind
from smbd.smb2.breaks import Breaks
from smbd.smb2.receive import Receiver
from smbd.xsrv import remote_close
from smbd.xsrv.client import Client
from smbd.xsrv.handover import Handover
from vfs.posix import credentials


def serve(ctx: ServerContext, sock: socket.socket) -> None:
    """Run the event loop of a worker until the last connection of its client is gone."""

    def adopt(further: socket.socket, handover: Handover) -> bool:
        if not client.connections:
            return False  # about to end
        connection = client.add_connection(further)
        connection.credits.start_at(handover.message_id)
        connection.transport.start(Receiver(connection), handover.received)
        return True

    client = Client(ctx, Breaks, adopt)
    session_bind.register(client)
    remote_close.register(client)
    connection = client.add_connection(sock)
    connection.transport.start(Receiver(connection))
    try:
        ctx.loop.run()
    finally:
        credentials.become_root()
        client.reception.close()
        client.close("the server ends")
