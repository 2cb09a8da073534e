"""Security descriptors: codec, cache and text form."""

from __future__ import annotations

import random

import pytest

from vfs import security_descriptor
from vfs.security import (
    Ace,
    Acl,
    SecurityDescriptor,
    SecurityDescriptorError,
    Sid,
    allow,
    canonical,
    deny,
    from_sddl,
    parse_cached,
    to_sddl,
)
from vfs.security_acl import ACCESS_ALLOWED_CALLBACK_ACE_TYPE, ACCESS_ALLOWED_OBJECT_ACE_TYPE

TEXTS = [
    "",
    "O:SYG:BA",
    "D:",
    "D:NO_ACCESS_CONTROL",
    "D:PAI(A;;FA;;;SY)",
    "O:S-1-22-1-1000G:S-1-22-2-1000D:P(A;OICI;0x001200a9;;;S-1-22-2-1002)(D;OICIIO;FA;;;CO)S:AI(AU;SAFA;FA;;;WD)",
    "D:AR(OA;CIID;CCDC;bf967aba-0de6-11d0-a285-00aa003049e2;;AU)".replace("CCDC", "0x00000003"),
]


def random_sd(rng: random.Random) -> SecurityDescriptor:
    def sid() -> Sid:
        return Sid.from_parts(rng.randrange(1 << 48), *(rng.randrange(1 << 32) for _ in range(rng.randrange(16))))

    def ace() -> Ace:
        kind = rng.choice([0, 1, 2, 9, 0x11, 0x12, ACCESS_ALLOWED_OBJECT_ACE_TYPE, 0x77])
        if kind == 0x77:
            return Ace(kind, rng.randrange(256), 0, None, data=rng.randbytes(4 * rng.randrange(9)))
        present = rng.randrange(4) if kind == ACCESS_ALLOWED_OBJECT_ACE_TYPE else 0
        return Ace(
            kind, rng.randrange(256), rng.randrange(1 << 32), sid(), present,
            rng.randbytes(16) if present & 1 else b"", rng.randbytes(16) if present & 2 else b"",
            rng.randbytes(4 * rng.randrange(5)) if kind == ACCESS_ALLOWED_CALLBACK_ACE_TYPE else b"",
        )  # fmt: skip

    def acl() -> Acl | None:
        return Acl(tuple(ace() for _ in range(rng.randrange(5)))) if rng.randrange(4) else None

    dacl, sacl = acl(), acl()
    control = 0x8000 | (4 if dacl else 0) | (0x10 if sacl else 0)
    owner, group = (sid() if rng.randrange(4) else None for _ in range(2))
    return SecurityDescriptor(owner, group, dacl, sacl, control)


def test_round_trip():
    rng = random.Random(2)
    for _ in range(300):
        sd = random_sd(rng)
        assert SecurityDescriptor.unpack(sd.pack()) == sd
        base = rng.randrange(200)
        assert SecurityDescriptor.unpack(bytes(base) + sd.pack(base), base) == sd


def test_truncation_and_damage_raise_only_the_declared_error():
    rng = random.Random(3)
    for _ in range(60):
        blob = bytearray(random_sd(rng).pack())
        for length in range(len(blob)):
            try:
                SecurityDescriptor.unpack(blob[:length])
            except SecurityDescriptorError:
                pass
        for _ in range(60):
            damaged = bytearray(blob)
            for _ in range(rng.randrange(1, 4)):
                damaged[rng.randrange(len(damaged))] = rng.randrange(256)
            try:
                SecurityDescriptor.unpack(damaged).pack()
            except SecurityDescriptorError:
                pass


def test_refused():
    good = from_sddl("O:SYD:(A;;FA;;;SY)").pack()
    for at, value in ((0, 2), (3, 0), (4, 8)):
        bad = bytearray(good)
        bad[at] = value
        with pytest.raises(SecurityDescriptorError):
            SecurityDescriptor.unpack(bad)
    with pytest.raises(SecurityDescriptorError):
        Acl(tuple(allow(Sid("S-1-1-0"), 1) for _ in range(4000))).pack()


def test_part_selects():
    sd = from_sddl("O:SYG:BAD:P(A;;FA;;;SY)S:(AU;SA;FA;;;WD)")
    assert to_sddl(sd.part(1)) == "O:SY"
    assert to_sddl(sd.part(6)) == "G:BAD:P(A;;FA;;;SY)"
    assert to_sddl(sd.part(8)) == "S:(AU;SA;FA;;;WD)"


def test_cache_returns_the_same_object_and_is_bounded():
    blob = from_sddl("O:SYD:(A;;FA;;;SY)").pack()
    assert parse_cached(blob) is parse_cached(bytes(bytearray(blob)))
    for number in range(security_descriptor._CACHE_SIZE + 10):
        parse_cached(SecurityDescriptor(Sid("S-1-22-1").child(number)).pack())
    assert len(security_descriptor._cache) <= security_descriptor._CACHE_SIZE


@pytest.mark.parametrize("text", TEXTS)
def test_sddl_round_trip(text):
    sd = from_sddl(text)
    assert to_sddl(sd) == text
    assert SecurityDescriptor.unpack(sd.pack()) == sd


@pytest.mark.parametrize(
    "text",
    ["X", "O:", "O:XX", "D:(A)", "D:(A;;FA;;;SY", "D:(Q;;FA;;;SY)", "D:(A;QQ;FA;;;SY)", "D:(A;;QQ;;;SY)", "O:SYO:SY",
     "D:(A;;FA;zz;;SY)", "D:(A;;FA;bf967aba-0de6-11d0-a285-00aa003049e2;;SY)", "D:NO_ACCESS_CONTROL(A;;FA;;;SY)",
     "D:(A;;0x123456789;;;SY)"],
)  # fmt: skip
def test_sddl_errors(text):
    with pytest.raises(SecurityDescriptorError):
        from_sddl(text)


def test_canonical_order():
    one, two = Sid("S-1-1-0"), Sid("S-1-5-18")
    inherited = deny(one, 1, 0x10)
    acl = Acl((inherited, allow(one, 1), deny(two, 1), allow(two, 2)))
    assert canonical(acl).aces == (deny(two, 1), allow(one, 1), allow(two, 2), inherited)
