"""Names of signing and encryption algorithms in smb.conf, and the order in which the server prefers them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from smbd.wire.constants import (
    SMB2_ENCRYPTION_AES128_CCM,
    SMB2_ENCRYPTION_AES128_GCM,
    SMB2_ENCRYPTION_AES256_CCM,
    SMB2_ENCRYPTION_AES256_GCM,
    SMB2_SIGNING_AES_CMAC,
    SMB2_SIGNING_AES_GMAC,
    SMB2_SIGNING_HMAC_SHA256,
)

SIGNING: Final = {
    "AES-128-GMAC": SMB2_SIGNING_AES_GMAC,
    "AES-128-CMAC": SMB2_SIGNING_AES_CMAC,
    "HMAC-SHA256": SMB2_SIGNING_HMAC_SHA256,
}
ENCRYPTION: Final = {
    "AES-128-GCM": SMB2_ENCRYPTION_AES128_GCM,
    "AES-128-CCM": SMB2_ENCRYPTION_AES128_CCM,
    "AES-256-GCM": SMB2_ENCRYPTION_AES256_GCM,
    "AES-256-CCM": SMB2_ENCRYPTION_AES256_CCM,
}
SIGNING_NAMES: Final = {number: name for name, number in SIGNING.items()}
ENCRYPTION_NAMES: Final = {number: name for name, number in ENCRYPTION.items()}


def preferred(known: dict[str, int], configured: Sequence[str]) -> list[int]:
    """Return algorithm numbers in the server's order.

    `configured` is a list of names; names with a minus are taken out of the default order instead, and names
    with a plus are added to its end.
    """
    if any(name[:1] in {"+", "-"} for name in configured):
        order = list(known)
        for name in configured:
            bare = name.lstrip("+-").upper()
            if name.startswith("-") and bare in order:
                order.remove(bare)
            elif not name.startswith("-") and bare not in order:
                order.append(bare)
    else:
        order = [name.upper() for name in configured]
    return [known[name] for name in order if name in known]


def choose(order: Sequence[int], offered: Sequence[int]) -> int | None:
    """Return the first algorithm of the server's order that the client offers."""
    return next((number for number in order if number in offered), None)
