"""Signatures: a published message, standard vectors, other implementations, and what must fail."""

from __future__ import annotations

import os
import struct

import pytest
from Cryptodome.Cipher import AES
from Cryptodome.Hash import CMAC, HMAC, SHA256
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given
from hypothesis import strategies as st

from smbd.crypto.signing import AesCmacSigner, make_signer
from smbd.wire.constants import (
    SMB2_CANCEL,
    SMB2_ECHO,
    SMB2_FLAGS_SERVER_TO_REDIR,
    SMB2_SIGNING_AES_CMAC,
    SMB2_SIGNING_AES_GMAC,
    SMB2_SIGNING_HMAC_SHA256,
)

ALGORITHMS = [SMB2_SIGNING_HMAC_SHA256, SMB2_SIGNING_AES_CMAC, SMB2_SIGNING_AES_GMAC]
KEY = bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c")


def message(command: int = SMB2_ECHO, flags: int = 8, message_id: int = 7, body: bytes = b"\4\0\0\0") -> bytearray:
    fields = (b"\xfeSMB", 64, 1, 0, command, 1, flags, 0, message_id, 0, 0, 5, b"x" * 16)
    return bytearray(struct.pack("<4sHHIHHIIQIIQ16s", *fields) + body)


def test_published_session_setup_response() -> None:
    response = bytearray.fromhex(
        "FE534D4240000100000000000100800009000000000000000300000000000000FFFE000000000000"
        "1900000000100000EBE146DA120BA25FC3376A49DFE31BC10900000048001D00A11B3019A0030A01"
        "00A3120410010000003B453CDC3524164200000000"
    )
    signer = make_signer(SMB2_SIGNING_AES_CMAC, bytes.fromhex("73FE7A9A77BEF0BDE49C650D8CCB5F76"))
    assert signer.verify(memoryview(response))
    signature = bytes(response[48:64])
    response[48:64] = bytes(16)
    signer.sign(memoryview(response))
    assert response[48:64] == signature


def test_hmac_and_cmac_against_another_library() -> None:
    for algorithm, reference in (
        (SMB2_SIGNING_HMAC_SHA256, lambda data: HMAC.new(KEY, data, SHA256).digest()[:16]),
        (SMB2_SIGNING_AES_CMAC, lambda data: CMAC.new(KEY, data, AES).digest()),
    ):
        signed = message(body=os.urandom(77))
        make_signer(algorithm, KEY).sign(memoryview(signed))
        zeroed = bytes(signed[:48]) + bytes(16) + bytes(signed[64:])
        assert signed[48:64] == reference(zeroed)


def test_cmac_of_rfc_4493() -> None:
    """The 64-byte example holds no zero field: run it through the base object that signing copies."""
    text = bytes.fromhex(
        "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
        "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710"
    )
    mac = AesCmacSigner(KEY)._base.copy()
    mac.update(text)
    assert mac.finalize().hex() == "51f0bebf7e3b9d92fc49741779363cfe"


@pytest.mark.parametrize(
    ("command", "flags", "role"),
    [(SMB2_ECHO, 8, 0), (SMB2_ECHO, 8 | SMB2_FLAGS_SERVER_TO_REDIR, 1), (SMB2_CANCEL, 8, 2)],
)
def test_gmac_nonce(command: int, flags: int, role: int) -> None:
    signed = message(command, flags, 0x1122334455667788)
    make_signer(SMB2_SIGNING_AES_GMAC, KEY).sign(memoryview(signed))
    nonce = (0x1122334455667788).to_bytes(8, "little") + role.to_bytes(4, "little")
    gcm = Cipher(algorithms.AES(KEY), modes.GCM(nonce)).encryptor()
    gcm.authenticate_additional_data(bytes(signed[:48]) + bytes(16) + bytes(signed[64:]))
    gcm.finalize()
    assert signed[48:64] == gcm.tag


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@given(body=st.binary(max_size=300), position=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_any_flipped_bit_is_noticed(algorithm: int, body: bytes, position: int, bit: int) -> None:
    signer = make_signer(algorithm, KEY)
    signed = message(body=body)
    signer.sign(memoryview(signed))
    before = bytes(signed)
    assert signer.verify(memoryview(signed))
    assert signer.verify(memoryview(before))  # read-only
    assert signed == before
    signed[position % len(signed)] ^= 1 << bit
    changed = bytes(signed)
    assert not signer.verify(memoryview(signed))
    assert signed == changed


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_too_short_to_be_signed(algorithm: int) -> None:
    signer = make_signer(algorithm, KEY)
    for length in (0, 47, 63):
        assert not signer.verify(memoryview(bytes(length)))


def test_unknown_algorithm() -> None:
    with pytest.raises(ValueError, match="unknown signing algorithm 3"):
        make_signer(3, KEY)
