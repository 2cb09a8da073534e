"""The hash chain against the messages of Microsoft's published example."""

from __future__ import annotations

import hashlib

from smbd.crypto.preauth import HASH_LENGTH, PreauthHash

CONNECTION = bytes.fromhex(
    "324BFA92A4F3A190E466EBEA08D9C110DC88BFED758D9846ECC6F541CC1D02AE"
    "3C94A79F36011E997E13F841B91B50957AD07B19C8E2539C0B23FDAE09D2C513"
)
SESSION_SETUP_REQUEST = bytes.fromhex(
    "FE534D4240000100000000000100800000000000000000000200000000000000FFFE000000000000"
    "00000000000000000000000000000000000000000000000019000001010000000000000058004A00"
    "0000000000000000604806062B0601050502A03E303CA00E300C060A2B06010401823702020AA22A"
    "04284E544C4D5353500001000000978208E200000000000000000000000000000000060380250000000F"
)
AFTER_REQUEST = bytes.fromhex(
    "AC0B0F2B9986257700365E416D142A6EDC96DF03594A19E52A15F6BD0D041CD5"
    "D432F8ED42C55E33197A50C9EC00F1462B50C592211B1471A04B56088FDFD5F9"
)


def test_published_vector() -> None:
    chain = PreauthHash(CONNECTION)
    chain.update(memoryview(SESSION_SETUP_REQUEST))
    assert chain.value == AFTER_REQUEST


def test_starts_with_zeros() -> None:
    chain = PreauthHash()
    assert chain.value == bytes(HASH_LENGTH)
    chain.update(b"negotiate")
    assert chain.value == hashlib.sha512(bytes(64) + b"negotiate").digest()


def test_sessions_continue_copies() -> None:
    connection = PreauthHash(CONNECTION)
    session = connection.copy()
    session.update(b"session setup")
    assert connection.value == CONNECTION != session.value
