"""Tree connects, and opening files in them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, Unpack

from smbd.wire.buffer import Buffer
from smbd.wire.constants import (
    SMB2_CREATE,
    SMB2_IOCTL,
    SMB2_RELATED_FILE_ID,
    SMB2_TREE_CONNECT,
    SMB2_TREE_DISCONNECT,
)
from smbd.wire.create import CreateRequest, CreateResponse
from smbd.wire.ioctl import IoctlRequest
from smbd.wire.tree import TreeConnectRequest, TreeConnectResponse, TreeDisconnectRequest
from tests.smbxcli.file import File
from tests.smbxcli.message import Protection
from vfs.access import DELETE, GENERIC_ALL, GENERIC_READ
from vfs.constants import (
    FILE_CREATE,
    FILE_DELETE_ON_CLOSE,
    FILE_DIRECTORY_FILE,
    FILE_OPEN,
    FILE_SHARE_DELETE,
    FILE_SHARE_READ,
    FILE_SHARE_WRITE,
)

if TYPE_CHECKING:
    from tests.smbxcli.connection import Connection, HeaderFields
    from tests.smbxcli.message import Body, Message
    from tests.smbxcli.response import Pending, Response
    from tests.smbxcli.session import Session

SHARE_ALL: Final = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE


class Tree:
    """One tree connect.

    Attributes:
        session: the session it belongs to.
        tree_id: its id.
        share: what was connected to.
        response: the server's answer.
    """

    def __init__(self, session: Session, tree_id: int, share: str, response: TreeConnectResponse) -> None:
        self.session = session
        self.tree_id = tree_id
        self.share = share
        self.response = response

    def prepare(
        self, command: int, body: Body, *, on: Connection | None = None, **fields: Unpack[HeaderFields]
    ) -> Message:
        """Make a request in this tree, to be sent with ``Connection.transmit``."""
        fields.setdefault("tree_id", self.tree_id)
        return (on or self.session.connection).prepare(command, body, session=self.session, **fields)

    def send(
        self,
        command: int,
        body: Body,
        *,
        on: Connection | None = None,
        protection: Protection = Protection.DEFAULT,
        **fields: Unpack[HeaderFields],
    ) -> Pending:
        """Send a request in this tree."""
        fields.setdefault("tree_id", self.tree_id)
        return self.session.send(command, body, on=on, protection=protection, **fields)

    def create(
        self,
        name: str,
        *,
        access: int = GENERIC_ALL,
        disposition: int = FILE_OPEN,
        options: int = 0,
        attributes: int = 0,
        share_access: int = SHARE_ALL,
        oplock: int = 0,
        contexts: Mapping[bytes, Buffer] | None = None,
    ) -> File:
        """Open or create a file.

        Raises:
            StatusError: the server refuses.
        """
        request = CreateRequest(
            name=name,
            desired_access=access,
            file_attributes=attributes,
            share_access=share_access,
            create_disposition=disposition,
            create_options=options,
            requested_oplock_level=oplock,
            contexts=dict(contexts or {}),
        )
        response = self.send(SMB2_CREATE, request).recv().body(CreateResponse)
        return File(self, response)

    def mkdir(self, name: str) -> None:
        """Create a directory.

        Raises:
            StatusError: the server refuses.
        """
        self.create(name, disposition=FILE_CREATE, options=FILE_DIRECTORY_FILE).close()

    def delete(self, name: str, options: int = 0) -> None:
        """Delete a file or an empty directory by opening it with delete-on-close.

        Raises:
            StatusError: the server refuses.
        """
        self.create(name, access=DELETE, options=options | FILE_DELETE_ON_CLOSE).close()

    def put(self, name: str, data: bytes) -> None:
        """Create a file with contents.

        Raises:
            StatusError: the server refuses.
        """
        with self.create(name, disposition=FILE_CREATE) as file:
            file.write(data)

    def get(self, name: str) -> bytes:
        """The contents of a file, up to what one READ may return.

        Raises:
            StatusError: the server refuses.
        """
        with self.create(name, access=GENERIC_READ) as file:
            return file.read(file.response.end_of_file) if file.response.end_of_file else b""

    def send_fsctl(
        self, code: int, data: bytes = b"", max_output: int = 65536, **fields: Unpack[HeaderFields]
    ) -> Pending:
        """Send a control request that concerns no file."""
        request = IoctlRequest(code, SMB2_RELATED_FILE_ID, SMB2_RELATED_FILE_ID, data, max_output)
        return self.send(SMB2_IOCTL, request, **fields)

    def disconnect(self) -> Response:
        """TREE_DISCONNECT and its response.

        Raises:
            StatusError: the server refuses.
        """
        return self.send(SMB2_TREE_DISCONNECT, TreeDisconnectRequest()).recv().check()


def connect_tree(session: Session, share: str, **fields: Unpack[HeaderFields]) -> Tree:
    """Connect to a share; its name may be a whole UNC path.

    Raises:
        StatusError: the server refuses.
    """
    path = share if share.startswith("\\") else rf"\\127.0.0.1\{share}"
    response = session.send(SMB2_TREE_CONNECT, TreeConnectRequest(path), **fields).recv()
    return Tree(session, response.header.tree_id, share, response.body(TreeConnectResponse))
