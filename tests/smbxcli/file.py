"""Open files: every operation on a handle."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, Unpack

from smbd.wire.change_notify import ChangeNotifyRequest
from smbd.wire.close import CloseRequest, CloseResponse
from smbd.wire.constants import (
    SMB2_0_INFO_FILE,
    SMB2_CHANGE_NOTIFY,
    SMB2_CLOSE,
    SMB2_DIALECT_202,
    SMB2_FLUSH,
    SMB2_IOCTL,
    SMB2_LOCK,
    SMB2_QUERY_DIRECTORY,
    SMB2_QUERY_INFO,
    SMB2_READ,
    SMB2_RESTART_SCANS,
    SMB2_SET_INFO,
    SMB2_WRITE,
)
from smbd.wire.flush import FlushRequest
from smbd.wire.ioctl import IoctlRequest, IoctlResponse
from smbd.wire.lock import LockElement, LockRequest
from smbd.wire.query_directory import QueryDirectoryRequest, QueryDirectoryResponse
from smbd.wire.query_info import QueryInfoRequest, QueryInfoResponse
from smbd.wire.read_write import ReadRequest, ReadResponse, WriteRequest, WriteResponse
from smbd.wire.set_info import SetInfoRequest
from tests.smbxcli.window import charge_for
from vfs.constants import FileNamesInformation
from vfs.ntstatus import STATUS_NO_MORE_FILES, STATUS_NO_SUCH_FILE

if TYPE_CHECKING:
    from smbd.wire.create import CreateResponse
    from tests.smbxcli.connection import HeaderFields
    from tests.smbxcli.message import Body
    from tests.smbxcli.response import Pending, Response
    from tests.smbxcli.tree import Tree

# FileNamesInformation ([MS-FSCC] 2.4.33): NextEntryOffset, FileIndex, FileNameLength
_NAMES_ENTRY: Final = struct.Struct("<III")


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
        if self.tree.session.connection.dialect > SMB2_DIALECT_202:
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

    def send_query_info(
        self,
        info_class: int,
        *,
        info_type: int = SMB2_0_INFO_FILE,
        length: int = 65536,
        additional: int = 0,
        **fields: Unpack[HeaderFields],
    ) -> Pending:
        """Send QUERY_INFO."""
        request = QueryInfoRequest(
            self.persistent,
            self.volatile,
            info_type,
            info_class,
            output_buffer_length=length,
            additional_information=additional,
        )
        return self.send(SMB2_QUERY_INFO, request, length, **fields)

    def query_info(self, info_class: int, *, info_type: int = SMB2_0_INFO_FILE, length: int = 65536) -> bytes:
        """QUERY_INFO.

        Raises:
            StatusError: the server refuses.
        """
        pending = self.send_query_info(info_class, info_type=info_type, length=length)
        return bytes(pending.recv().body(QueryInfoResponse).data)

    def send_set_info(
        self,
        info_class: int,
        data: bytes,
        *,
        info_type: int = SMB2_0_INFO_FILE,
        additional: int = 0,
        **fields: Unpack[HeaderFields],
    ) -> Pending:
        """Send SET_INFO."""
        request = SetInfoRequest(self.persistent, self.volatile, info_type, info_class, data, additional)
        return self.send(SMB2_SET_INFO, request, len(data), **fields)

    def set_info(self, info_class: int, data: bytes) -> Response:
        """SET_INFO.

        Raises:
            StatusError: the server refuses.
        """
        return self.send_set_info(info_class, data).recv().check()

    def send_query_directory(
        self,
        pattern: str = "*",
        *,
        info_class: int = FileNamesInformation,
        scan_flags: int = 0,
        length: int = 65536,
        **fields: Unpack[HeaderFields],
    ) -> Pending:
        """Send QUERY_DIRECTORY."""
        request = QueryDirectoryRequest(
            self.persistent, self.volatile, info_class, pattern, length, scan_flags
        )
        return self.send(SMB2_QUERY_DIRECTORY, request, length, **fields)

    def names(self, pattern: str = "*") -> list[str]:
        """All names of a directory that match, ``.`` and ``..`` included.

        Raises:
            StatusError: the server refuses.
        """
        found: list[str] = []
        flags = SMB2_RESTART_SCANS
        while True:
            response = self.send_query_directory(pattern, scan_flags=flags).recv()
            if response.status in {STATUS_NO_MORE_FILES, STATUS_NO_SUCH_FILE}:
                return found
            data = bytes(response.body(QueryDirectoryResponse).data)
            flags = 0
            at, more = 0, 1
            while more:
                more, _index, length = _NAMES_ENTRY.unpack_from(data, at)
                begin = at + _NAMES_ENTRY.size
                found.append(data[begin : begin + length].decode("utf-16-le", "surrogatepass"))
                at += more

    def send_notify(
        self,
        completion_filter: int,
        *,
        watch_flags: int = 0,
        length: int = 65536,
        **fields: Unpack[HeaderFields],
    ) -> Pending:
        """Send CHANGE_NOTIFY."""
        request = ChangeNotifyRequest(self.persistent, self.volatile, completion_filter, length, watch_flags)
        return self.send(SMB2_CHANGE_NOTIFY, request, length, **fields)

    def send_lock(self, *locks: LockElement, sequence: int = 0, **fields: Unpack[HeaderFields]) -> Pending:
        """Send LOCK."""
        request = LockRequest(self.persistent, self.volatile, list(locks), sequence)
        return self.send(SMB2_LOCK, request, **fields)

    def send_ioctl(
        self, code: int, data: bytes = b"", max_output: int = 65536, **fields: Unpack[HeaderFields]
    ) -> Pending:
        """Send IOCTL with the FSCTL flag."""
        request = IoctlRequest(code, self.persistent, self.volatile, data, max_output)
        return self.send(SMB2_IOCTL, request, max(len(data), max_output), **fields)

    def ioctl(self, code: int, data: bytes = b"", max_output: int = 65536) -> bytes:
        """IOCTL.

        Raises:
            StatusError: the server refuses.
        """
        return bytes(self.send_ioctl(code, data, max_output).recv().body(IoctlResponse).output_data)

    def close(self, flags: int = 0) -> CloseResponse:
        """CLOSE.

        Raises:
            StatusError: the server refuses.
        """
        request = CloseRequest(self.persistent, self.volatile, flags)
        return self.send(SMB2_CLOSE, request).recv().body(CloseResponse)
