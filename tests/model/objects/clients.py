"""The same operations done to a real server, with what a client sees brought into the model's form."""

from __future__ import annotations

import shutil
import struct
from typing import Final

from smbd.wire.constants import SMB2_RESTART_SCANS
from smbd.wire.fscc.directory import unpack_entries
from smbd.wire.fscc.ea import FullEaInformation, pack_full_ea, unpack_full_ea
from smbd.wire.fscc.file_info import FileDispositionInformation, FileEndOfFileInformation
from smbd.wire.fscc.name_info import FileAllInformation, FileLinkInformation, FileRenameInformation
from smbd.wire.fscc.stream import unpack_streams
from smbd.wire.query_directory import QueryDirectoryResponse
from tests.servers import Server
from tests.smbxcli import Connection, File, Offer, Session, Tree
from vfs.constants import (
    FileBasicInformation,
    FileFullEaInformation,
    FileIdBothDirectoryInformation,
    FileStreamInformation,
)
from vfs.ntstatus import STATUS_NO_MORE_FILES

SHARE: Final = "tmp"
_BASIC: Final = struct.Struct("<qqqqI4x")


class Clients:
    """Several connections to one share; each run works in a directory of its own.

    Attributes:
        steps: operations done so far.
    """

    def __init__(self, server: Server, count: int = 3) -> None:
        self._server = server
        self._connections = [Connection.open("127.0.0.1", server.port, Offer()) for _ in range(count)]
        self._trees: list[Tree] = [
            Session.login(one, server.user, server.password).tree_connect(SHARE) for one in self._connections
        ]
        self._runs = 0
        self._open: list[File] = []
        self.steps = 0
        self._directory = ""

    def begin(self) -> None:
        """Start with an empty directory."""
        self._runs += 1
        self._directory = f"run{self._runs}"
        self._trees[0].mkdir(self._directory)

    def end(self) -> None:
        """Close what is open and remove the directory."""
        for file in self._open:
            file.close()
        self._open.clear()
        shutil.rmtree(self._server.share_path(SHARE) / self._directory)

    def close(self) -> None:
        """Hang up."""
        for connection in self._connections:
            connection.close()

    def _full(self, path: str) -> str:
        return f"{self._directory}\\{path}"

    # Every operation raises StatusError as the server answers.

    def open(
        self,
        client: int,
        path: str,
        stream: str,
        access: int,
        share: int,
        disposition: int,
        options: int,
        attributes: int,
    ) -> tuple[File, int]:
        """CREATE."""
        name = self._full(path) + (f":{stream}" if stream else "")
        file = self._trees[client].create(
            name,
            access=access,
            share_access=share,
            disposition=disposition,
            options=options,
            attributes=attributes,
        )
        self._open.append(file)
        return file, file.response.create_action

    def close_file(self, file: File) -> None:
        """CLOSE."""
        self._open.remove(file)
        file.close()

    @staticmethod
    def read(file: File, offset: int, length: int) -> bytes:
        """READ."""
        return file.read(length, offset)

    @staticmethod
    def write(file: File, offset: int, data: bytes) -> int:
        """WRITE."""
        return file.write(data, offset)

    @staticmethod
    def set_end_of_file(file: File, size: int) -> None:
        """FileEndOfFileInformation."""
        file.set_info(FileEndOfFileInformation.info_class, FileEndOfFileInformation(size).pack())

    @staticmethod
    def set_basic(file: File, creation_time: int, write_time: int, attributes: int) -> None:
        """FileBasicInformation."""
        file.set_info(FileBasicInformation, _BASIC.pack(creation_time, 0, write_time, 0, attributes))

    @staticmethod
    def set_disposition(file: File, delete: bool) -> None:
        """FileDispositionInformation."""
        file.set_info(FileDispositionInformation.info_class, FileDispositionInformation(delete).pack())

    @staticmethod
    def set_ea(file: File, name: bytes, value: bytes) -> None:
        """FileFullEaInformation."""
        file.set_info(FileFullEaInformation, pack_full_ea([FullEaInformation(name, value)]))

    def rename(self, file: File, new_path: str, replace: bool) -> None:
        """FileRenameInformation."""
        target = FileRenameInformation(self._full(new_path), replace)
        file.set_info(target.info_class, target.pack())

    @staticmethod
    def rename_stream(file: File, name: str, replace: bool) -> None:
        """FileRenameInformation of a stream."""
        target = FileRenameInformation(f":{name}", replace)
        file.set_info(target.info_class, target.pack())

    def link(self, file: File, new_path: str, replace: bool) -> None:
        """FileLinkInformation."""
        target = FileLinkInformation(self._full(new_path), replace)
        file.set_info(target.info_class, target.pack())

    def query(self, file: File) -> dict[str, object]:
        """FileAllInformation."""
        found = FileAllInformation.unpack(file.query_info(FileAllInformation.info_class))
        return {
            "name": found.name.removeprefix(f"\\{self._directory}"),
            "attributes": found.file_attributes,
            "end_of_file": found.end_of_file,
            "links": found.number_of_links,
            "delete_pending": found.delete_pending,
            "directory": found.directory,
            "access": found.access_flags,
            "creation_time": found.creation_time,
            "write_time": found.last_write_time,
        }

    @staticmethod
    def streams(file: File) -> dict[str, int]:
        """FileStreamInformation."""
        return {one.name: one.size for one in unpack_streams(file.query_info(FileStreamInformation))}

    @staticmethod
    def eas(file: File) -> dict[bytes, bytes]:
        """FileFullEaInformation."""
        return {one.name: bytes(one.value) for one in unpack_full_ea(file.query_info(FileFullEaInformation))}

    @staticmethod
    def enumerate(file: File, pattern: str) -> dict[str, tuple[int, int]]:
        """QUERY_DIRECTORY, with buffers that hold only a few entries."""
        found: dict[str, tuple[int, int]] = {}
        flags = SMB2_RESTART_SCANS
        while True:
            response = file.send_query_directory(
                pattern, info_class=FileIdBothDirectoryInformation, scan_flags=flags, length=512
            ).recv()
            if response.status == STATUS_NO_MORE_FILES:
                return found
            data = response.body(QueryDirectoryResponse).data
            flags = 0
            for entry in unpack_entries(FileIdBothDirectoryInformation, data):
                assert entry.name not in found, f"{entry.name} twice"
                if entry.name not in {".", ".."}:
                    found[entry.name] = entry.file_attributes, entry.end_of_file
