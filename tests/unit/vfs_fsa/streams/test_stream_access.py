"""Who may do what with named streams, and whose the side files are."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest

from tests.unit.vfs_fsa.support import Share
from vfs import ntstatus as nt
from vfs.access import DELETE, FILE_READ_ATTRIBUTES, FILE_READ_DATA, FILE_WRITE_DATA, MAXIMUM_ALLOWED
from vfs.constants import FILE_DELETE_ON_CLOSE, FILE_OPEN, FILE_OPEN_IF
from vfs.fsa import close, query_info, read, write
from vfs.modules.side_files import DIRECTORY, DIRECTORY_NAME
from vfs.ntstatus import NTStatusError
from vfs.posix import credentials
from vfs.sid import Sid
from vfs.token import SecurityToken

ALICE = SecurityToken(Sid("S-1-5-21-1-2-3-2001"), uid=54001, gid=54001)
XATTR = "user.DosStream.s:$DATA"

pytestmark = pytest.mark.skipif(not credentials.can_switch(), reason="switches between users")


@pytest.fixture
def share(make_share: Callable[..., Share]) -> Iterator[Share]:
    made = make_share(streams_xattr=True)
    made.root.chmod(0o777)
    yield made
    credentials.become_root()


def a_file(share: Share, mode: int, uid: int = 0) -> None:
    file = share.root / "file"
    file.touch()
    os.setxattr(file, XATTR, b"secret\0")
    os.chown(file, uid, uid)
    file.chmod(mode)
    credentials.impersonate(ALICE.unix)


def refused_open(share: Share, path: str, access: int, disposition: int = FILE_OPEN) -> None:
    with pytest.raises(NTStatusError) as caught:
        share.open(path, access, disposition, token=ALICE)
    assert caught.value.status == nt.STATUS_ACCESS_DENIED


def test_the_mode_of_the_file_counts(share: Share) -> None:
    a_file(share, 0o600)
    for access in (FILE_READ_DATA, FILE_WRITE_DATA):
        refused_open(share, "file:s", access)
    refused_open(share, "file:new", FILE_READ_ATTRIBUTES, FILE_OPEN_IF)
    fo = share.open("file:s", MAXIMUM_ALLOWED, token=ALICE)
    assert not fo.granted_access & (FILE_READ_DATA | FILE_WRITE_DATA)
    assert [one.size for one in query_info.streams(fo)] == [0, 6]


def test_reading_is_not_writing(share: Share) -> None:
    a_file(share, 0o644)
    fo = share.open("file:s", FILE_READ_DATA, token=ALICE)
    buffer = memoryview(bytearray(10))
    assert read.read_into(fo, 0, buffer) == 6
    refused_open(share, "file:s", FILE_WRITE_DATA)
    refused_open(share, "file:new", FILE_READ_DATA, FILE_OPEN_IF)


def test_what_was_granted_survives_a_change_of_mode(share: Share) -> None:
    a_file(share, 0o600, ALICE.uid)
    fo = share.open("file:s", FILE_READ_DATA | FILE_WRITE_DATA, token=ALICE)
    with credentials.as_root():
        (share.root / "file").chmod(0)
    assert write.write(fo, 0, memoryview(b"S")) == 1
    assert read.read_into(fo, 0, memoryview(bytearray(10))) == 6


def test_side_files_belong_to_the_owner_of_the_file(share: Share) -> None:
    a_file(share, 0o600, ALICE.uid)
    fo = share.open("file:s", FILE_READ_DATA | FILE_WRITE_DATA, token=ALICE)
    write.write(fo, 0, memoryview(bytes(100_000)))
    with pytest.raises(PermissionError):
        share.volume.backend.open(DIRECTORY, os.O_RDONLY)
    close.close_file(fo)
    credentials.become_root()
    (side,) = (share.root / DIRECTORY_NAME).iterdir()
    assert (side.stat().st_uid, side.stat().st_mode & 0o777) == (ALICE.uid, 0o600)
    assert (share.root / DIRECTORY_NAME).stat().st_uid == 0


def test_deleting_an_unreadable_file_takes_its_side_files(share: Share) -> None:
    a_file(share, 0o600, ALICE.uid)
    fo = share.open("file:s", FILE_WRITE_DATA, token=ALICE)
    write.write(fo, 0, memoryview(bytes(100_000)))
    close.close_file(fo)
    with credentials.as_root():
        (share.root / "file").chmod(0)
    close.close_file(share.open("file", DELETE, options=FILE_DELETE_ON_CLOSE, token=ALICE))
    credentials.become_root()
    assert list((share.root / DIRECTORY_NAME).iterdir()) == []
