"""What is kept of a password, and the proof that a client knows it ([MS-NLMP] 3.3.2).

MD4 is long broken and yet what NTLM is made of. OpenSSL 3 has put it away, so pyspnego's is used.
"""

from __future__ import annotations

import hmac
from typing import Final

from spnego._ntlm_raw.md4 import md4

NT_HASH_LENGTH: Final = 16
_PROOF_LENGTH: Final = 16


def nt_hash(password: str) -> bytes:
    """NTOWFv1: MD4 of the password in UTF-16."""
    return md4(password.encode("utf-16-le", "surrogatepass"))


def ntowfv2(hash_of_password: bytes, user: str, domain: str) -> bytes:
    """NTOWFv2: the key of the proof. The user counts in upper case, the domain as it was sent."""
    text = "".join(map(_upper, user)) + domain
    return hmac.digest(hash_of_password, text.encode("utf-16-le", "surrogatepass"), "md5")


def _upper(character: str) -> str:
    """Upper case as Windows has it: one character stays one, so that a sharp s stays what it is."""
    upper = character.upper()
    return upper if len(upper) == 1 else character


def verify_ntlmv2(key: bytes, server_challenge: bytes, nt_response: bytes) -> bytes | None:
    """Check an NTLMv2_RESPONSE over its bytes as received, in constant time.

    Args:
        key: NTOWFv2 of the user.
        server_challenge: the 8 bytes of the CHALLENGE_MESSAGE.
        nt_response: NTProofStr and the client's challenge structure.

    Returns:
        the session base key if the proof is right, else None.
    """
    proof = nt_response[:_PROOF_LENGTH]
    expected = hmac.digest(key, server_challenge + nt_response[_PROOF_LENGTH:], "md5")
    if not hmac.compare_digest(expected, proof):
        return None
    return hmac.digest(key, expected, "md5")
