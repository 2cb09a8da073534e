"""A low-level SMB2/3 client for tests: able to send anything, valid or not, over any number of channels.

It shares the codec and the cryptography with the server and nothing else. The layers, each usable by itself::

    Transport    frames over a socket; raw bytes
    Connection   negotiation, message ids and credits, many requests outstanding, compounds, CANCEL
    Session      login, binding of channels, re-authentication; signing and sealing, right or wrong on demand
    Tree, File   everyday operations, and `send` for everything else

Example::

    with Connection.open("127.0.0.1", 4450) as connection:
        session = Session.login(connection, "alice", "Passw0rd")
        tree = session.tree_connect("public")
        with tree.create("a.txt", disposition=FILE_CREATE) as file:
            first, second = file.send_write(b"x"), file.send_read(1)   # both outstanding
            assert second.recv().status == first.recv().status
"""

from __future__ import annotations

from tests.smbxcli.compound import Chain
from tests.smbxcli.connection import Connection
from tests.smbxcli.errors import (
    ConnectionLostError,
    ProtocolViolationError,
    ReplyTimeoutError,
    SmbxError,
    StatusError,
)
from tests.smbxcli.file import File
from tests.smbxcli.message import Message, Protection
from tests.smbxcli.negotiation import ALL_CIPHERS, ALL_DIALECTS, ALL_SIGNING, Agreement, Offer
from tests.smbxcli.response import Pending, Response
from tests.smbxcli.session import Session
from tests.smbxcli.transport import Transport
from tests.smbxcli.tree import Tree
from tests.smbxcli.window import Window

__all__ = [
    "ALL_CIPHERS",
    "ALL_DIALECTS",
    "ALL_SIGNING",
    "Agreement",
    "Chain",
    "Connection",
    "ConnectionLostError",
    "File",
    "Message",
    "Offer",
    "Pending",
    "Protection",
    "ProtocolViolationError",
    "ReplyTimeoutError",
    "Response",
    "Session",
    "SmbxError",
    "StatusError",
    "Transport",
    "Tree",
    "Window",
]
