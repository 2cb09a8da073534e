"""SIDs: text and binary form."""

from __future__ import annotations

import random

import pytest

from vfs.sid import SID_SYSTEM, WELL_KNOWN, Sid, SidError, unix_group_sid, unix_user_sid


@pytest.mark.parametrize(
    "text", ["S-1-0-0", "S-1-5-18", "S-1-5-21-1-2-4294967295-513", "S-1-22-1-1000", "S-1-0x123456789abc-7"]
)
def test_text_round_trip(text):
    sid = Sid(text)
    assert str(sid) == text
    assert Sid(bytes(sid)) == sid
    assert hash(Sid(bytes(sid))) == hash(sid)
    assert f"{sid}" == text
    assert repr(sid) == f"Sid('{text}')"


def test_binary_form():
    assert bytes(SID_SYSTEM) == bytes.fromhex("010100000000000512000000")
    assert SID_SYSTEM.authority == 5
    assert SID_SYSTEM.sub_authorities == (18,)


@pytest.mark.parametrize(
    "text",
    [
        "", "S-1", "S-2-5-18", "S-1-5-", "S-1-5-x", "S-1-5-4294967296", "S-1-281474976710656", "S-1-5" + "-1" * 16,
        "S-1-5-18 ",
    ],
)
def test_bad_text(text):
    with pytest.raises(SidError):
        Sid(text)


def test_truncation_and_garbage_raise_only_sid_error():
    rng = random.Random(1)
    whole = bytes(Sid("S-1-5-21-1-2-3-1000"))
    for length in range(len(whole)):
        with pytest.raises(SidError):
            Sid(whole[:length])
        with pytest.raises(SidError):
            Sid.unpack_from(whole, 0, length)
    for _ in range(2000):
        blob = rng.randbytes(rng.randrange(80))
        try:
            Sid(blob)
            Sid.unpack_from(blob, rng.randrange(-2, 90), rng.randrange(90))
        except SidError:
            pass


def test_domain_and_child():
    domain = Sid("S-1-5-21-1-2-3")
    user = domain.child(1000)
    assert user.rid == 1000
    assert user.domain == domain
    assert user.in_domain(domain)
    assert not domain.in_domain(domain)
    assert not user.child(1).in_domain(domain)
    with pytest.raises(SidError):
        domain.child(1 << 32)
    with pytest.raises(SidError):
        _ = Sid("S-1-5").domain


def test_unix_sids_and_names():
    assert str(unix_user_sid(1000)) == "S-1-22-1-1000"
    assert str(unix_group_sid(0)) == "S-1-22-2-0"
    assert WELL_KNOWN[Sid("S-1-1-0")] == "Everyone"
