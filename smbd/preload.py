"""What the parent does once so that no worker has to: modules loaded late, tables built at first use.

A library that imports its back end at the first call would do so in every worker, at every login, into memory
of its own. Each of these calls has no other effect than that it is not the first one any more. Nothing here starts a
thread.
"""

from __future__ import annotations

import grp
import pwd
from collections.abc import Callable
from functools import partial
from itertools import repeat
from typing import Final

from smbd.crypto.kdf import derive_session_keys
from smbd.crypto.sealing import TRANSFORM_LENGTH, make_sealer
from smbd.crypto.signing import make_signer
from smbd.gensec import ntlm_crypto
from smbd.smb2.algorithms import ENCRYPTION, SIGNING
from smbd.wire.constants import SMB2_DIALECT_311, SMB2_HEADER_SIZE

_KEY: Final = bytes(16)
_ROOT: Final = 0

# CPython's obmalloc.c: sizes of blocks and pools; what has the two sizes that a bytes object is too large for.
_BLOCK_STEP: Final = 16
_BLOCK_MAX: Final = 512
_POOL_SIZE: Final = 16384
_POOL_HEADER: Final = 48
_BYTES_HEAD: Final = 33
_FILLING: Final[dict[int, Callable[[], object]]] = {16: object, 32: complex}
#: There are no more holes than that; an interpreter with other pools gets no more filling.
_FILLING_MAX: Final = 10_000
_filling: Final[list[object]] = []
_ROW: Final = 4
"""So many blocks one behind the other are no accident."""


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


def fill_pools() -> None:
    """Fill the holes in the interpreter's pools of small objects, so that what comes lies together on fresh pages.

    A worker that put its objects into holes would copy a page of the parent's for nearly each of them. Blocks that
    begin right behind a pool's header and follow each other come from a fresh pool: no pool of their size has a hole
    any more.
    """
    for size in range(_BLOCK_STEP, _BLOCK_MAX + 1, _BLOCK_STEP):
        make = _FILLING.get(size) or partial(bytes, size - _BYTES_HEAD)
        head = 0
        for _ in repeat(None, _FILLING_MAX):  # `range` would make numbers
            thing = make()
            _filling.append(thing)
            address = id(thing)
            if address % _POOL_SIZE == _POOL_HEADER:
                head, row = address, 0
            elif head and address == head + (row + 1) * size:
                row += 1
                if row == _ROW:
                    break
            else:
                head = 0
