"""Encryption of messages ([MS-SMB2] 3.1.4.3): AES-CCM and AES-GCM with 128 and 256 bit keys.

Works in place in the caller's buffer. The library puts the tag behind the ciphertext, SMB puts it into the
transform header before it; so sealing wants 16 spare bytes behind the message, and unsealing borrows the
16 bytes behind it for the time of the call.

A nonce must never repeat under one key. It is a counter, behind a random prefix; one sealer is the only
user of its key (a session has one per direction, shared by its channels).
"""

from __future__ import annotations

import os
import struct
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESCCM, AESGCM

from smbd.wire.constants import (
    SMB2_ENCRYPTION_AES128_CCM,
    SMB2_ENCRYPTION_AES128_GCM,
    SMB2_ENCRYPTION_AES256_CCM,
    SMB2_ENCRYPTION_AES256_GCM,
)

TRANSFORM_LENGTH: Final = 52
TAG_LENGTH: Final = 16

CCM_NONCE_LENGTH: Final = 11
GCM_NONCE_LENGTH: Final = 12

_COUNTER: Final = struct.Struct("<Q")

# The header behind its signature: nonce, OriginalMessageSize, Reserved, Flags, SessionId. It is the AAD.
_PROTOCOL_ID: Final = b"\xfdSMB"
_SIGNATURE_AT: Final = 4
_AAD_AT: Final = 20
_HEADER: Final = struct.Struct("<4s16x16sIHHQ")  # ProtocolId, no signature yet, the AAD
_NONCE_FIELD: Final = 16
_TAG: Final = struct.Struct("16s")
_FLAGS_ENCRYPTED: Final = 1

_GCM_CIPHERS: Final = {SMB2_ENCRYPTION_AES128_GCM: 16, SMB2_ENCRYPTION_AES256_GCM: 32}
_CCM_CIPHERS: Final = {SMB2_ENCRYPTION_AES128_CCM: 16, SMB2_ENCRYPTION_AES256_CCM: 32}


class SealError(Exception):
    """A message could not be unsealed (it must be treated as an attack), or the nonces are used up."""


class Sealer:
    """One direction of an encrypted session: one cipher, one key.

    Attributes:
        counter: how many messages were sealed; the next nonce.
    """

    __slots__ = ("_decrypt", "_encrypt", "_prefix", "_unpack", "counter")

    def __init__(self, aead: AESGCM | AESCCM, nonce_length: int) -> None:
        self._encrypt = aead.encrypt_into
        self._decrypt = aead.decrypt_into
        # Signature, nonce, OriginalMessageSize.
        self._unpack = struct.Struct(f"<4x16s{nonce_length}s{_NONCE_FIELD - nonce_length}xI").unpack_from
        # Behind the counter: two server lives that came to the same key would still differ.
        self._prefix = os.urandom(nonce_length - _COUNTER.size)
        self.counter = 0

    def seal(self, buf: memoryview, start: int, length: int, session_id: int) -> int:
        """Seal in place and write the SMB2 TRANSFORM_HEADER.

        Args:
            buf: writable; the plaintext lies at ``buf[start+52 : start+52+length]`` and 16 bytes behind it
                are free to be overwritten.
            start: where the transform header goes.
            length: of the plaintext.
            session_id: for the header.

        Returns:
            the length of the sealed message, header included.

        Raises:
            SealError: the counter is at its end: the session has to be set up anew.
        """
        counter = self.counter
        try:
            nonce = _COUNTER.pack(counter) + self._prefix
        except struct.error:
            raise SealError("all nonces of this key are used") from None
        self.counter = counter + 1
        begin = start + TRANSFORM_LENGTH
        end = begin + length
        tag_end = end + TAG_LENGTH
        aad = start + _AAD_AT
        _HEADER.pack_into(buf, start, _PROTOCOL_ID, nonce, length, 0, _FLAGS_ENCRYPTED, session_id)
        encrypt = self._encrypt
        encrypt(nonce, buf[begin:end], buf[aad:begin], buf[begin:tag_end])
        buf[start + _SIGNATURE_AT : aad] = buf[end:tag_end]
        return TRANSFORM_LENGTH + length

    def unseal(self, buf: memoryview, start: int, length: int) -> None:
        """Unseal the transformed message at ``buf[start : start+length]`` in place.

        The plaintext ends up at ``buf[start+52 : start+length]``; at least 16 bytes must exist behind it,
        they are the same afterwards.

        Raises:
            SealError: it is not what was sealed with this key, or its size is not what its header says.
        """
        begin = start + TRANSFORM_LENGTH
        end = start + length
        if length < TRANSFORM_LENGTH:
            raise SealError("the size is less than that of a transform header")
        unpack, decrypt = self._unpack, self._decrypt
        signature, nonce, size = unpack(buf, start)
        if size != end - begin:
            raise SealError("the size of the message is not that of its transform header")
        (behind,) = _TAG.unpack_from(buf, end)
        _TAG.pack_into(buf, end, signature)
        try:
            decrypt(nonce, buf[begin : end + TAG_LENGTH], buf[start + _AAD_AT : begin], buf[begin:end])
        except InvalidTag:
            raise SealError("the message does not authenticate") from None
        finally:
            _TAG.pack_into(buf, end, behind)


def make_sealer(cipher: int, key: bytes) -> Sealer:
    """Return a sealer for a cipher id ([MS-SMB2] 2.2.3.1.2) and its key.

    Raises:
        ValueError: the cipher is unknown, or the key has the wrong length for it.
    """
    if _GCM_CIPHERS.get(cipher) == len(key):
        return Sealer(AESGCM(key), GCM_NONCE_LENGTH)
    if _CCM_CIPHERS.get(cipher) == len(key):
        return Sealer(AESCCM(key, tag_length=TAG_LENGTH), CCM_NONCE_LENGTH)
    raise ValueError(f"no cipher {cipher} with a key of {len(key)} bytes")
