"""Open files: every operation on a handle."""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

from smbd.wire.close import CloseRequest, CloseResponse
from smbd.wire.constants import SMB2_CLOSE, SMB2_FLUSH, SMB2_READ, SMB2_WRITE
from smbd.wire.flush import FlushRequest
from smbd.wire.read_write import ReadRequest, ReadResponse, WriteRequest, WriteResponse
from tests.smbxcli.window import charge_for

if TYPE_CHECKING:
    from smbd.wire.create import CreateResponse
    from tests.smbxcli.connection import HeaderFields
    from tests.smbxcli.message import Body
    from tests.smbxcli.response import Pending, Response
    from tests.smbxcli.tree import Tree


class File:
    """One open.

    Attributes:
        tree: where it was opened.
        response: the server's answer to CREATE.
        persistent: the persistent half of its FileId.
        volatile: the volatile half.
    """

    def __init__(self, tree: Tree, response: CreateResponse) -> None:
        self.tree = tree
        self.response = response
        self.persistent = response.file_id_persistent
        self.volatile = response.file_id_volatile

    def __enter__(self) -> File:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def send(self, command: int, body: Body, payload: int = 0, **fields: Unpack[HeaderFields]) -> Pending:
        """Send a request about this file, charged for ``payload`` bytes (dialects from 2.1 on)."""
        if self.tree.session.connection.dialect > 0x0202:
            fields.setdefault("credit_charge", charge_for(payload))
        return self.tree.send(command, body, **fields)

    def send_read(self, length: int, offset: int = 0, **fields: Unpack[HeaderFields]) -> Pending:
        """Send READ."""
        request = ReadRequest(self.persistent, self.volatile, length, offset)
        return self.send(SMB2_READ, request, length, **fields)

    def read(self, length: int, offset: int = 0) -> bytes:
        """READ.

        Raises:
            StatusError: the server refuses, or the offset is at or behind the end.
        """
        return bytes(self.send_read(length, offset).recv().body(ReadResponse).data)

    def send_write(self, data: bytes, offset: int = 0, **fields: Unpack[HeaderFields]) -> Pending:
        """Send WRITE."""
        request = WriteRequest(self.persistent, self.volatile, data, offset)
        return self.send(SMB2_WRITE, request, len(data), **fields)

    def write(self, data: bytes, offset: int = 0) -> int:
        """WRITE; returns the count that the server reports.

        Raises:
            StatusError: the server refuses.
        """
        return self.send_write(data, offset).recv().body(WriteResponse).count

    def flush(self) -> Response:
        """FLUSH.

        Raises:
            StatusError: the server refuses.
        """
        return self.send(SMB2_FLUSH, FlushRequest(self.persistent, self.volatile)).recv().check()

    def close(self, flags: int = 0) -> CloseResponse:
        """CLOSE.

        Raises:
            StatusError: the server refuses.
        """
        request = CloseRequest(self.persistent, self.volatile, flags)
        return self.send(SMB2_CLOSE, request).recv().body(CloseResponse)
