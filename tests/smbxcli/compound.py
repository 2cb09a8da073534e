"""Compounds: several requests in one frame ([MS-SMB2] 3.2.4.1.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Unpack

from smbd.wire.constants import (
    SMB2_FLAGS_RELATED_OPERATIONS,
    SMB2_RELATED_FILE_ID,
    SMB2_RELATED_SESSION_ID,
    SMB2_RELATED_TREE_ID,
)
from tests.smbxcli.message import Protection

if TYPE_CHECKING:
    from tests.smbxcli.connection import HeaderFields
    from tests.smbxcli.message import Body, Message
    from tests.smbxcli.response import Pending
    from tests.smbxcli.tree import Tree

#: The two halves of the FileId that stands for "the file of the request before".
RELATED_FILE: Final = (SMB2_RELATED_FILE_ID, SMB2_RELATED_FILE_ID)


class Chain:
    """Collects requests and sends them as one compound.

    Attributes:
        messages: what was collected; headers may still be changed.
    """

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self.messages: list[Message] = []

    def add(self, command: int, body: Body, **fields: Unpack[HeaderFields]) -> Message:
        """Add a request of its own."""
        message = self._tree.prepare(command, body, **fields)
        self.messages.append(message)
        return message

    def related(self, command: int, body: Body, **fields: Unpack[HeaderFields]) -> Message:
        """Add a request related to the one before: session, tree and (by ``RELATED_FILE``) file are its."""
        fields.setdefault("flags", SMB2_FLAGS_RELATED_OPERATIONS)
        fields.setdefault("session_id", SMB2_RELATED_SESSION_ID)
        fields.setdefault("tree_id", SMB2_RELATED_TREE_ID)
        return self.add(command, body, **fields)

    def send(self, protection: Protection = Protection.DEFAULT) -> list[Pending]:
        """Send the compound."""
        return self._tree.session.connection.transmit(self.messages, protection)
