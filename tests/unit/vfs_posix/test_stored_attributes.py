"""DOS attributes, NT ACLs and POSIX ACLs: values recorded from Samba 4.17, and our own."""

from __future__ import annotations

import os
import random

import pytest

from vfs.posix import dosattrib, ntacl, posix_acl
from vfs.posix.posix_acl import (
    ACL_GROUP,
    ACL_GROUP_OBJ,
    ACL_MASK,
    ACL_OTHER,
    ACL_USER,
    ACL_USER_OBJ,
    PosixAce,
)
from vfs.security import SecurityDescriptor, Sid, from_sddl, to_sddl
from vfs.security_acl import Acl, SecurityDescriptorError

CREATED = 0x01DD7A823E0AAAAA
OLD_FIELDS = "220000000500000088776655443322119900000000000000aaaa0a3e827add01bbbb0b3e827add01"


@pytest.mark.parametrize(
    ("blob", "expected"),
    [
        ("30783232000001000100 0000" + OLD_FIELDS, (0x22, CREATED, None)),
        ("30783232000002000200 0000 01000000" + OLD_FIELDS + "cccc0c3e827add016e6d00", (0x22, CREATED, None)),
        ("30783232000003000300 0000 3f000000" + OLD_FIELDS, (0x22, CREATED, None)),
        ("00000400040000005100000022000000cccc0c3e827add01aaaa0a3e827add01", (0x22, CREATED, 0x01DD7A823E0CCCCC)),
        ("00000500050000001100000022000000aaaa0a3e827add01", (0x22, CREATED, None)),
        ("00000500050000000100000003000000aaaa0a3e827add01", (3, None, None)),
        ("3078313030303230000003000300 0000 3f00000020001000" + OLD_FIELDS[8:], (0x100020, CREATED, None)),
        ("30783237", (0x27, None, None)),
        ("3078323700", (0x27, None, None)),
    ],
)
def test_dosattrib_of_samba(blob, expected):
    found = dosattrib.unpack(bytes.fromhex(blob))
    assert (found.attributes, found.create_time, found.itime) == expected


def test_dosattrib_written_like_samba():
    assert dosattrib.pack(0x22, CREATED).hex() == "00000500050000001100000022000000aaaa0a3e827add01"
    assert dosattrib.unpack(dosattrib.pack(0x10, 0)).create_time is None


def test_dosattrib_damage_raises_only_the_declared_error():
    rng = random.Random(4)
    for _ in range(3000):
        blob = bytearray(bytes.fromhex("30783232000003000300 0000 3f000000" + OLD_FIELDS))
        blob[rng.randrange(len(blob))] = rng.randrange(256)
        try:
            dosattrib.unpack(bytes(blob[: rng.randrange(len(blob) + 1)]))
        except dosattrib.DosAttribError:
            pass
    for bad in (b"", b"junk", b"\0\0\5\0\4\0" + bytes(18), b"\0\0\x09\0\x09\0" + bytes(18)):
        with pytest.raises(dosattrib.DosAttribError):
            dosattrib.unpack(bad)


#: A directory made by smbd with vfs_acl_xattr, owned by uid 0, gid 0, mode 040775, with this ACL as both ACLs.
NTACL = bytes.fromhex(
    "0400040000000200040002000100f338f6bae4f716b1b9081c8024235320d999aea002e219dd76e3d210ad5c3a1a"
    + "00" * 32
    + "706f7369785f61636c00ca606b8d827add010da4270ae6b917c1692ed2e29bf473082239edf9883d68cb10aecc5e00e7ee07"
    + "00" * 32
    + "01000480b4000000d000000000000000ec000000010500000000000515000000f24f6f9f33a03d81f630f8f9f5010000"
    "010500000000000515000000f24f6f9f33a03d81f630f8f90202000002008c000500000000002400ff011f0001050000"
    "0000000515000000f24f6f9f33a03d81f630f8f9f5010000000b1400ff011f0001010000000000030000000000002400"
    "a9001200010500000000000515000000f24f6f9f33a03d81f630f8f902020000000b1400a90012000101000000000003"
    "0100000000031400a9001200010100000000000100000000"
)
ACL = (
    PosixAce(ACL_USER_OBJ, 7), PosixAce(ACL_USER, 7, 0), PosixAce(ACL_GROUP_OBJ, 5),
    PosixAce(ACL_GROUP, 5, 0), PosixAce(ACL_MASK, 7), PosixAce(ACL_OTHER, 5),
)  # fmt: skip


def test_ntacl_of_samba():
    found = ntacl.unpack(NTACL)
    assert (found.version, found.hash_type, found.description) == (4, 1, b"posix_acl")
    domain = "S-1-5-21-2674872306-2168299571-4193792246"
    assert to_sddl(found.sd) == (
        f"O:{domain}-501G:{domain}-514D:(A;;FA;;;{domain}-501)(A;OICIIO;FA;;;CO)"
        f"(A;;0x001200a9;;;{domain}-514)(A;OICIIO;0x001200a9;;;CG)(A;OICI;0x001200a9;;;WD)"
    )
    assert found.sd.pack(160) == NTACL[160:]
    digest = ntacl.sys_acl_hash(0o40775, 0, 0, ACL, ACL)
    assert found.sys_acl_hash[:32] == digest
    posix_sd = posix_acl.security_descriptor(0o40775, 0, 0, ACL, ACL)
    assert ntacl.is_current(found, digest, posix_sd)
    assert not ntacl.is_current(found, ntacl.sys_acl_hash(0o40700, 0, 0, ACL, ACL), posix_sd)


def test_sys_acl_hash_of_samba_for_a_file():
    expected = "5dd2b193e43b4dc35157ee98c7526c731dd3e007cf250e67358da2c7ca90748e"
    assert ntacl.sys_acl_hash(0o100775, 0, 0, ACL).hex() == expected


def test_ntacl_written_is_read_back():
    sd = from_sddl("O:SYG:BAD:PAI(D;;0x2;;;BU)(A;ID;FA;;;WD)S:(AU;SA;FA;;;WD)")
    posix_sd = posix_acl.security_descriptor(0o100664, 5, 6)
    digest = ntacl.sys_acl_hash(0o100664, 5, 6)
    blob = ntacl.pack(sd, posix_sd, digest, 77)
    found = ntacl.unpack(blob)
    assert (to_sddl(found.sd), found.time) == (to_sddl(sd), 77)
    assert ntacl.is_current(found, digest, posix_sd)
    # The second hash saves the descriptor when only the first differs.
    assert ntacl.is_current(found, bytes(32), posix_sd)
    assert not ntacl.is_current(found, bytes(32), posix_acl.security_descriptor(0o100600, 5, 6))
    plain = ntacl.unpack(ntacl.pack_unhashed(sd))
    assert to_sddl(plain.sd) == to_sddl(sd)
    assert ntacl.is_current(plain, bytes(32), posix_sd)


def test_older_ntacl_versions():
    sd = from_sddl("O:SYD:(A;;FA;;;WD)")
    two = bytes.fromhex("020002000000020004000200") + b"h" * 16
    assert ntacl.unpack(two + sd.pack(len(two))).hash == b"h" * 16
    three = bytes.fromhex("0300030000000200040002000100") + b"h" * 64
    three += bytes(-len(three) % 4)
    found = ntacl.unpack(three + sd.pack(len(three)))
    assert (found.version, found.hash_type, found.hash, to_sddl(found.sd)) == (3, 1, b"h" * 64, to_sddl(sd))


def test_ntacl_damage_raises_only_the_declared_error():
    rng = random.Random(5)
    for length in range(len(NTACL)):
        try:
            ntacl.unpack(NTACL[:length])
        except ntacl.NtAclError:
            pass
    for _ in range(3000):
        blob = bytearray(NTACL)
        blob[rng.randrange(len(blob))] = rng.randrange(256)
        try:
            ntacl.unpack(bytes(blob))
        except ntacl.NtAclError:
            pass
    assert issubclass(ntacl.NtAclError, ValueError)
    assert not issubclass(SecurityDescriptorError, ntacl.NtAclError)


U, G = "S-1-22-1-1000", "S-1-22-2-1000"


@pytest.mark.parametrize(
    ("mode", "masks"),
    [
        (0o100000, ("", "", "")), (0o100111, ("FX", "FX", "FX")), (0o100222, ("FW", "FW", "FW")),
        (0o100333, ("0x001201b6",) * 3), (0o100444, ("FR",) * 3), (0o100555, ("0x001200a9",) * 3),
        (0o100640, ("0x0012019f", "FR", "")), (0o100777, ("0x001e01ff",) * 3), (0o040222, ("0x00120156",) * 3),
        (0o040333, ("0x001201f6",) * 3), (0o040666, ("0x001201df",) * 3), (0o041777, ("FA",) * 3),
    ],
)  # fmt: skip
def test_mode_as_samba_shows_it(mode, masks):
    expected = "".join(f"(A;;{mask};;;{sid})" for mask, sid in zip(masks, (U, G, "WD"), strict=True))
    sd = posix_acl.security_descriptor(mode, 1000, 1000)
    assert to_sddl(sd) == f"O:{U}G:{G}D:P{expected}"


@pytest.mark.parametrize(
    ("mode", "masks"),
    [
        (0o100666, ("0x001f019f",) * 3), (0o100751, ("FA", "0x001200a9", "FX")), (0o040757, ("FA", "0x001200a9", "FA")),
    ],
)  # fmt: skip
def test_dos_filemode_lets_writers_do_more(mode, masks):
    expected = "".join(f"(A;;{mask};;;{sid})" for mask, sid in zip(masks, (U, G, "WD"), strict=True))
    sd = posix_acl.security_descriptor(mode, 1000, 1000, rules=posix_acl.AccessRules(dos_filemode=True))
    assert to_sddl(sd) == f"O:{U}G:{G}D:P{expected}"


def test_without_acl_map_full_control_rwx_is_three_rights():
    rules = posix_acl.AccessRules(acl_map_full_control=False)
    assert posix_acl.access_of(7, is_dir=False, rules=rules) == 0x001201BF
    assert posix_acl.access_of(7, is_dir=True, rules=rules) == 0x001201FF


def test_what_a_directory_without_default_acl_passes_on():
    rules = posix_acl.AccessRules(dos_filemode=True)
    sd = SecurityDescriptor(dacl=Acl(posix_acl.inheritable_aces(0o755, rules)), control=0x8004)
    assert to_sddl(sd) == "D:(A;OICIIO;FA;;;CO)(A;OICIIO;0x001200a9;;;CG)(A;OICIIO;0x001200a9;;;WD)"


def test_acls_as_samba_shows_them():
    access = (
        PosixAce(ACL_USER_OBJ, 7), PosixAce(ACL_USER, 7, 1001), PosixAce(ACL_GROUP_OBJ, 5),
        PosixAce(ACL_GROUP, 5, 1002), PosixAce(ACL_MASK, 7), PosixAce(ACL_OTHER, 5),
    )  # fmt: skip
    default = (*access[:-1], PosixAce(ACL_OTHER, 0))
    assert to_sddl(posix_acl.security_descriptor(0o40775, 1000, 1000, access, default)) == (
        f"O:{U}G:{G}D:P(A;OICI;0x001200a9;;;S-1-22-2-1002)(A;OICI;FA;;;S-1-22-1-1001)(A;;FA;;;{U})"
        f"(A;;0x001200a9;;;{G})(A;;0x001200a9;;;WD)(A;OICIIO;FA;;;CO)(A;OICIIO;0x001200a9;;;CG)(A;OICIIO;;;;WD)"
    )
    masked = (*access[:2], PosixAce(ACL_GROUP_OBJ, 7), PosixAce(ACL_MASK, 4), PosixAce(ACL_OTHER, 4))
    assert to_sddl(posix_acl.security_descriptor(0o100744, 1000, 1000, masked)) == (
        f"O:{U}G:{G}D:P(A;;0x001e01ff;;;{U})(A;;FR;;;{G})(A;;FR;;;S-1-22-1-1001)(A;;FR;;;WD)"
    )
    same = Sid("S-1-5-18")
    one_to_one = posix_acl.security_descriptor(
        0o40775, 0, 0, ACL, ACL, uid_to_sid=lambda _: same, gid_to_sid=lambda _: Sid("S-1-5-32-544")
    )
    assert to_sddl(one_to_one) == (
        "O:SYG:BAD:P(A;OICI;FA;;;SY)(A;OICI;0x001200a9;;;BA)(A;OICI;0x001200a9;;;WD)"
        "(A;;0x001200a9;;;BA)(A;;FA;;;SY)(A;OICIIO;FA;;;CO)(A;OICIIO;0x001200a9;;;CG)"
    )


def test_posix_acl_codec(tmp_path):
    blob = posix_acl.pack(ACL)
    assert posix_acl.unpack(blob) == ACL
    for bad in (b"", blob[:-1], b"\3" + blob[1:], blob[:4] + b"\xff\0" + blob[6:]):
        with pytest.raises(posix_acl.PosixAclError):
            posix_acl.unpack(bad)
    path = tmp_path / "f"
    path.touch()
    acl = (PosixAce(ACL_USER_OBJ, 6), PosixAce(ACL_USER, 4, 12345), PosixAce(ACL_GROUP_OBJ, 4),
           PosixAce(ACL_MASK, 4), PosixAce(ACL_OTHER, 0))  # fmt: skip
    os.setxattr(path, posix_acl.ACCESS_XATTR, posix_acl.pack(acl))
    assert posix_acl.unpack(os.getxattr(path, posix_acl.ACCESS_XATTR)) == acl
