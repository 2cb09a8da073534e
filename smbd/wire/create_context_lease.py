"""Lease create contexts (RqLs), [MS-SMB2] 2.2.13.2.8 and .10; requests and responses look the same."""

from __future__ import annotations

import struct
from typing import ClassVar, Final

from smbd.wire.buffer import Buffer
from smbd.wire.constants import SMB2_CREATE_REQUEST_LEASE, SMB2_CREATE_REQUEST_LEASE_V2
from smbd.wire.errors import WireError
from smbd.wire.fixed import Fixed


class LeaseContext(Fixed, gc=False):
    """SMB2_CREATE_REQUEST_LEASE and SMB2_CREATE_RESPONSE_LEASE.

    Attributes:
        lease_key: 16 bytes.
        lease_state: SMB2_LEASE_*.
        lease_flags: SMB2_LEASE_FLAG_BREAK_IN_PROGRESS (response).
        lease_duration: Reserved.
    """

    layout = struct.Struct("<16sIIQ")
    exact = True
    tag: ClassVar[bytes] = SMB2_CREATE_REQUEST_LEASE

    lease_key: bytes
    lease_state: int
    lease_flags: int = 0
    lease_duration: int = 0


class LeaseContextV2(Fixed, gc=False):
    """SMB2_CREATE_REQUEST_LEASE_V2 and SMB2_CREATE_RESPONSE_LEASE_V2.

    Attributes:
        lease_key: 16 bytes.
        lease_state: SMB2_LEASE_*.
        lease_flags: SMB2_LEASE_FLAG_PARENT_LEASE_KEY_SET, SMB2_LEASE_FLAG_BREAK_IN_PROGRESS.
        lease_duration: Reserved.
        parent_lease_key: Lease key of the parent directory, when the flag says so.
        epoch: Counts the changes of the lease's state.
    """

    layout = struct.Struct("<16sIIQ16sH2x")
    exact = True
    tag: ClassVar[bytes] = SMB2_CREATE_REQUEST_LEASE_V2

    lease_key: bytes
    lease_state: int
    lease_flags: int = 0
    lease_duration: int = 0
    parent_lease_key: bytes = bytes(16)
    epoch: int = 0


#: LeaseKey, LeaseState, LeaseFlags, LeaseDuration; of the second version also ParentLeaseKey and Epoch. For `CREATE`,
#: which needs the fields, and no object of them.
LEASE_LAYOUT: Final = LeaseContext.layout
LEASE_V2_LAYOUT: Final = LeaseContextV2.layout


def unpack_lease(data: Buffer) -> LeaseContext | LeaseContextV2:
    """Read either version; they share the name and differ in length.

    Raises:
        WireError: The length is that of neither.
    """
    if len(data) == LeaseContextV2.layout.size:
        return LeaseContextV2.unpack(data)
    if len(data) == LeaseContext.layout.size:
        return LeaseContext.unpack(data)
    raise WireError("lease context of a wrong length")
