"""OPLOCK_BREAK, [MS-SMB2] 2.2.23 to 2.2.25: oplock and lease breaks share the command and differ in size."""

from __future__ import annotations

import struct
from typing import Final, Self

import msgspec

from smbd.wire.buffer import BODY, Buffer, check_body
from smbd.wire.errors import WireError

_OPLOCK: Final = struct.Struct("<HB5xQQ")  # StructureSize, OplockLevel, Reserved, Reserved2, FileId
OPLOCK_BREAK_SIZE: Final = 24
# StructureSize, NewEpoch, Flags, LeaseKey, CurrentLeaseState, NewLeaseState, BreakReason, AccessMaskHint,
# ShareMaskHint
_LEASE_NOTIFICATION: Final = struct.Struct("<HHI16sIIIII")
LEASE_BREAK_NOTIFICATION_SIZE: Final = 44
# StructureSize, Reserved, Flags, LeaseKey, LeaseState, LeaseDuration
_LEASE_ACK: Final = struct.Struct("<H2xI16sIQ")
LEASE_BREAK_ACK_SIZE: Final = 36


class _OplockBreak(msgspec.Struct, gc=False):
    file_id_persistent: int
    file_id_volatile: int
    oplock_level: int

    def pack(self) -> bytes:
        """Return the body."""
        return _OPLOCK.pack(OPLOCK_BREAK_SIZE, self.oplock_level, self.file_id_persistent, self.file_id_volatile)

    @classmethod
    def unpack(cls, pdu: Buffer) -> Self:
        """Read the message.

        Raises:
            WireError: It is malformed.
        """
        check_body(pdu, _OPLOCK.size, OPLOCK_BREAK_SIZE, cls.__name__)
        _, level, persistent, volatile = _OPLOCK.unpack_from(pdu, BODY)
        return cls(persistent, volatile, level)


class OplockBreakNotification(_OplockBreak, gc=False):
    """SMB2 OPLOCK_BREAK notification, 2.2.23.1."""


class OplockBreakAcknowledgment(_OplockBreak, gc=False):
    """SMB2 OPLOCK_BREAK acknowledgment, 2.2.24.1."""


class OplockBreakResponse(_OplockBreak, gc=False):
    """SMB2 OPLOCK_BREAK response, 2.2.25.1."""


class LeaseBreakNotification(msgspec.Struct, gc=False):
    """SMB2 LEASE_BREAK notification, 2.2.23.2.

    Attributes:
        lease_key: 16 bytes.
        current_lease_state: SMB2_LEASE_*.
        new_lease_state: SMB2_LEASE_*.
        flags: SMB2_NOTIFY_BREAK_LEASE_FLAG_ACK_REQUIRED or 0.
        new_epoch: Of a version 2 lease.
        break_reason: Reserved, as are the hints.
        access_mask_hint: Reserved.
        share_mask_hint: Reserved.
    """

    lease_key: bytes
    current_lease_state: int
    new_lease_state: int
    flags: int = 0
    new_epoch: int = 0
    break_reason: int = 0
    access_mask_hint: int = 0
    share_mask_hint: int = 0

    def pack(self) -> bytes:
        """Return the body."""
        return _LEASE_NOTIFICATION.pack(
            LEASE_BREAK_NOTIFICATION_SIZE,
            self.new_epoch,
            self.flags,
            self.lease_key,
            self.current_lease_state,
            self.new_lease_state,
            self.break_reason,
            self.access_mask_hint,
            self.share_mask_hint,
        )

    @classmethod
    def unpack(cls, pdu: Buffer) -> LeaseBreakNotification:
        """Read the message.

        Raises:
            WireError: It is malformed.
        """
        check_body(pdu, _LEASE_NOTIFICATION.size, LEASE_BREAK_NOTIFICATION_SIZE, "LEASE_BREAK notification")
        _, epoch, flags, key, current, new, reason, access, share = _LEASE_NOTIFICATION.unpack_from(pdu, BODY)
        return cls(key, current, new, flags, epoch, reason, access, share)


class _LeaseBreakAnswer(msgspec.Struct, gc=False):
    lease_key: bytes
    lease_state: int
    flags: int = 0
    lease_duration: int = 0

    def pack(self) -> bytes:
        """Return the body."""
        return _LEASE_ACK.pack(LEASE_BREAK_ACK_SIZE, self.flags, self.lease_key, self.lease_state, self.lease_duration)

    @classmethod
    def unpack(cls, pdu: Buffer) -> Self:
        """Read the message.

        Raises:
            WireError: It is malformed.
        """
        check_body(pdu, _LEASE_ACK.size, LEASE_BREAK_ACK_SIZE, cls.__name__)
        _, flags, key, state, duration = _LEASE_ACK.unpack_from(pdu, BODY)
        return cls(key, state, flags, duration)


class LeaseBreakAcknowledgment(_LeaseBreakAnswer, gc=False):
    """SMB2 LEASE_BREAK acknowledgment, 2.2.24.2."""


class LeaseBreakResponse(_LeaseBreakAnswer, gc=False):
    """SMB2 LEASE_BREAK response, 2.2.25.2."""


def unpack_break_acknowledgment(pdu: Buffer) -> OplockBreakAcknowledgment | LeaseBreakAcknowledgment:
    """Read an acknowledgment of either kind, told apart by StructureSize as 3.3.5.22 has it.

    Raises:
        WireError: It is malformed.
    """
    if _is_lease(pdu, LEASE_BREAK_ACK_SIZE):
        return LeaseBreakAcknowledgment.unpack(pdu)
    return OplockBreakAcknowledgment.unpack(pdu)


def unpack_break_notification(pdu: Buffer) -> OplockBreakNotification | LeaseBreakNotification:
    """Read a notification of either kind.

    Raises:
        WireError: It is malformed.
    """
    if _is_lease(pdu, LEASE_BREAK_NOTIFICATION_SIZE):
        return LeaseBreakNotification.unpack(pdu)
    return OplockBreakNotification.unpack(pdu)


def unpack_break_response(pdu: Buffer) -> OplockBreakResponse | LeaseBreakResponse:
    """Read a response of either kind.

    Raises:
        WireError: It is malformed.
    """
    if _is_lease(pdu, LEASE_BREAK_ACK_SIZE):
        return LeaseBreakResponse.unpack(pdu)
    return OplockBreakResponse.unpack(pdu)


def _is_lease(pdu: Buffer, size: int) -> bool:
    if len(pdu) < BODY + 2:
        raise WireError("OPLOCK_BREAK too short")
    return pdu[BODY] | pdu[BODY + 1] << 8 == size
