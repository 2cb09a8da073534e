"""Sealing: published messages, another library, what must fail, and what must not be touched."""

from __future__ import annotations

import os

import pytest
from Cryptodome.Cipher import AES
from hypothesis import given
from hypothesis import strategies as st

from smbd.crypto.kdf import derive_session_keys
from smbd.crypto.sealing import SealError, make_sealer
from smbd.wire.constants import (
    SMB2_DIALECT_300,
    SMB2_DIALECT_311,
    SMB2_ENCRYPTION_AES128_CCM,
    SMB2_ENCRYPTION_AES128_GCM,
    SMB2_ENCRYPTION_AES256_CCM,
    SMB2_ENCRYPTION_AES256_GCM,
)

CIPHERS = [
    (SMB2_ENCRYPTION_AES128_CCM, 16, 11),
    (SMB2_ENCRYPTION_AES128_GCM, 16, 12),
    (SMB2_ENCRYPTION_AES256_CCM, 32, 11),
    (SMB2_ENCRYPTION_AES256_GCM, 32, 12),
]

# Microsoft's examples of an encrypted WRITE response, CCM of 3.0 and GCM of 3.1.1.
RESPONSE_30 = bytes.fromhex(
    "FD534D42A6015530A18F6D9AFFE22AFAE8E66484860000000000000011000014"
    "00E4080050000000000001001100001400E40800DBF46435C5F14169293CE079"
    "E344479BF670227E49873F458672C3098DAC467DD5809F369D67409166515787"
    "1483E01F7BECD02064EAC3E235F913668BBC2F097980D4B378F1993EFF6E60D1"
    "77309E5B"
)
PLAIN_30 = bytes.fromhex(
    "FE534D4240000100000000000900210009000000000000000400000000000000"
    "FFFE0000010000001100001400E4080000000000000000000000000000000000"
    "11000000170000000000000000000000"
)
RESPONSE_311 = bytes.fromhex(
    "FD534D42ACBE1CB7ED343ADF1725EF144D90D4B0E06831DD2E8EB7B4000000000000000050000000"
    "00000100250000000010000026BBBF949983A6C1C796559D0F2C510CB651D1F7B6AC8DED32A2A0B8"
    "F2D793A815C6F6B848D69767A215841A42D400AE6DDB5F0B44173A014973321FDD7950DA6179159B"
    "82E03C9E18A050FF0EA1C967"
)
PLAIN_311 = bytes.fromhex(
    "FE534D4240000100000000000900010001000000000000000500000000000000FFFE000001000000"
    "25000000001000000000000000000000000000000000000011000000170000000000000000000000"
)
PREAUTH_311 = bytes.fromhex(
    "B23F3CBFD69487D9832B79B1594A367CDD950909B774C3A4C412B4FCEA9EDDDBA7DB256BA2EA30E9"
    "77F11F9B113247578E0E915C6D2A513B8F2FCA5707DC8770"
)


def unsealed(cipher: int, key: bytes, sealed: bytes) -> bytes:
    buf = bytearray(sealed + b"next frame stays")
    make_sealer(cipher, key).unseal(memoryview(buf), 0, len(sealed))
    assert buf[len(sealed) :] == b"next frame stays"
    return bytes(buf[52 : len(sealed)])


def test_published_message_of_30() -> None:
    keys = derive_session_keys(SMB2_DIALECT_300, bytes.fromhex("B4546771B515F766A86735532DD6C4F0"))
    assert unsealed(SMB2_ENCRYPTION_AES128_CCM, keys.s2c_key, RESPONSE_30) == PLAIN_30


def test_published_message_of_311() -> None:
    key = bytes.fromhex("419FDDF34C1E001909D362AE7FB6AF79")
    keys = derive_session_keys(SMB2_DIALECT_311, key, PREAUTH_311, SMB2_ENCRYPTION_AES128_GCM)
    assert unsealed(SMB2_ENCRYPTION_AES128_GCM, keys.s2c_key, RESPONSE_311) == PLAIN_311


@pytest.mark.parametrize(("cipher", "key_length", "nonce_length"), CIPHERS)
def test_against_another_library(cipher: int, key_length: int, nonce_length: int) -> None:
    key, text = os.urandom(key_length), os.urandom(1000)
    buf = bytearray(b"before" + bytes(52) + text + bytes(16))
    assert make_sealer(cipher, key).seal(memoryview(buf), 6, len(text), 0x1122334455667788) == 1052
    sealed = bytes(buf[6:1058])
    assert buf[:6] == b"before"
    assert sealed[:4] == b"\xfdSMB"
    assert sealed[20 + nonce_length : 36] == bytes(16 - nonce_length)
    assert sealed[36:52] == bytes.fromhex("e8030000" "0000" "0100" "8877665544332211")
    nonce = sealed[20 : 20 + nonce_length]
    mode = AES.MODE_GCM if nonce_length == 12 else AES.MODE_CCM
    other = AES.new(key, mode, nonce, mac_len=16)
    other.update(sealed[20:52])
    assert other.decrypt_and_verify(sealed[52:], sealed[4:20]) == text


@pytest.mark.parametrize(("cipher", "key_length", "nonce_length"), CIPHERS)
@given(text=st.binary(max_size=200), start=st.integers(0, 20), position=st.integers(0), bit=st.integers(0, 7))
def test_round_trip_and_tampering(
    cipher: int, key_length: int, nonce_length: int, text: bytes, start: int, position: int, bit: int
) -> None:
    key = bytes(range(key_length))
    buf = bytearray(os.urandom(start) + bytes(52) + text + bytes(range(16)))
    length = make_sealer(cipher, key).seal(memoryview(buf), start, len(text), 1)
    assert length == 52 + len(text)
    sealed = bytes(buf[start : start + length])
    assert unsealed(cipher, key, sealed) == text
    damaged = bytearray(sealed)
    # The protocol id, and the nonce field behind the nonce's length, are for the codec and the AAD to judge.
    damaged[4 + position % (length - 4)] ^= 1 << bit
    with pytest.raises(SealError):
        unsealed(cipher, key, bytes(damaged))


def test_what_lies_behind_is_restored_after_a_failure() -> None:
    sealer = make_sealer(SMB2_ENCRYPTION_AES128_GCM, bytes(16))
    buf = bytearray(RESPONSE_311 + b"next frame stays")
    with pytest.raises(SealError, match="does not authenticate"):
        sealer.unseal(memoryview(buf), 0, len(RESPONSE_311))
    assert buf[-16:] == b"next frame stays"


@pytest.mark.parametrize("length", [0, 51, len(RESPONSE_311) - 1])
def test_cut_messages(length: int) -> None:
    sealer = make_sealer(SMB2_ENCRYPTION_AES128_GCM, bytes(16))
    buf = bytearray(RESPONSE_311 + bytes(16))
    with pytest.raises(SealError, match="size"):
        sealer.unseal(memoryview(buf), 0, length)


def test_nonces_differ_and_never_wrap() -> None:
    sealer = make_sealer(SMB2_ENCRYPTION_AES128_GCM, bytes(16))
    buf = bytearray(52 + 4 + 16)
    nonces = set()
    for _ in range(5):
        sealer.seal(memoryview(buf), 0, 4, 1)
        nonces.add(bytes(buf[20:36]))
    assert len(nonces) == 5
    sealer.counter = (1 << 64) - 1
    sealer.seal(memoryview(buf), 0, 4, 1)
    with pytest.raises(SealError, match="all nonces"):
        sealer.seal(memoryview(buf), 0, 4, 1)


@pytest.mark.parametrize(("cipher", "key"), [(0, bytes(16)), (5, bytes(16)), (SMB2_ENCRYPTION_AES256_GCM, bytes(16))])
def test_unusable_ciphers_and_keys(cipher: int, key: bytes) -> None:
    with pytest.raises(ValueError, match="no cipher"):
        make_sealer(cipher, key)
