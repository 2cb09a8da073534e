"""Descriptors of files: who may change them, what becomes of the POSIX permissions, what new files get."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest

from tests.unit.vfs_fsa.support import Share
from tests.unit.vfs_fsa.test_fsa_open import status_of
from vfs import ntstatus as nt
from vfs.access import (
    DELETE,
    FILE_ALL_ACCESS,
    FILE_EXECUTE,
    FILE_GENERIC_READ,
    FILE_GENERIC_WRITE,
    FILE_READ_ATTRIBUTES,
    FILE_READ_DATA,
    FILE_WRITE_DATA,
    GENERIC_ALL,
    MAXIMUM_ALLOWED,
    READ_CONTROL,
    WRITE_DAC,
    WRITE_OWNER,
)
from vfs.constants import (
    DACL_SECURITY_INFORMATION,
    FILE_CREATE,
    FILE_DELETE_ON_CLOSE,
    FILE_DIRECTORY_FILE,
    GROUP_SECURITY_INFORMATION,
    OWNER_SECURITY_INFORMATION,
)
from vfs.fsa import close, directory, ea, security
from vfs.fsa.file_object import FileObject
from vfs.fsa.params import EaEntry
from vfs.posix import credentials, posix_acl
from vfs.posix.posix_acl import (
    ACL_GROUP_OBJ,
    ACL_MASK,
    ACL_OTHER,
    ACL_USER,
    ACL_USER_OBJ,
    AccessRules,
    PosixAce,
)
from vfs.security import SecurityDescriptor, from_sddl, to_sddl
from vfs.sid import SID_UNIX_GROUPS, Sid, unix_group_sid, unix_user_sid
from vfs.token import SE_ALL_PRIVILEGES, SE_RESTORE_PRIVILEGE, SecurityToken
from vfs.volume import IdMap

ALICE = SecurityToken(
    Sid("S-1-5-21-1-2-3-2001"), (unix_group_sid(54001), Sid("S-1-1-0")), uid=54001, gid=54001, groups=(54001,)
)
BOB = SecurityToken(
    Sid("S-1-5-21-1-2-3-2002"), (unix_group_sid(54002), Sid("S-1-1-0")), uid=54002, gid=54002, groups=(54002, 54100)
)
USERS = {user.uid: user.user_sid for user in (ALICE, BOB)}
UIDS = {sid: uid for uid, sid in USERS.items()}
IDS = IdMap(
    lambda uid: USERS.get(uid) or unix_user_sid(uid),
    unix_group_sid,
    UIDS.get,
    lambda sid: sid.rid if sid.in_domain(SID_UNIX_GROUPS) else None,
)
A, B = str(ALICE.user_sid), str(BOB.user_sid)

needs_root = pytest.mark.skipif(not credentials.can_switch(), reason="switches between users")
Become = Callable[[SecurityToken], SecurityToken]
MakeShare = Callable[..., Share]


@pytest.fixture
def as_user() -> Iterator[Become]:
    def become(token: SecurityToken) -> SecurityToken:
        credentials.impersonate(token.unix)
        return token

    yield become
    credentials.become_root()


@pytest.fixture
def acl_share(make_share: MakeShare) -> Share:
    """As a share with `vfs objects = acl_xattr`, its root everybody's."""
    name = "security.NTACL" if credentials.can_switch() else "user.NTACL"
    share = make_share(acl_xattr=True, acl_xattr_name=name, access_rules=AccessRules(dos_filemode=True))
    share.volume.options.force_unknown_acl_user = True
    share.volume.id_map = IDS
    share.root.chmod(0o777)
    return share


def set_sd(fo: FileObject, sddl: str, parts: int = DACL_SECURITY_INFORMATION) -> None:
    security.set_security(fo, parts, from_sddl(sddl).pack())


def get_sd(fo: FileObject, parts: int = DACL_SECURITY_INFORMATION) -> str:
    return to_sddl(SecurityDescriptor.unpack(security.query_security(fo, parts)))


def acl_of(share: Share, name: str, xattr: str = posix_acl.ACCESS_XATTR) -> posix_acl.PosixAcl | None:
    try:
        with credentials.as_root():
            return posix_acl.unpack(os.getxattr(share.root / name, xattr))
    except OSError:
        return None


def stat_of(share: Share, name: str) -> os.stat_result:
    with credentials.as_root():
        return (share.root / name).stat()


def mode_of(share: Share, name: str) -> int:
    return stat_of(share, name).st_mode & 0o777


@needs_root
def test_a_grant_to_a_third_user_holds_in_the_kernel(acl_share: Share, as_user: Become) -> None:
    token = as_user(ALICE)
    fo = acl_share.create("file", token=token)
    set_sd(fo, f"D:(A;;FA;;;{A})(A;;0x0012019f;;;{B})")
    assert get_sd(fo) == f"D:(A;;FA;;;{A})(A;;0x0012019f;;;{B})"
    close.close_file(fo)
    assert acl_of(acl_share, "file") == (
        PosixAce(ACL_USER_OBJ, 7), PosixAce(ACL_USER, 6, BOB.uid), PosixAce(ACL_GROUP_OBJ, 0),
        PosixAce(ACL_MASK, 6), PosixAce(ACL_OTHER, 0),
    )  # fmt: skip
    token = as_user(BOB)
    fo = acl_share.open("file", FILE_GENERIC_READ | FILE_GENERIC_WRITE, token=token)
    os.write(fo.fd, b"by bob")
    close.close_file(fo)
    fo = acl_share.open("file", MAXIMUM_ALLOWED, token=token)
    assert fo.granted_access == FILE_GENERIC_READ | FILE_GENERIC_WRITE | DELETE
    close.close_file(fo)
    # Taken away again, the file is back to a plain mode.
    fo = acl_share.open("file", FILE_ALL_ACCESS & ~DELETE, token=as_user(ALICE))
    set_sd(fo, f"D:(A;;FA;;;{A})")
    close.close_file(fo)
    assert acl_of(acl_share, "file") is None
    assert mode_of(acl_share, "file") == 0o700
    token = as_user(BOB)
    assert status_of(lambda: acl_share.open("file", FILE_READ_DATA, token=token)) == nt.STATUS_ACCESS_DENIED


@needs_root
def test_children_inherit_descriptor_and_posix_acl(acl_share: Share, as_user: Become) -> None:
    token = as_user(ALICE)
    fo = acl_share.mkdir("dir", token=token)
    set_sd(fo, f"D:(A;OICI;FA;;;{A})(A;OICIIO;0x0012019f;;;{B})")
    assert acl_of(acl_share, "dir", posix_acl.DEFAULT_XATTR) is not None
    close.close_file(fo)
    fo = acl_share.create("dir\\file", token=token)
    assert get_sd(fo) == f"D:(A;;FA;;;{A})(A;;0x0012019f;;;{B})"
    close.close_file(fo)
    fo = acl_share.mkdir("dir\\sub", token=token)
    assert get_sd(fo) == f"D:(A;OICI;FA;;;{A})(A;OICI;0x0012019f;;;{B})"
    set_sd(fo, f"D:P(A;;FA;;;{A})")
    close.close_file(fo)
    assert acl_of(acl_share, "dir/sub", posix_acl.DEFAULT_XATTR) is None
    credentials.become_root()
    (acl_share.root / "dir").chmod(0o755)
    token = as_user(BOB)
    close.close_file(acl_share.open("dir\\file", FILE_READ_DATA | FILE_WRITE_DATA, token=token))


@needs_root
def test_who_may_write_the_acl_need_not_own_the_file(acl_share: Share, as_user: Become) -> None:
    fo = acl_share.create("file", token=as_user(ALICE))
    set_sd(fo, f"D:(A;;FA;;;{A})(A;;RCWDWO;;;{B})")
    close.close_file(fo)
    fo = acl_share.open("file", READ_CONTROL | WRITE_DAC | WRITE_OWNER, token=as_user(BOB))
    set_sd(fo, f"D:(A;;FA;;;{B})")
    assert acl_of(acl_share, "file") is not None
    set_sd(fo, f"O:{B}", OWNER_SECURITY_INFORMATION)
    status = stat_of(acl_share, "file")
    # The owner's rights moved from his own entry to the owner's bits.
    assert (status.st_uid, status.st_mode & 0o777) == (BOB.uid, 0o700)
    assert status_of(lambda: set_sd(fo, f"O:{A}", OWNER_SECURITY_INFORMATION)) == nt.STATUS_INVALID_OWNER
    set_sd(fo, "G:S-1-22-2-54100", GROUP_SECURITY_INFORMATION)
    assert stat_of(acl_share, "file").st_gid == 54100
    strange = "G:S-1-22-2-54001"
    assert status_of(lambda: set_sd(fo, strange, GROUP_SECURITY_INFORMATION)) == nt.STATUS_INVALID_PRIMARY_GROUP
    # An owner that is no unix user is shown as set and kept by who set it.
    set_sd(fo, "O:BA", OWNER_SECURITY_INFORMATION)
    assert get_sd(fo, OWNER_SECURITY_INFORMATION) == "O:BA"
    assert stat_of(acl_share, "file").st_uid == BOB.uid


@needs_root
def test_privileges_give_files_away(acl_share: Share, as_user: Become) -> None:
    fo = acl_share.create("file", token=as_user(ALICE))
    privileged = SecurityToken(
        ALICE.user_sid, ALICE.sids, privileges=SE_RESTORE_PRIVILEGE, uid=ALICE.uid, gid=ALICE.gid
    )
    fo.token = privileged
    set_sd(fo, f"O:{B}G:S-1-22-2-54100", OWNER_SECURITY_INFORMATION | GROUP_SECURITY_INFORMATION)
    status = stat_of(acl_share, "file")
    assert (status.st_uid, status.st_gid) == (BOB.uid, 54100)


@needs_root
def test_unknown_owners_are_refused_without_force_unknown_acl_user(make_share: MakeShare, as_user: Become) -> None:
    share = make_share()
    share.volume.id_map = IDS
    share.root.chmod(0o777)
    fo = share.create("file", token=as_user(ALICE))
    assert status_of(lambda: set_sd(fo, "O:BA", OWNER_SECURITY_INFORMATION)) == nt.STATUS_INVALID_OWNER
    assert status_of(lambda: set_sd(fo, "G:BA", GROUP_SECURITY_INFORMATION)) == nt.STATUS_INVALID_PRIMARY_GROUP


@needs_root
def test_administrators_and_root_bypass_the_descriptor(acl_share: Share, as_user: Become) -> None:
    fo = acl_share.create("file", token=as_user(ALICE))
    set_sd(fo, "D:P")
    close.close_file(fo)
    credentials.become_root()
    root = SecurityToken(BOB.user_sid, BOB.sids, privileges=SE_ALL_PRIVILEGES, uid=0, gid=0)
    fo = acl_share.open("file", GENERIC_ALL, token=root)
    assert fo.granted_access == FILE_ALL_ACCESS
    set_sd(fo, f"D:(A;;FA;;;{B})")


@needs_root
def test_an_open_directory_of_root_is_everybodys(acl_share: Share, as_user: Become) -> None:
    (acl_share.root / "dir").mkdir()
    (acl_share.root / "dir").chmod(0o777)
    token = as_user(ALICE)
    for name in ("", "dir"):
        for access in (GENERIC_ALL, MAXIMUM_ALLOWED):
            fo = acl_share.open(name, access, options=FILE_DIRECTORY_FILE, token=token)
            assert fo.granted_access == FILE_ALL_ACCESS
            close.close_file(fo)


@needs_root
def test_a_changed_posix_acl_voids_the_descriptor_at_once(acl_share: Share, as_user: Become) -> None:
    fo = acl_share.create("file", token=as_user(ALICE))
    set_sd(fo, f"D:(A;;FA;;;{A})(A;;FR;;;{B})")
    assert "(A;;FR;;;" in get_sd(fo)
    credentials.become_root()
    before = stat_of(acl_share, "file").st_mode
    acl = list(acl_of(acl_share, "file") or ())
    acl[1] = PosixAce(ACL_USER, 0, BOB.uid)
    os.setxattr(acl_share.root / "file", posix_acl.ACCESS_XATTR, posix_acl.pack(tuple(acl)))
    assert stat_of(acl_share, "file").st_mode == before
    as_user(ALICE)
    assert f"(A;;FR;;;{B})" not in get_sd(fo)
    # A change of something else leaves it.
    set_sd(fo, f"D:(A;;FA;;;{A})(A;;FR;;;{B})")
    with credentials.as_root():
        os.utime(acl_share.root / "file")
    assert get_sd(fo) == f"D:(A;;FA;;;{A})(A;;FR;;;{B})"


@needs_root
def test_a_new_file_cannot_be_given_away_nor_audited(acl_share: Share, as_user: Become) -> None:
    token = as_user(ALICE)
    other = from_sddl(f"O:{B}D:(A;;FA;;;WD)").pack()
    assert status_of(lambda: acl_share.create("a", token=token, security_descriptor=other)) == nt.STATUS_INVALID_OWNER
    audited = from_sddl("D:(A;;FA;;;WD)S:(AU;SA;FA;;;WD)").pack()
    refused = status_of(lambda: acl_share.create("b", token=token, security_descriptor=audited))
    assert refused == nt.STATUS_PRIVILEGE_NOT_HELD
    with credentials.as_root():
        assert list(acl_share.root.iterdir()) == []


@needs_root
@pytest.mark.parametrize("in_descriptor", [False, True])
def test_inherit_owner(acl_share: Share, as_user: Become, *, in_descriptor: bool) -> None:
    as_user(BOB)
    fo = acl_share.mkdir("dir", token=BOB)
    set_sd(fo, "D:(A;OICI;FA;;;WD)")
    close.close_file(fo)
    options = acl_share.volume.options
    options.inherit_owner, options.inherit_owner_in_descriptor = True, in_descriptor
    fo = acl_share.create("dir\\file", token=as_user(ALICE))
    assert stat_of(acl_share, "dir/file").st_uid == BOB.uid
    assert get_sd(fo, OWNER_SECURITY_INFORMATION) == f"O:{B if in_descriptor else A}"


def test_inherit_acls_lets_the_default_acl_decide(make_share: MakeShare) -> None:
    share = make_share(inherit_acls=True, create_mask=0o600)
    default = (
        PosixAce(ACL_USER_OBJ, 7), PosixAce(ACL_USER, 6, 54001), PosixAce(ACL_GROUP_OBJ, 4),
        PosixAce(ACL_MASK, 6), PosixAce(ACL_OTHER, 0),
    )  # fmt: skip
    share.mkdir("plain")
    share.mkdir("dir")
    os.setxattr(share.root / "dir", posix_acl.DEFAULT_XATTR, posix_acl.pack(default))
    share.create("dir\\file")
    assert acl_of(share, "dir/file") == default
    share.create("plain\\file")
    assert acl_of(share, "plain/file") is None


def test_without_nt_acl_support(make_share: MakeShare) -> None:
    share = make_share(nt_acl_support=False)
    fo = share.create("file", security_descriptor=from_sddl("O:SYD:(A;;FR;;;WD)").pack())
    assert get_sd(fo, OWNER_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION) == "O:WDD:NO_ACCESS_CONTROL"
    mode = stat_of(share, "file").st_mode
    set_sd(fo, "D:(A;;FA;;;WD)")
    assert stat_of(share, "file").st_mode == mode


def test_without_acl_xattr_the_mode_is_all(make_share: MakeShare) -> None:
    share = make_share()
    fo = share.create("file", security_descriptor=from_sddl("D:(A;;FR;;;WD)").pack())
    assert mode_of(share, "file") == 0o444
    set_sd(fo, "D:(A;;0x0012019f;;;WD)")
    assert mode_of(share, "file") == 0o666


def test_a_list_counts_as_inherited_only_if_asked(acl_share: Share) -> None:
    fo = acl_share.create("file", token=acl_share.token)
    set_sd(fo, "D:AI(A;ID;FA;;;WD)")
    assert get_sd(fo) == "D:(A;ID;FA;;;WD)"
    set_sd(fo, "D:ARAI(A;ID;FA;;;WD)(D;;FR;;;SY)")
    assert get_sd(fo) == "D:AI(A;ID;FA;;;WD)(D;;FR;;;SY)"
    acl_share.volume.options.acl_flag_inherited_canonicalization = False
    set_sd(fo, "D:AI(A;;FA;;;WD)")
    assert get_sd(fo) == "D:AI(A;;FA;;;WD)"


@needs_root
def test_hidden_is_what_may_not_be_read_or_written(make_share: MakeShare, as_user: Become) -> None:
    share = make_share(hide_unreadable=True)
    share.root.chmod(0o755)
    for name, mode in (("open", 0o644), ("writable", 0o666), ("secret", 0o600)):
        (share.root / name).touch()
        (share.root / name).chmod(mode)
    (share.root / "closed").mkdir(0o700)
    (share.root / "dir").mkdir(0o755)
    token = as_user(ALICE)

    def listed() -> list[str]:
        fo = share.open("", FILE_READ_DATA, options=FILE_DIRECTORY_FILE, token=token)
        return sorted(entry.name for entry in directory.open_scan(fo, "*"))

    assert listed() == [".", "..", "dir", "open", "writable"]
    share.volume.options.hide_unwriteable_files = True
    assert listed() == [".", "..", "dir", "writable"]
    share.volume.options.hide_unreadable = False
    assert listed() == [".", "..", "closed", "dir", "writable"]


@needs_root
def test_rights_by_parameters(make_share: MakeShare, as_user: Become) -> None:
    share = make_share()
    (share.root / "file").touch()
    (share.root / "file").chmod(0o664)
    os.chown(share.root / "file", 0, BOB.gid)
    share.root.chmod(0o755)
    token = as_user(BOB)
    options = share.volume.options
    assert status_of(lambda: share.open("file", WRITE_DAC, token=token)) == nt.STATUS_ACCESS_DENIED
    options.acl_group_control = True
    fo = share.open("file", WRITE_DAC, token=token)
    set_sd(fo, "D:(A;;0x0012019f;;;WD)")
    assert mode_of(share, "file") == 0o666
    options.acl_group_control = False
    options.access_rules = AccessRules(dos_filemode=True)
    assert share.open("file", WRITE_DAC | DELETE, token=token).granted_access == WRITE_DAC | DELETE
    assert status_of(lambda: share.open("file", FILE_EXECUTE, token=token)) == nt.STATUS_ACCESS_DENIED
    options.always_granted = FILE_EXECUTE
    assert share.open("file", FILE_EXECUTE, token=token).granted_access == FILE_EXECUTE


@needs_root
def test_attributes_are_readable_where_nothing_else_is(acl_share: Share, as_user: Become) -> None:
    fo = acl_share.create("file", token=as_user(ALICE))
    set_sd(fo, "D:P")
    close.close_file(fo)
    fo = acl_share.open("file", FILE_READ_ATTRIBUTES, token=as_user(BOB))
    assert fo.granted_access == FILE_READ_ATTRIBUTES


@needs_root
def test_a_new_file_may_be_read_only_for_its_creator(acl_share: Share, as_user: Become) -> None:
    token = as_user(ALICE)
    given = from_sddl(f"D:P(A;;FR;;;{A})").pack()
    entries = [EaEntry(b"NAME", b"value")]
    fo = acl_share.create("file", token=token, security_descriptor=given, extended_attributes=entries)
    assert [entry.value for entry in ea.query(fo)] == [b"value"]
    assert mode_of(acl_share, "file") == 0o400
    assert get_sd(fo) == f"D:P(A;;FR;;;{A})"


def test_the_descriptor_is_no_ea(make_share: MakeShare) -> None:
    share = make_share(acl_xattr=True, acl_xattr_name="user.hackme")
    fo = share.create("file", security_descriptor=from_sddl("D:(A;;FA;;;WD)").pack())
    entry = EaEntry(b"HackMe", b"\x00")
    assert status_of(lambda: ea.set_eas(fo, [entry])) == nt.STATUS_ACCESS_DENIED
    assert ea.query(fo) == []
    ea.replace_all(fo, [])
    assert get_sd(fo) == "D:(A;;FA;;;WD)"


@needs_root
@pytest.mark.parametrize("kind", [0, FILE_DIRECTORY_FILE])
def test_delete_granted_by_the_file_needs_no_writable_directory(acl_share: Share, as_user: Become, kind: int) -> None:
    token = as_user(ALICE)
    close.close_file(acl_share.mkdir("dir", token=token))
    fo = acl_share.open("dir\\victim", FILE_ALL_ACCESS, FILE_CREATE, kind, token=token)
    set_sd(fo, f"D:(A;;FA;;;{A})(A;;SDRC;;;{B})")
    close.close_file(fo)
    token = as_user(BOB)
    assert status_of(lambda: acl_share.create("dir\\new", token=token)) == nt.STATUS_ACCESS_DENIED
    close.close_file(acl_share.open("dir\\victim", DELETE, options=kind | FILE_DELETE_ON_CLOSE, token=token))
    with credentials.as_root():
        assert list((acl_share.root / "dir").iterdir()) == []


@needs_root
def test_descriptors_alone(acl_share: Share, as_user: Become) -> None:
    options = acl_share.volume.options
    options.acl_ignores_posix, options.create_mask = True, 0o666
    fo = acl_share.create("file", token=as_user(ALICE))
    mode = mode_of(acl_share, "file")
    set_sd(fo, f"D:(A;;FA;;;{A})(A;;FR;;;{B})")
    close.close_file(fo)
    assert (mode, acl_of(acl_share, "file")) == (0o666, None)
    assert mode_of(acl_share, "file") == mode
    with credentials.as_root():
        (acl_share.root / "file").chmod(0o606)
    token = as_user(BOB)
    fo = acl_share.open("file", FILE_GENERIC_READ, token=token)
    assert get_sd(fo) == f"D:(A;;FA;;;{A})(A;;FR;;;{B})"
    assert status_of(lambda: acl_share.open("file", FILE_WRITE_DATA, token=token)) == nt.STATUS_ACCESS_DENIED
