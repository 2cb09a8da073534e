"""Keys against Microsoft's published vectors, and against two independent implementations."""

from __future__ import annotations

import os

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.kbkdf import KBKDFHMAC, CounterLocation, Mode
from impacket.crypto import KDF_CounterMode

from smbd.crypto.kdf import derive_channel_signing_key, derive_session_keys, kdf, session_key_of
from smbd.wire.constants import (
    SMB2_DIALECT_202,
    SMB2_DIALECT_210,
    SMB2_DIALECT_300,
    SMB2_DIALECT_302,
    SMB2_DIALECT_311,
    SMB2_ENCRYPTION_AES128_CCM,
    SMB2_ENCRYPTION_AES128_GCM,
    SMB2_ENCRYPTION_AES256_CCM,
    SMB2_ENCRYPTION_AES256_GCM,
)

PREAUTH = bytes.fromhex(
    "0DD13628CC3ED218EF9DF9772D436D0887AB9814BFAE63A80AA845F36909DB79"
    "28622DDDAD522D9751640A459762C5A9D6BB084CBB3CE6BDADEF5D5BCE3C6C01"
)


def test_published_vector_of_311() -> None:
    key = bytes.fromhex("270E1BA896585EEB7AF3472D3B4C75A7")
    keys = derive_session_keys(SMB2_DIALECT_311, key, PREAUTH, SMB2_ENCRYPTION_AES128_GCM)
    assert keys.signing_key.hex() == "73fe7a9a77bef0bde49c650d8ccb5f76"
    # Microsoft lists them from the client's side: it encrypts what goes to the server.
    assert keys.c2s_key.hex() == "629bcbc54422a0f572b97f45989b6073"
    assert keys.s2c_key.hex() == "e2af0dcefac68da71a0dfbd0d1350d74"
    assert keys.application_key.hex() == "6d7ad7954e9ec61e907b4d473dc178ff"
    assert derive_channel_signing_key(SMB2_DIALECT_311, key, PREAUTH) == keys.signing_key


@pytest.mark.parametrize("dialect", [SMB2_DIALECT_300, SMB2_DIALECT_302])
def test_published_vector_of_30(dialect: int) -> None:
    key = bytes.fromhex("7CD451825D0450D235424E44BA6E78CC")
    keys = derive_session_keys(dialect, key, b"ignored", SMB2_ENCRYPTION_AES128_CCM)
    assert keys.signing_key.hex() == "0b7e9c5cac36c0f6ea9ab275298cedce"
    assert keys.c2s_key.hex() == "fad27796665b313ebb578f388632b4f7"
    assert keys.s2c_key.hex() == "b0f0427f7ceb416d1d9dcc0cd4f99447"
    assert derive_channel_signing_key(dialect, key) == keys.signing_key


@pytest.mark.parametrize("dialect", [SMB2_DIALECT_202, SMB2_DIALECT_210])
def test_before_30_the_session_key_signs(dialect: int) -> None:
    key = os.urandom(16)
    keys = derive_session_keys(dialect, key)
    assert (keys.signing_key, keys.s2c_key, keys.c2s_key) == (key, b"", b"")
    assert derive_channel_signing_key(dialect, key) == key


@pytest.mark.parametrize("cipher", [SMB2_ENCRYPTION_AES256_CCM, SMB2_ENCRYPTION_AES256_GCM])
def test_256_bit_ciphers_use_the_whole_key(cipher: int) -> None:
    full = os.urandom(32)
    keys = derive_session_keys(SMB2_DIALECT_311, full, PREAUTH, cipher)
    assert keys.c2s_key == kdf(full, b"SMBC2SCipherKey\0", PREAUTH, 256)
    assert keys.s2c_key == kdf(full, b"SMBS2CCipherKey\0", PREAUTH, 256)
    assert len(keys.c2s_key) == len(keys.s2c_key) == 32
    short = derive_session_keys(SMB2_DIALECT_311, full[:16], PREAUTH, SMB2_ENCRYPTION_AES128_GCM)
    assert (keys.signing_key, keys.application_key) == (short.signing_key, short.application_key)


@pytest.mark.parametrize("bits", [128, 256])
def test_kdf_against_other_implementations(bits: int) -> None:
    key, label, context = os.urandom(16), b"SMBSigningKey\0", os.urandom(64)
    library = KBKDFHMAC(
        hashes.SHA256(), Mode.CounterMode, bits // 8, 4, 4, CounterLocation.BeforeFixed, label, context, None
    )
    assert kdf(key, label, context, bits) == library.derive(key)
    assert kdf(key, label, context, bits) == KDF_CounterMode(key, label, context, bits)


def test_session_key_is_cut_and_padded() -> None:
    assert session_key_of(bytes(range(32))) == bytes(range(16))
    assert session_key_of(b"short") == b"short" + bytes(11)
