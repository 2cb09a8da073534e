"""What the parent does once so that no worker has to: modules loaded late, tables built at first use.

A library that imports its back end at the first call would do so in every worker, at every login, into memory
of its own. Each of these calls has no other effect than that it is not the first one any more. Nothing here starts a
thread.
"""

from __future__ import annotations

import grp
import pwd
from typing import Final

from smbd.crypto.kdf import derive_session_keys
from smbd.crypto.sealing import TRANSFORM_LENGTH, make_sealer
from smbd.crypto.signing import make_signer
from smbd.gensec import ntlm_crypto
from smbd.smb2.algorithms import ENCRYPTION, SIGNING
from smbd.wire.constants import SMB2_DIALECT_311, SMB2_HEADER_SIZE

_KEY: Final = bytes(16)
_ROOT: Final = 0


def warm_up() -> None:
    """Use once what every login uses: the name service, RC4 and HMAC-MD5, each signature and each cipher."""
    try:
        pwd.getpwuid(_ROOT)
        grp.getgrgid(_ROOT)
    except KeyError:
        pass  # the name service is loaded, that was the point
    ntlm_crypto.exchange_key(_KEY, _KEY)
    ntlm_crypto.compute_mic(_KEY, b"", b"", bytes(ntlm_crypto.SIGNATURE_LENGTH), 0)
    message = memoryview(bytearray(SMB2_HEADER_SIZE))
    for algorithm in SIGNING.values():
        make_signer(algorithm, _KEY).sign(message)
    for cipher in ENCRYPTION.values():
        key = derive_session_keys(SMB2_DIALECT_311, _KEY * 2, _KEY, cipher).s2c_key
        make_sealer(cipher, key).seal(memoryview(bytearray(TRANSFORM_LENGTH + 2 * SMB2_HEADER_SIZE)), 0, 1, 0)
