"""Who may do what: mode bits, POSIX ACLs, stored descriptors, the directory's say about deletion."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest

from tests.unit.vfs_fsa.support import Share
from tests.unit.vfs_fsa.test_fsa_open import status_of
from vfs import ntstatus as nt
from vfs.access import (
    ACCESS_SYSTEM_SECURITY,
    DELETE,
    FILE_ALL_ACCESS,
    FILE_EXECUTE,
    FILE_LIST_DIRECTORY,
    FILE_READ_ATTRIBUTES,
    FILE_READ_DATA,
    FILE_WRITE_DATA,
    GENERIC_WRITE,
    MAXIMUM_ALLOWED,
    READ_CONTROL,
    WRITE_DAC,
)
from vfs.constants import DACL_SECURITY_INFORMATION, FILE_DELETE_ON_CLOSE, FILE_OPEN_IF
from vfs.fsa import access_check, close, posix_permissions, security
from vfs.posix import credentials, posix_acl
from vfs.posix.posix_acl import ACL_GROUP_OBJ, ACL_MASK, ACL_OTHER, ACL_USER, ACL_USER_OBJ, PosixAce
from vfs.posix.syscalls import Stat
from vfs.security import SecurityDescriptor, allow
from vfs.security_acl import Acl
from vfs.sid import Sid
from vfs.token import SecurityToken

ALICE = SecurityToken(Sid("S-1-5-21-1-2-3-2001"), uid=54001, gid=54001)
BOB = SecurityToken(Sid("S-1-5-21-1-2-3-2002"), uid=54002, gid=54002, groups=(54100,))

needs_root = pytest.mark.skipif(not credentials.can_switch(), reason="switches between users")


def a_stat(mode: int, uid: int = 1, gid: int = 2) -> Stat:
    return Stat(mode, 1, uid, gid, 1, 0, 0, 1, 0, 0, 0, 0, 0)


@pytest.mark.parametrize(
    ("mode", "uid", "gid", "has", "lacks"),
    [
        (0o100700, 54001, 1, FILE_READ_DATA | FILE_WRITE_DATA | FILE_EXECUTE | WRITE_DAC, DELETE),
        (0o100077, 54001, 1, READ_CONTROL | WRITE_DAC, FILE_READ_DATA),
        (0o100070, 1, 54001, FILE_READ_DATA, DELETE),
        (0o100707, 1, 54001, FILE_READ_ATTRIBUTES, FILE_READ_DATA),
        (0o100004, 1, 1, FILE_READ_DATA, FILE_WRITE_DATA | WRITE_DAC),
        (0o100000, 1, 1, FILE_READ_ATTRIBUTES | READ_CONTROL, FILE_READ_DATA),
    ],
)
def test_mode_classes(mode: int, uid: int, gid: int, has: int, lacks: int) -> None:
    rights = access_check.rights_of_mode(a_stat(mode, uid, gid), ALICE)
    assert rights & has == has
    assert not rights & lacks


def test_supplementary_groups_count() -> None:
    assert access_check.rights_of_mode(a_stat(0o100040, 1, 54100), BOB) & FILE_READ_DATA
    assert not access_check.rights_of_mode(a_stat(0o100040, 1, 54100), ALICE) & FILE_READ_DATA


@pytest.fixture
def as_user() -> Iterator[Callable[[SecurityToken], SecurityToken]]:
    def become(token: SecurityToken) -> SecurityToken:
        credentials.impersonate(token.unix)
        return token

    yield become
    credentials.become_root()


Become = Callable[[SecurityToken], SecurityToken]


@needs_root
def test_others_files(share: Share, as_user: Become) -> None:
    (share.root / "secret").touch(0o600)
    token = as_user(BOB)
    for access in (FILE_READ_DATA, FILE_WRITE_DATA, GENERIC_WRITE, DELETE, WRITE_DAC, FILE_EXECUTE):
        assert status_of(lambda: share.open("secret", access, token=token)) == nt.STATUS_ACCESS_DENIED  # noqa: B023
    fo = share.open("secret", FILE_READ_ATTRIBUTES, token=token)
    assert fo.path_only
    fo = share.open("secret", MAXIMUM_ALLOWED, token=token)
    assert not fo.granted_access & (FILE_READ_DATA | FILE_WRITE_DATA | DELETE)
    assert status_of(lambda: share.create("new", token=token)) == nt.STATUS_ACCESS_DENIED
    assert status_of(lambda: share.mkdir("new", token=token)) == nt.STATUS_ACCESS_DENIED
    assert (
        status_of(lambda: share.open("new", disposition=FILE_OPEN_IF, token=token)) == nt.STATUS_ACCESS_DENIED
    )
    assert (
        status_of(lambda: share.open("secret", ACCESS_SYSTEM_SECURITY, token=token)) == nt.STATUS_PRIVILEGE_NOT_HELD
    )


@needs_root
def test_only_the_owner_adds_set_user_id(share: Share, as_user: Become) -> None:
    path = share.root / "file"
    path.touch(0o1666)
    path.chmod(0o1666)
    fo = share.open("file", WRITE_DAC)
    as_user(BOB)
    posix_permissions.change_mode(fo, 0o4755)
    assert fo.stat.mode & 0o7777 == 0o755
    credentials.become_root()
    os.chown(path, ALICE.uid, ALICE.gid)
    as_user(ALICE)
    posix_permissions.change_mode(fo, 0o4755)
    assert fo.stat.mode & 0o7777 == 0o4755


@needs_root
def test_the_directory_decides_about_deletion(share: Share, as_user: Become) -> None:
    (share.root / "file").touch(0o400)
    share.root.chmod(0o777)
    as_user(BOB)
    fo = share.open("file", DELETE, token=BOB)
    assert not fo.granted_access & FILE_READ_DATA
    close.close_file(fo)
    credentials.become_root()
    share.root.chmod(0o1777)
    as_user(BOB)
    assert status_of(lambda: share.open("file", DELETE, token=BOB)) == nt.STATUS_ACCESS_DENIED


@needs_root
def test_posix_acls_count(share: Share, as_user: Become) -> None:
    path = share.root / "file"
    path.touch(0o600)
    acl = (
        PosixAce(ACL_USER_OBJ, 6), PosixAce(ACL_USER, 6, BOB.uid), PosixAce(ACL_GROUP_OBJ, 0),
        PosixAce(ACL_MASK, 6), PosixAce(ACL_OTHER, 0),
    )  # fmt: skip
    os.setxattr(path, posix_acl.ACCESS_XATTR, posix_acl.pack(acl))
    as_user(BOB)
    fo = share.open("file", FILE_READ_DATA | FILE_WRITE_DATA, token=BOB)
    assert fo.granted_access == FILE_READ_DATA | FILE_WRITE_DATA
    as_user(ALICE)
    assert status_of(lambda: share.open("file", FILE_READ_DATA, token=ALICE)) == nt.STATUS_ACCESS_DENIED


@needs_root
def test_a_stored_descriptor_decides(make_share: Callable[..., Share], as_user: Become) -> None:
    share = make_share(acl_xattr=True)
    share.root.chmod(0o777)
    as_user(ALICE)
    fo = share.create("file", token=ALICE)
    dacl = Acl((
        allow(ALICE.user_sid, FILE_ALL_ACCESS), allow(BOB.user_sid, FILE_READ_DATA | READ_CONTROL),
        allow(Sid("S-1-1-0"), FILE_READ_ATTRIBUTES),
    ))  # fmt: skip
    descriptor = SecurityDescriptor(dacl=dacl, control=0x8004)
    security.set_security(fo, DACL_SECURITY_INFORMATION, descriptor.pack())
    found = SecurityDescriptor.unpack(security.query_security(fo, DACL_SECURITY_INFORMATION))
    assert found.dacl == dacl
    as_user(BOB)
    assert status_of(lambda: share.open("file", FILE_WRITE_DATA, token=BOB)) == nt.STATUS_ACCESS_DENIED
    assert share.open("file", READ_CONTROL | FILE_READ_ATTRIBUTES, token=BOB).granted_access


@needs_root
def test_the_last_close_deletes_in_the_name_of_the_deleter(share: Share, as_user: Become) -> None:
    (share.root / "dir").mkdir(0o755)
    os.chown(share.root / "dir", ALICE.uid, ALICE.gid)
    (share.root / "dir" / "file").touch(0o666)
    as_user(ALICE)
    deleter = share.open("dir\\file", DELETE, options=FILE_DELETE_ON_CLOSE, token=ALICE)
    as_user(BOB)
    reader = share.open("dir\\file", FILE_READ_DATA, token=BOB)
    as_user(ALICE)
    close.close_file(deleter)
    as_user(BOB)
    close.close_file(reader)
    assert credentials.current() == BOB.unix
    credentials.become_root()
    assert not (share.root / "dir" / "file").exists()


@needs_root
def test_a_directory_that_may_not_be_read(share: Share, as_user: Become) -> None:
    (share.root / "dir").mkdir(0o711)
    (share.root / "dir" / "file").touch(0o644)
    as_user(BOB)
    assert status_of(lambda: share.open("dir", FILE_LIST_DIRECTORY, token=BOB)) == nt.STATUS_ACCESS_DENIED
    share.open("dir", FILE_READ_ATTRIBUTES, token=BOB)
    share.open("dir\\file", FILE_READ_DATA, token=BOB)


@needs_root
def test_inherit_owner(make_share: Callable[..., Share], as_user: Become) -> None:
    share = make_share(inherit_owner=True, inherit_permissions=True)
    (share.root / "dir").mkdir()
    (share.root / "dir").chmod(0o2777)
    os.chown(share.root / "dir", ALICE.uid, -1)
    as_user(BOB)
    share.create("dir\\file", token=BOB)
    share.mkdir("dir\\sub", token=BOB)
    credentials.become_root()
    file, sub = (share.root / "dir" / "file").stat(), (share.root / "dir" / "sub").stat()
    assert (file.st_uid, file.st_mode & 0o7777) == (ALICE.uid, 0o766)
    assert (sub.st_uid, sub.st_mode & 0o7777) == (ALICE.uid, 0o2777)
