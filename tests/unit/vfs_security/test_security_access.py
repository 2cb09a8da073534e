"""The access check as a table, and inheritance."""

from __future__ import annotations

import pytest

from vfs import access as a
from vfs.ntstatus import STATUS_ACCESS_DENIED, STATUS_PRIVILEGE_NOT_HELD, NTStatusError
from vfs.security import (
    Sid,
    access_check,
    create_security_descriptor,
    from_sddl,
    maximal_access,
    merge_security_descriptor,
    to_sddl,
)
from vfs.token import (
    SE_BACKUP_PRIVILEGE,
    SE_RESTORE_PRIVILEGE,
    SE_SECURITY_PRIVILEGE,
    SE_TAKE_OWNERSHIP_PRIVILEGE,
    SecurityToken,
    system_token,
)

USER = "S-1-5-21-1-2-3-1000"
GROUP = "S-1-5-21-1-2-3-513"
OWNED = a.READ_CONTROL | a.WRITE_DAC


def token(privileges: int = 0) -> SecurityToken:
    return SecurityToken(Sid(USER), [Sid(GROUP), Sid("S-1-1-0")], privileges=privileges, uid=1, gid=1)


@pytest.mark.parametrize(
    ("sddl", "maximal"),
    [
        ("D:NO_ACCESS_CONTROL", a.FILE_ALL_ACCESS),
        ("O:SY", a.FILE_ALL_ACCESS),
        ("O:SYD:", 0),
        (f"O:{USER}D:", OWNED),
        (f"O:{USER}D:(A;;0x1;;;OW)", 1),
        (f"O:{USER}D:(D;;FA;;;OW)", 0),
        ("O:SYD:(A;;FA;;;OW)", 0),
        (f"O:{USER}D:(A;IO;0x1;;;OW)", OWNED),
        (f"O:SYD:(A;;FR;;;{USER})", a.FILE_GENERIC_READ),
        (f"O:SYD:(A;;GR;;;{GROUP})", a.FILE_GENERIC_READ),
        ("O:SYD:(A;;GA;;;WD)", a.FILE_ALL_ACCESS),
        (f"O:SYD:(D;;0x1;;;{GROUP})(A;;0x3;;;WD)", 2),
        (f"O:SYD:(A;;0x3;;;WD)(D;;0x1;;;{GROUP})", 3),
        ("O:SYD:(A;IO;FA;;;WD)", 0),
        ("O:SYD:(A;;FA;;;BA)", 0),
        (f"O:{USER}D:(D;;RC;;;WD)(A;;0x1;;;WD)", OWNED | 1),
    ],
)
def test_maximal_access(sddl, maximal):
    sd = from_sddl(sddl)
    who = token()
    assert maximal_access(sd, who) == maximal
    assert maximal_access(sd, who) == maximal
    assert access_check(sd, who, a.MAXIMUM_ALLOWED) == maximal
    assert access_check(sd, system_token(), a.GENERIC_ALL) == a.FILE_ALL_ACCESS


def test_asked_rights_are_all_or_nothing():
    sd = from_sddl("O:SYD:(A;;FR;;;WD)")
    assert access_check(sd, token(), a.GENERIC_READ) == a.FILE_GENERIC_READ
    assert access_check(sd, token(), a.MAXIMUM_ALLOWED | a.FILE_READ_DATA) == a.FILE_GENERIC_READ
    for desired in (a.GENERIC_WRITE, a.FILE_READ_DATA | a.DELETE, a.MAXIMUM_ALLOWED | a.DELETE):
        with pytest.raises(NTStatusError) as error:
            access_check(sd, token(), desired)
        assert error.value.status == STATUS_ACCESS_DENIED


def test_privileges():
    sd = from_sddl("O:SYD:")
    with pytest.raises(NTStatusError) as error:
        access_check(sd, token(), a.ACCESS_SYSTEM_SECURITY)
    assert error.value.status == STATUS_PRIVILEGE_NOT_HELD
    assert access_check(sd, token(SE_SECURITY_PRIVILEGE), a.ACCESS_SYSTEM_SECURITY) == a.ACCESS_SYSTEM_SECURITY
    assert access_check(sd, token(SE_TAKE_OWNERSHIP_PRIVILEGE), a.WRITE_OWNER) == a.WRITE_OWNER
    backup = token(SE_BACKUP_PRIVILEGE)
    with pytest.raises(NTStatusError):
        access_check(sd, backup, a.FILE_READ_DATA)
    assert access_check(sd, backup, a.GENERIC_READ, backup_intent=True) == a.FILE_GENERIC_READ
    with pytest.raises(NTStatusError):
        access_check(sd, backup, a.FILE_WRITE_DATA, backup_intent=True)
    restore = token(SE_RESTORE_PRIVILEGE)
    assert access_check(sd, restore, a.WRITE_OWNER | a.DELETE, backup_intent=True) == a.WRITE_OWNER | a.DELETE


def test_cache_of_results_is_bounded():
    who = token()
    for number in range(600):
        maximal_access(from_sddl(f"D:(A;;{number};;;WD)"), who)
    assert len(who.access_cache) <= 512


@pytest.mark.parametrize(
    ("parent", "file", "directory"),
    [
        ("(A;OICI;FA;;;SY)", "(A;ID;FA;;;SY)", "(A;OICIID;FA;;;SY)"),
        ("(A;OI;FR;;;WD)", "(A;ID;FR;;;WD)", "(A;OIIOID;FR;;;WD)"),
        ("(A;CI;FR;;;WD)", None, "(A;CIID;FR;;;WD)"),
        ("(A;OICINP;FR;;;WD)", "(A;ID;FR;;;WD)", "(A;ID;FR;;;WD)"),
        ("(A;OINP;FR;;;WD)", "(A;ID;FR;;;WD)", None),
        ("(A;OICIIO;FR;;;WD)", "(A;ID;FR;;;WD)", "(A;OICIID;FR;;;WD)"),
        ("(A;OICIIO;FA;;;CO)", f"(A;ID;FA;;;{USER})", f"(A;ID;FA;;;{USER})(A;OICIIOID;FA;;;CO)"),
        ("(A;OICIIO;FR;;;CG)", f"(A;ID;FR;;;{GROUP})", f"(A;ID;FR;;;{GROUP})(A;OICIIOID;FR;;;CG)"),
        ("(A;OICI;GA;;;WD)", "(A;ID;FA;;;WD)", "(A;ID;FA;;;WD)(A;OICIIOID;GA;;;WD)"),
        ("(A;;FR;;;WD)", None, None),
    ],
)
def test_inheritance(parent, file, directory):
    sd = from_sddl(f"O:SYG:SYD:AI{parent}")
    for expected, is_dir in ((file, False), (directory, True)):
        made = create_security_descriptor(sd, None, token(), is_dir)
        default = f"D:(A;;FA;;;{USER})(A;;FA;;;SY)"
        assert to_sddl(made) == f"O:{USER}G:{GROUP}" + (f"D:AI{expected}" if expected else default)


def test_creator_descriptor_wins():
    parent = from_sddl("O:SYD:AI(A;OICI;FA;;;SY)S:(AU;OICISA;FA;;;WD)")
    given = from_sddl("O:BAD:(A;;GR;;;CO)")
    made = create_security_descriptor(parent, given, token(), is_dir=False)
    assert to_sddl(made) == f"O:BAG:{GROUP}D:(A;;FR;;;BA)S:(AU;SA;FA;;;WD)"
    merged = create_security_descriptor(parent, given, token(), is_dir=False, auto_inherit=True)
    assert to_sddl(merged) == f"O:BAG:{GROUP}D:AI(A;;FR;;;BA)(A;ID;FA;;;SY)S:(AU;SA;FA;;;WD)"
    alone = create_security_descriptor(parent, from_sddl("D:P(A;;FR;;;WD)"), token(), is_dir=False, auto_inherit=True)
    assert to_sddl(alone.part(4)) == "D:P(A;;FR;;;WD)"


def test_merge_replaces_only_what_is_named():
    old = from_sddl("O:SYG:SYD:(A;;FA;;;SY)S:(AU;SA;FA;;;WD)")
    new = from_sddl("O:BAG:BAD:PARAI(A;;GR;;;CO)")
    assert to_sddl(merge_security_descriptor(old, new, 1)) == "O:BAG:SYD:(A;;FA;;;SY)S:(AU;SA;FA;;;WD)"
    assert to_sddl(merge_security_descriptor(old, new, 4)) == "O:SYG:SYD:PAI(A;;FR;;;CO)S:(AU;SA;FA;;;WD)"
    assert to_sddl(merge_security_descriptor(old, new, 10)) == "O:SYG:BAD:(A;;FA;;;SY)"
