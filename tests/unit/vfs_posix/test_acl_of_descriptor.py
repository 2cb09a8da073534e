"""What descriptors become as POSIX ACLs: never tighter than they are."""

from __future__ import annotations

import os

import pytest

from vfs.posix.acl_of_descriptor import Translator, groups_of
from vfs.posix.posix_acl import (
    ACL_GROUP,
    ACL_GROUP_OBJ,
    ACL_MASK,
    ACL_OTHER,
    ACL_USER,
    ACL_USER_OBJ,
    PosixAcl,
    from_mode,
    security_descriptor,
)
from vfs.security_sddl import from_sddl
from vfs.sid import SID_UNIX_GROUPS, SID_UNIX_USERS, Sid

TAGS = {
    ACL_USER_OBJ: "u", ACL_USER: "u", ACL_GROUP_OBJ: "g", ACL_GROUP: "g", ACL_MASK: "m", ACL_OTHER: "o",
}  # fmt: skip
OWNER, BOB, GROUP, STAFF = "S-1-22-1-1", "S-1-22-1-2", "S-1-22-2-1", "S-1-22-2-2"


def text(acl: PosixAcl | None) -> str | None:
    if acl is None:
        return None
    names = [f"{TAGS[tag]}{unix_id if tag in {ACL_USER, ACL_GROUP} else ''}:{perm}" for tag, perm, unix_id in acl]
    return " ".join(names)


def translator(*, directory: bool = False, members: dict[int, set[int]] | None = None) -> Translator:
    def uid(sid: Sid) -> int | None:
        return sid.rid if sid.in_domain(SID_UNIX_USERS) else None

    def gid(sid: Sid) -> int | None:
        return sid.rid if sid.in_domain(SID_UNIX_GROUPS) else None

    known = members or {}
    return Translator(
        1, 1, directory=directory, sid_to_uid=uid, sid_to_gid=gid, groups=lambda user: known.get(user, set())
    )


@pytest.mark.parametrize(
    ("dacl", "acl"),
    [
        ("(A;;FA;;;WD)", "u:7 g:7 o:7"),
        (f"(A;;FA;;;{OWNER})(A;;FR;;;{GROUP})", "u:7 g:4 o:0"),
        ("(A;;FR;;;AU)(A;;FX;;;BU)", "u:5 g:5 o:5"),
        ("(A;;GRGW;;;NU)", "u:6 g:6 o:6"),
        (f"(A;;FW;;;{BOB})", "u:4 u2:2 g:0 m:2 o:0"),
        (f"(A;;FR;;;WD)(A;;FW;;;{BOB})", "u:4 u2:6 g:4 m:6 o:4"),
        (f"(D;;FW;;;{BOB})(A;;FA;;;WD)", "u:7 u2:5 g:7 m:7 o:7"),
        (f"(A;;FW;;;WD)(D;;FW;;;{BOB})", "u:6 u2:2 g:2 m:2 o:2"),
        (f"(A;;FR;;;{STAFF})(A;;FX;;;WD)", "u:5 g:1 g2:5 m:5 o:1"),
        (f"(A;;FR;;;{GROUP})", "u:4 g:4 o:0"),
        (f"(A;IO;FA;;;{BOB})(A;;FA;;;CO)(A;;FA;;;S-1-5-21-1-2-3-4)", "u:4 g:0 o:0"),
        ("(A;;FA;;;S-1-3-4)", "u:7 g:0 o:0"),
        ("(AU;SA;FA;;;WD)(A;;0x00000004;;;WD)", "u:6 g:2 o:2"),
    ],
)
def test_files(dacl: str, acl: str) -> None:
    assert text(translator().access_acl(from_sddl(f"O:{OWNER}G:{GROUP}D:{dacl}"))) == acl


def test_users_have_what_their_groups_have() -> None:
    sd = from_sddl(f"O:{OWNER}D:(A;;FW;;;{BOB})(A;;FR;;;{STAFF})(A;;FX;;;{GROUP})")
    found = translator(members={1: {2}, 2: {1, 2}}).access_acl(sd)
    assert text(found) == "u:4 u2:7 g:1 g2:4 m:7 o:0"


def test_directories_are_passable_for_whoever_has_a_right() -> None:
    sd = from_sddl(f"O:{OWNER}G:{GROUP}D:(A;;0x00000002;;;{BOB})(A;;0x00000040;;;{STAFF})(A;;0x00000080;;;WD)")
    assert text(translator(directory=True).access_acl(sd)) == "u:7 u2:3 g:0 g2:3 m:3 o:0"


def test_no_list_is_no_protection() -> None:
    assert text(translator().access_acl(from_sddl("O:SYD:NO_ACCESS_CONTROL"))) == "u:7 g:7 o:7"
    assert translator(directory=True).default_acl(from_sddl("O:SYD:NO_ACCESS_CONTROL")) is None


def test_the_default_acl_is_what_is_passed_on() -> None:
    sd = from_sddl(f"O:{OWNER}G:{GROUP}D:(A;OICIIO;FA;;;CO)(A;OICIIO;FR;;;CG)(A;CI;FR;;;{BOB})(A;;FA;;;WD)")
    assert text(translator(directory=True).default_acl(sd)) == "u:7 u2:5 g:5 m:5 o:0"
    named = from_sddl(f"O:{OWNER}G:{GROUP}D:(A;OICI;FA;;;{OWNER})(A;OICI;FR;;;{GROUP})(A;OI;FX;;;S-1-5-21-9)")
    assert text(translator(directory=True).default_acl(named)) == "u:7 u1:7 g:0 g1:5 m:7 o:0"
    assert translator(directory=True).default_acl(from_sddl("O:SYD:(A;;FA;;;WD)")) is None


def test_an_owner_that_is_nobody_here_is_the_owner() -> None:
    sd = from_sddl("O:S-1-5-21-1-2-3-4G:S-1-5-21-1-2-3-5D:(A;;FA;;;S-1-5-21-1-2-3-4)(A;;FR;;;S-1-5-21-1-2-3-5)")
    assert text(translator().access_acl(sd)) == "u:7 g:4 o:0"


def test_a_mode_comes_back() -> None:
    for mode in range(0o1000):
        # A class can do what everyone can, and the owner can read: only modes that honour that come back.
        if mode & 7 & ~(mode >> 3 & 7) or mode & 7 & ~(mode >> 6) or not mode & 0o400:
            continue
        assert translator().access_acl(security_descriptor(0o100000 | mode, 1, 1)) == from_mode(mode)


def test_groups_of_the_name_service() -> None:
    assert set(groups_of(0)) >= {0}
    assert groups_of(0xFFFFFFF0) == frozenset()
    assert os.getuid() >= 0
