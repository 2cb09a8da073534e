"""Session reconnect: the session that a new one replaces ends wherever it lives ([MS-SMB2] 3.3.5.5.3).

A client whose connection broke sets up a new session and names the old one. The server may not have noticed
the break yet; as long as the old session holds its opens, the client's own files are in use for it.
"""

from __future__ import annotations

import logging
import struct
from typing import TYPE_CHECKING, Final

from messaging.errors import MessagingError
from messaging.server_id import ServerId
from smbd.xsrv.table import MAX_ID

if TYPE_CHECKING:
    from smbd.xsrv.client import Client
    from smbd.xsrv.session import Session

_log = logging.getLogger(__name__)

OPERATION: Final = "smbXsrv_session_close"
_SESSION_ID: Final = struct.Struct("<Q")
#: Seconds that the other process gets; closing a session takes milliseconds.
_PATIENCE: Final = 5.0


def register(client: Client) -> None:
    """Close sessions of this process when another process asks for it."""

    def close(source: ServerId, payload: bytes) -> bytes:
        (session_id,) = _SESSION_ID.unpack(payload)
        session = client.sessions.get(session_id)
        if session is not None:
            _log.info("session %#x was replaced by one of %s", session_id, source)
            session.close()
        return b""

    client.ctx.irpc.register(OPERATION, close)


async def close_previous_session(client: Client, session_id: int, successor: Session) -> None:
    """End the session `session_id` if it belongs to the user of `successor`, and wait for its end.

    Somebody else's session is left alone, silently: the ids of others are nobody's business.
    """
    mine = client.sessions.get(session_id)
    if mine is not None:
        if mine.user_sid == successor.user_sid:
            mine.close()
        return
    record = client.ctx.databases.sessions.get(session_id) if session_id <= MAX_ID else None
    if record is None or record.user_sid != successor.user_sid:
        return
    for owner in {channel.server_id for channel in record.channels}:
        try:
            await client.ctx.irpc.call(owner, OPERATION, _SESSION_ID.pack(session_id), timeout=_PATIENCE)
        except MessagingError as error:
            # Its process is gone: cleanupd takes care of what it left.
            _log.info("previous session %#x: %s", session_id, error)
