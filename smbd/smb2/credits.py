"""What a request has to pay for its payload ([MS-SMB2] 3.3.5.2.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from smbd.wire.constants import SMB2_GLOBAL_CAP_LARGE_MTU
from vfs.ntstatus import STATUS_INVALID_PARAMETER, NTStatusError

if TYPE_CHECKING:
    from smbd.smb2.request import Request

#: Payload bytes that one credit pays for.
BYTES_PER_CREDIT: Final = 65536


def credits_needed(payload: int) -> int:
    """Return the CreditCharge that a request with `payload` bytes in either direction must carry."""
    return 1 if payload <= BYTES_PER_CREDIT else (payload - 1) // BYTES_PER_CREDIT + 1


def check_charge(request: Request, payload: int) -> None:
    """Refuse a request whose CreditCharge does not pay for its payload ([MS-SMB2] 3.3.5.2.5).

    Raises:
        NTStatusError: STATUS_INVALID_PARAMETER.
    """
    if payload <= BYTES_PER_CREDIT or not request.connection.capabilities & SMB2_GLOBAL_CAP_LARGE_MTU:
        return
    if request.credit_charge < credits_needed(payload):
        raise NTStatusError(STATUS_INVALID_PARAMETER, f"{payload} bytes for {request.credit_charge} credits")
