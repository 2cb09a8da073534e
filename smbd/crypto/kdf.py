"""Session keys of every dialect ([MS-SMB2] 3.1.4.2 and 3.3.5.5.3).

SMB 2.x signs with the session key itself. SMB 3.x derives each key with the counter mode KDF of NIST
SP 800-108 over HMAC-SHA-256 (r = 32): in 3.0 and 3.0.2 label and context are constants, in 3.1.1 the
context is the hash of all messages up to the last request of the session setup.
"""

from __future__ import annotations

import hmac
import struct
from typing import Final

import msgspec

from smbd.wire.constants import (
    SMB2_DIALECT_300,
    SMB2_DIALECT_311,
    SMB2_ENCRYPTION_AES256_CCM,
    SMB2_ENCRYPTION_AES256_GCM,
)

SESSION_KEY_LENGTH: Final = 16
"""Session.SessionKey is the first 16 bytes of what the authentication protocol produced, zero padded."""

_AES256_CIPHERS: Final = (SMB2_ENCRYPTION_AES256_CCM, SMB2_ENCRYPTION_AES256_GCM)
_COUNTER_ONE: Final = struct.pack(">I", 1)

# Label and context of the constant derivations of 3.0 and 3.0.2. "ServerIn " has a blank: it is part of it.
_SIGNING_30: Final = (b"SMB2AESCMAC\0", b"SmbSign\0")
_C2S_CIPHER_30: Final = (b"SMB2AESCCM\0", b"ServerIn \0")
_S2C_CIPHER_30: Final = (b"SMB2AESCCM\0", b"ServerOut\0")
_APPLICATION_30: Final = (b"SMB2APP\0", b"SmbRpc\0")

_SIGNING_311: Final = b"SMBSigningKey\0"
_C2S_CIPHER_311: Final = b"SMBC2SCipherKey\0"
_S2C_CIPHER_311: Final = b"SMBS2CCipherKey\0"
_APPLICATION_311: Final = b"SMBAppKey\0"


class SessionKeys(msgspec.Struct, frozen=True, gc=False):
    """The keys of one session.

    Attributes:
        signing_key: Session.SigningKey.
        s2c_key: what the server seals with (Session.EncryptionKey on the server); empty before 3.0.
        c2s_key: what the client seals with (Session.DecryptionKey on the server); empty before 3.0.
        application_key: Session.ApplicationKey, for protocols above SMB.
    """

    signing_key: bytes
    s2c_key: bytes
    c2s_key: bytes
    application_key: bytes


def kdf(key: bytes, label: bytes, context: bytes, bits: int) -> bytes:
    """Derive `bits` (at most 256) of key material; one round of HMAC-SHA-256 is always enough."""
    fixed = label + b"\0" + context + struct.pack(">I", bits)
    return hmac.digest(key, _COUNTER_ONE + fixed, "sha256")[: bits // 8]


def session_key_of(full_key: bytes) -> bytes:
    """Cut or pad an authentication protocol's key to Session.SessionKey ([MS-SMB2] 3.3.5.5.3)."""
    return full_key[:SESSION_KEY_LENGTH].ljust(SESSION_KEY_LENGTH, b"\0")


def derive_session_keys(
    dialect: int, session_key: bytes, preauth_hash: bytes = b"", cipher: int = 0
) -> SessionKeys:
    """Derive all keys of a session.

    Args:
        dialect: the negotiated SMB2_DIALECT_*.
        session_key: the key of the authentication protocol, in full length (Session.FullSessionKey):
            the 256-bit ciphers derive from all of it, the rest from its first 16 bytes.
        preauth_hash: Session.PreauthIntegrityHashValue; used by 3.1.1 only.
        cipher: Connection.CipherId, 0 if none.

    Returns:
        the keys; those that the dialect does not know are empty.
    """
    key = session_key_of(session_key)
    if dialect < SMB2_DIALECT_300:
        return SessionKeys(key, b"", b"", key)
    if dialect < SMB2_DIALECT_311:
        return SessionKeys(
            kdf(key, *_SIGNING_30, 128),
            kdf(key, *_S2C_CIPHER_30, 128),
            kdf(key, *_C2S_CIPHER_30, 128),
            kdf(key, *_APPLICATION_30, 128),
        )
    cipher_key, bits = (session_key, 256) if cipher in _AES256_CIPHERS else (key, 128)
    return SessionKeys(
        kdf(key, _SIGNING_311, preauth_hash, 128),
        kdf(cipher_key, _S2C_CIPHER_311, preauth_hash, bits),
        kdf(cipher_key, _C2S_CIPHER_311, preauth_hash, bits),
        kdf(key, _APPLICATION_311, preauth_hash, 128),
    )


def derive_channel_signing_key(dialect: int, session_key: bytes, preauth_hash: bytes = b"") -> bytes:
    """Derive Channel.SigningKey for a connection bound to a session ([MS-SMB2] 3.3.5.5.3).

    Args:
        dialect: the negotiated SMB2_DIALECT_*, 3.0 or later.
        session_key: the key of the authentication on the channel that is being bound.
        preauth_hash: the hash of the binding exchange on that channel; used by 3.1.1 only.

    Returns:
        the 16-byte signing key of the channel.
    """
    key = session_key_of(session_key)
    if dialect < SMB2_DIALECT_300:
        return key
    if dialect < SMB2_DIALECT_311:
        return kdf(key, *_SIGNING_30, 128)
    return kdf(key, _SIGNING_311, preauth_hash, 128)
