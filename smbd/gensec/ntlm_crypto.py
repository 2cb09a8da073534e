"""Keys and checksums of NTLM ([MS-NLMP] 3.3.2 and 3.4).

RC4, MD5 and HMAC-MD5 are what the protocol consists of; pyspnego brings them all.
"""

from __future__ import annotations

import hmac
import struct
from typing import Final

from spnego._ntlm_raw.crypto import rc4init, rc4k, sealkey, signkey

from smbd.gensec.ntlm_messages import (
    MIC_LENGTH,
    NTLMSSP_NEGOTIATE_EXTENDED_SESSIONSECURITY,
    NTLMSSP_NEGOTIATE_KEY_EXCH,
    NTLMSSP_NEGOTIATE_SIGN,
)

SIGNATURE_LENGTH: Final = 16
_SIGNATURE: Final = struct.Struct("<I8sI")
_SIGNATURE_VERSION: Final = 1
_CHECKSUM_LENGTH: Final = 8
_FIRST_SEQUENCE_NUMBER: Final = 0

CLIENT: Final = "initiate"
SERVER: Final = "accept"


def exchange_key(key_exchange_key: bytes, encrypted: bytes) -> bytes:
    """Decrypt the client's random session key ([MS-NLMP] 3.4.5.1)."""
    return rc4k(key_exchange_key, encrypted)


def compute_mic(
    session_key: bytes, negotiate: bytes, challenge: bytes, authenticate: bytes, offset: int
) -> bytes:
    """HMAC-MD5 of the three messages as they went over the wire, the MIC at `offset` zeroed."""
    mac = hmac.new(session_key, negotiate, "md5")
    mac.update(challenge)
    mac.update(authenticate[:offset])
    mac.update(bytes(MIC_LENGTH))
    mac.update(authenticate[offset + MIC_LENGTH :])
    return mac.digest()


def first_signature(flags: int, session_key: bytes, sender: str, message: bytes) -> bytes:
    """Sign the first message of a direction: NTLMSSP_MESSAGE_SIGNATURE with extended session security.

    SPNEGO's mechListMIC is the only message that SMB signs this way, so there is no state to keep: sequence
    number 0 and the start of the RC4 stream ([MS-NLMP] 3.4.4.2).

    Args:
        flags: the negotiated flags, with NTLMSSP_NEGOTIATE_EXTENDED_SESSIONSECURITY.
        session_key: ExportedSessionKey.
        sender: `CLIENT` or `SERVER`.
        message: what is signed.
    """
    if not flags & NTLMSSP_NEGOTIATE_SIGN:
        # Clients that ask for no integrity (NTLMSSP_NEGOTIATE_ALWAYS_SIGN alone) send and expect this dummy.
        return _SIGNATURE.pack(_SIGNATURE_VERSION, b"", _FIRST_SEQUENCE_NUMBER)
    sequence = _FIRST_SEQUENCE_NUMBER.to_bytes(4, "little")
    checksum = hmac.digest(signkey(flags, session_key, sender), sequence + message, "md5")[:_CHECKSUM_LENGTH]
    if flags & NTLMSSP_NEGOTIATE_KEY_EXCH:
        checksum = rc4init(sealkey(flags, session_key, sender)).update(checksum)
    return _SIGNATURE.pack(_SIGNATURE_VERSION, checksum, _FIRST_SEQUENCE_NUMBER)


def can_sign(flags: int) -> bool:
    """Tell whether `first_signature` applies: the older signatures are not offered."""
    return bool(flags & NTLMSSP_NEGOTIATE_EXTENDED_SESSIONSECURITY)
