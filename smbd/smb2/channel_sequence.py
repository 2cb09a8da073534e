"""Requests that a channel lost and that come again on another: [MS-SMB2] 3.3.5.2.10.

The client raises its channel sequence with each channel that it loses. What is still on its way with an older one must
not change the file any more, and what comes again must not overtake it.

The specification counts the outstanding requests of each open. Only a request that waits is outstanding when the next
one arrives, and those are listed with their open anyway (`Open.pending`), so that nothing has to be counted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from smbd.wire.constants import (
    SMB2_DIALECT_300,
    SMB2_FLAGS_REPLAY_OPERATION,
    SMB2_IOCTL,
    SMB2_SET_INFO,
    SMB2_WRITE,
)
from smbd.xsrv.replay import UNUSED
from vfs.ntstatus import STATUS_FILE_NOT_AVAILABLE, NTStatusError

if TYPE_CHECKING:
    from smbd.smb2.request import Request
    from smbd.xsrv.open import Open

_CHANGING: Final = (SMB2_WRITE, SMB2_SET_INFO, SMB2_IOCTL)
_LARGEST_STEP: Final = 0x7FFF
_MODULUS: Final = 1 << 16


def verify(request: Request, opened: Open, *, related: bool) -> None:
    """Check a request whose channel sequence is not that of the open, or that is a replay.

    Args:
        request: names `opened`; it is `request.target`, and stays so if the request counts as outstanding.
        opened: what it is about.
        related: the open was not named, but taken over from the request before it in a compound.

    Raises:
        NTStatusError: STATUS_FILE_NOT_AVAILABLE for WRITE, SET_INFO and IOCTL that are late, or too early.
    """
    if opened.channel_sequence == UNUSED:
        if related:
            return  # that tells nothing about whether the client knows of the open
        if not opened.persistent:
            opened.session.client.replays.forget(opened)
        opened.channel_sequence = request.channel_sequence
    if request.connection.dialect < SMB2_DIALECT_300:
        return  # the field means something else
    ahead = (request.channel_sequence - opened.channel_sequence) % _MODULUS
    late = ahead > _LARGEST_STEP
    if not late:
        opened.channel_sequence = request.channel_sequence
        late = bool(request.flags & SMB2_FLAGS_REPLAY_OPERATION) and _is_earlier_outstanding(opened)
    if late:
        request.target = None
        if request.command in _CHANGING:
            raise NTStatusError(STATUS_FILE_NOT_AVAILABLE, f"channel sequence {request.channel_sequence}")


def _is_earlier_outstanding(opened: Open) -> bool:
    """Tell whether Open.OutstandingPreRequestCount is not zero."""
    sequence = opened.channel_sequence
    return any(pending.request.channel_sequence != sequence for pending in opened.pending)
