"""The first look at a frame: plain, encrypted, or the SMB1 hello of an old client ([MS-SMB2] 3.3.5.2)."""

from __future__ import annotations

import logging
import struct
from typing import Final

from smbd.crypto.sealing import TRANSFORM_LENGTH, SealError
from smbd.smb2 import negotiate, respond
from smbd.smb2.dispatch import on_message
from smbd.smb2.request import ProtocolViolation
from smbd.wire.constants import (
    SMB1_PROTOCOL_ID,
    SMB2_PROTOCOL_ID,
    SMB2_TRANSFORM_PROTOCOL_ID,
)
from smbd.wire.errors import WireError
from smbd.xsrv.connection import Connection
from smbd.xsrv.session import Session

_log = logging.getLogger(__name__)

_SMB2: Final = SMB2_PROTOCOL_ID[0]
_SEALED: Final = SMB2_TRANSFORM_PROTOCOL_ID[0]
_SMB1: Final = SMB1_PROTOCOL_ID[0]
_TRANSFORM: Final = struct.Struct("<4s38xHQ")  # ProtocolId, Flags, SessionId
_TRANSFORM_ENCRYPTED: Final = 1


class Receiver:
    """Handles the frames of one connection; what a transport calls."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def on_frame(self, view: memoryview, start: int, length: int) -> None:
        """Handle one frame; a peer that breaks the protocol loses its connection."""
        connection = self._connection
        try:
            # The first byte tells them apart; whoever reads the message checks the other three.
            first = view[start] if length else 0
            if first == _SMB2:
                on_message(connection, view, start, length, None)
            elif first == _SEALED:
                session = self._unseal(view, start, length)
                on_message(connection, view, start + TRANSFORM_LENGTH, length - TRANSFORM_LENGTH, session)
            elif first == _SMB1 and not connection.negotiated:
                respond.send_smb1_reply(connection, negotiate.from_smb1(connection, view[start : start + length]))
            else:
                raise ProtocolViolation(f"frame of {length} bytes begins with {first:#04x}")  # noqa: TRY301 - as above
        except (ProtocolViolation, SealError, WireError) as error:
            _log.warning("%s: dropped: %s", connection, error)
            connection.transport.flush()
            connection.transport.close(f"protocol violation: {error}")
        except Exception as error:  # noqa: BLE001 - our bug costs one connection, not the process
            _log.exception("InternalError: %s: outside of a request", connection)
            connection.transport.close(f"InternalError: {error}")

    def _unseal(self, view: memoryview, start: int, length: int) -> Session:
        """Decrypt in place and return the session whose key it was ([MS-SMB2] 3.3.5.2.1.1)."""
        if length < TRANSFORM_LENGTH:
            raise ProtocolViolation("truncated transform header")
        protocol_id, flags, session_id = _TRANSFORM.unpack_from(view, start)
        if protocol_id != SMB2_TRANSFORM_PROTOCOL_ID:
            raise ProtocolViolation("not a transform header")
        session = self._connection.sessions.get(session_id)
        if flags != _TRANSFORM_ENCRYPTED or session is None or session.unsealer is None:
            raise ProtocolViolation(f"encrypted message for session {session_id:#x}")
        session.unsealer.unseal(view, start, length)
        return session

    def on_closed(self, reason: str) -> None:
        """Clean up after a lost or closed connection."""
        self._connection.on_closed(reason)
