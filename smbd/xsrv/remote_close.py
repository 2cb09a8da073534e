"""Closing the open of another client, wherever it lives."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from messaging.errors import MessagingError
from messaging.server_id import ServerId
from smbd.xsrv import recovery, scavenging

if TYPE_CHECKING:
    from smbd.xsrv.client import Client

OPERATION: Final = "smbXsrv_open_close"
_OPEN_ID: Final = struct.Struct("<Q16s")
#: Seconds that another process gets to close an open.
_PATIENCE: Final = 5.0


def register(client: Client) -> None:
    """Close opens of this process when another one asks for it."""

    def close(_source: ServerId, payload: bytes) -> bytes:
        persistent_id, instance_id = _OPEN_ID.unpack(payload)
        for session in client.sessions.values():
            for opened in session.opens.values():
                if opened.persistent_id == persistent_id and opened.app_instance_id == instance_id:
                    opened.close()
                    return b""
        return b""

    client.ctx.irpc.register(OPERATION, close)


async def close_open(client: Client, persistent_id: int, instance_id: bytes) -> None:
    """Close an open of the instance wherever it lives: in another process, or nowhere since its client is away.

    Returns when it is closed. If it cannot be closed, what it keeps others from stays as it was.
    """
    databases = client.ctx.databases
    recovery.adopt(databases, persistent_id)  # a persistent handle outlives its process
    record = databases.opens.get(persistent_id)
    if record is None or record.app_instance_id != instance_id:
        pass
    elif record.server_id.is_disconnected():
        scavenging.remove(databases, persistent_id)
    else:
        try:
            payload = _OPEN_ID.pack(persistent_id, instance_id)
            await client.ctx.irpc.call(record.server_id, OPERATION, payload, timeout=_PATIENCE)
        except MessagingError:
            return  # its process is gone, or stuck: the entries of the dead do not count
    databases.app_instances.leave(instance_id, persistent_id)
