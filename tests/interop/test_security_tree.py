"""A tree with stored security descriptors moves between Samba and pysmbd: each shows what the other stored."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.servers import PysmbdServer, SambaServer, Server
from vfs.access import READ_CONTROL, WRITE_DAC, WRITE_OWNER
from vfs.constants import DACL_SECURITY_INFORMATION, FILE_OPEN, FILE_SHARE_ALL
from vfs.posix import posix_acl
from vfs.posix.posix_acl import ACL_GROUP_OBJ, ACL_MASK, ACL_OTHER, ACL_USER, ACL_USER_OBJ, PosixAce
from vfs.security import SecurityDescriptor, from_sddl, to_sddl

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore"),  # the client library's own deprecations
]

_INFO_SECURITY = 3
#: Only SIDs that mean the same to every server: each has accounts of its own.
DIRECTORY = "D:ARAI(A;OICI;FA;;;WD)(A;OICI;0x001301bf;;;S-1-22-1-54033)(A;OICIIO;FR;;;S-1-22-2-54033)"
FILE = "D:P(D;;FW;;;S-1-22-1-54033)(A;;FA;;;WD)(A;;GR;;;CO)"


@pytest.fixture
def scratch() -> Iterator[Path]:
    for kind in (SambaServer, PysmbdServer):
        if why := kind.unavailable():
            pytest.skip(why)
    with tempfile.TemporaryDirectory(prefix="security-") as directory:
        Path(directory).chmod(0o755)
        yield Path(directory)


class Client:
    """Sets and shows DACLs."""

    def __init__(self, server: Server) -> None:
        smbconnection = pytest.importorskip("impacket.smbconnection")
        self.connection: Any = smbconnection.SMBConnection("127.0.0.1", "127.0.0.1", sess_port=server.port)
        self.connection.login(server.user, server.password)
        self._tree = self.connection.connectTree("tmp")

    @contextmanager
    def _open(self, name: str, access: int) -> Iterator[tuple[Any, Any]]:
        smb = self.connection.getSMBServer()
        file_id = smb.create(self._tree, name, access, FILE_SHARE_ALL, 0, FILE_OPEN, 0)
        try:
            yield smb, file_id
        finally:
            self.connection.closeFile(self._tree, file_id)

    def set(self, name: str, sddl: str) -> None:
        with self._open(name, READ_CONTROL | WRITE_DAC | WRITE_OWNER) as (smb, file_id):
            smb.setInfo(
                self._tree, file_id, infoType=_INFO_SECURITY, fileInfoClass=0, inputBlob=from_sddl(sddl).pack(),
                additionalInformation=DACL_SECURITY_INFORMATION,
            )  # fmt: skip

    def get(self, name: str) -> str:
        with self._open(name, READ_CONTROL) as (smb, file_id):
            blob = smb.queryInfo(
                self._tree, file_id, infoType=_INFO_SECURITY, fileInfoClass=0,
                additionalInformation=DACL_SECURITY_INFORMATION,
            )  # fmt: skip
        return to_sddl(SecurityDescriptor.unpack(blob))

    def create(self, name: str) -> None:
        self.connection.closeFile(self._tree, self.connection.createFile(self._tree, name))


def serve(kind: type[Server], scratch: Path, tree: Path) -> Server:
    return kind(
        Path(tempfile.mkdtemp(dir=scratch)) / "server", shares={"tmp": {"path": str(tree), "read only": "no"}}
    )


def a_tree(scratch: Path) -> Path:
    tree = scratch / "tree"
    tree.mkdir()
    tree.chmod(0o777)
    return tree


@pytest.mark.parametrize("kinds", [(SambaServer, PysmbdServer), (PysmbdServer, SambaServer)])
def test_descriptors_of_one_server_at_the_other(
    scratch: Path, kinds: tuple[type[Server], type[Server]]
) -> None:
    tree = a_tree(scratch)
    names = ("dir", r"dir\file", r"dir\set", r"dir\sub")
    with serve(kinds[0], scratch, tree) as server:
        client = Client(server)
        client.connection.createDirectory("tmp", "dir")
        client.set("dir", DIRECTORY)
        client.create(r"dir\file")
        client.create(r"dir\set")
        client.set(r"dir\set", FILE)
        client.connection.createDirectory("tmp", r"dir\sub")
        stored = {name: client.get(name) for name in names}
        client.connection.close()
    assert stored["dir"] == DIRECTORY.replace("ARAI", "AI")
    assert "(A;ID;FR;;;S-1-22-2-54033)" in stored[r"dir\file"]
    assert stored[r"dir\set"] == FILE.replace("(A;;GR;", "(A;;FR;")
    with serve(kinds[1], scratch, tree) as server:
        client = Client(server)
        assert {name: client.get(name) for name in names} == stored
        # A change beside the server voids what is stored.
        (tree / "dir/set").chmod(0o600)
        assert client.get(r"dir\set") != stored[r"dir\set"]
        client.connection.close()


def test_posix_permissions_look_the_same(scratch: Path) -> None:
    tree = a_tree(scratch)
    for mode in (0o777, 0o755, 0o700, 0o644, 0o664, 0o666, 0o751):
        (tree / f"dir{mode:o}").mkdir()
        (tree / f"dir{mode:o}").chmod(mode | 0o004)
        (tree / f"file{mode:o}").touch()
        (tree / f"file{mode:o}").chmod(mode | 0o004)
    acl = (
        PosixAce(ACL_USER_OBJ, 7), PosixAce(ACL_USER, 6, 54033), PosixAce(ACL_GROUP_OBJ, 5), PosixAce(ACL_MASK, 7),
        PosixAce(ACL_OTHER, 5),
    )  # fmt: skip
    os.setxattr(tree / "dir755", posix_acl.ACCESS_XATTR, posix_acl.pack(acl))
    os.setxattr(tree / "dir755", posix_acl.DEFAULT_XATTR, posix_acl.pack(acl))
    os.setxattr(tree / "file755", posix_acl.ACCESS_XATTR, posix_acl.pack(acl))
    for path in tree.iterdir():
        shutil.chown(path, 54001, 54001)
    shown = []
    for kind in (SambaServer, PysmbdServer):
        with serve(kind, scratch, tree) as server:
            client = Client(server)
            shown.append({path.name: client.get(path.name) for path in tree.iterdir()})
            client.connection.close()
    assert shown[0] == shown[1]
