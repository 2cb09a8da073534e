"""Create contexts, [MS-SMB2] 2.2.13.2 and 2.2.14.2: the chain, and the contexts that are a few fields.

A chain is a dict from name to data. The typed classes convert the data of one context; names nobody knows
stay as bytes, as the protocol wants them ignored. The content of ExtA is a list of
`smbd.wire.fscc.ea.FullEaInformation`, that of SecD a self-relative security descriptor.
"""

from __future__ import annotations

import struct
from typing import ClassVar, Final, TypeAlias

from smbd.wire.buffer import Buffer
from smbd.wire.constants import (
    SMB2_CREATE_ALLOCATION_SIZE,
    SMB2_CREATE_APP_INSTANCE_ID,
    SMB2_CREATE_APP_INSTANCE_VERSION,
    SMB2_CREATE_QUERY_MAXIMAL_ACCESS_REQUEST,
    SMB2_CREATE_QUERY_ON_DISK_ID,
    SMB2_CREATE_TIMEWARP_TOKEN,
)
from smbd.wire.create_context_durable import (
    DurableHandleReconnect,
    DurableHandleReconnectV2,
    DurableHandleRequest,
    DurableHandleRequestV2,
    DurableHandleResponse,
    DurableHandleResponseV2,
)
from smbd.wire.create_context_lease import LeaseContext, LeaseContextV2, unpack_lease
from smbd.wire.create_context_vendor import (
    AaplQueryRequest,
    AaplQueryResponse,
    AaplResolveIdRequest,
    AaplResolveIdResponse,
    PosixRequest,
    PosixResponse,
    SvhdxOpenDevice,
    SvhdxOpenDeviceV2,
)
from smbd.wire.errors import WireError
from smbd.wire.fixed import Fixed

__all__ = [
    "AaplQueryRequest",
    "AaplQueryResponse",
    "AaplResolveIdRequest",
    "AaplResolveIdResponse",
    "AllocationSize",
    "AppInstanceId",
    "AppInstanceVersion",
    "Contexts",
    "DurableHandleReconnect",
    "DurableHandleReconnectV2",
    "DurableHandleRequest",
    "DurableHandleRequestV2",
    "DurableHandleResponse",
    "DurableHandleResponseV2",
    "LeaseContext",
    "LeaseContextV2",
    "MaximalAccessRequest",
    "MaximalAccessResponse",
    "PosixRequest",
    "PosixResponse",
    "QueryOnDiskIdResponse",
    "SvhdxOpenDevice",
    "SvhdxOpenDeviceV2",
    "TimewarpToken",
    "pack_contexts",
    "unpack_contexts",
    "unpack_lease",
]

Contexts: TypeAlias = dict[bytes, Buffer]

_HEADER: Final = struct.Struct("<IHHHHI")  # Next, NameOffset, NameLength, Reserved, DataOffset, DataLength
# The same with a name of four bytes and its padding, which nearly all contexts have
_SHORT_HEADER: Final = struct.Struct("<IHHHHI4s4x")
_NAME_OFFSET: Final = _HEADER.size
_SHORTEST_NAME: Final = 4
_PADDING: Final = (b"", b"\0" * 7, b"\0" * 6, b"\0" * 5, b"\0" * 4, b"\0" * 3, b"\0" * 2, b"\0")


def pack_contexts(contexts: Contexts) -> bytes:
    """Return the chain of `contexts`, in their order."""
    parts: list[Buffer] = []
    left = len(contexts)
    for name, data in contexts.items():
        left -= 1
        name_length = len(name)
        data_length = len(data)
        data_offset = (_NAME_OFFSET + name_length + 7) & ~7
        step = (data_offset + data_length + 7) & ~7 if left else 0
        # Without data the offset is zero.
        if name_length == _SHORTEST_NAME:
            parts.append(
                _SHORT_HEADER.pack(
                    step, _NAME_OFFSET, name_length, 0, data_offset if data_length else 0, data_length, name
                )
            )
        else:
            parts += (
                _HEADER.pack(step, _NAME_OFFSET, name_length, 0, data_offset if data_length else 0, data_length),
                name,
                _PADDING[name_length & 7],
            )
        if data_length:
            parts.append(data)
            if left and data_length & 7:
                parts.append(_PADDING[data_length & 7])
    return b"".join(parts)


def unpack_contexts(buffer: Buffer) -> Contexts:
    """Read the chain that fills `buffer`; of a name that occurs twice the first counts.

    Raises:
        WireError: A length or an offset leads out of the buffer, or a link is not a multiple of 8.
    """
    # One copy of these few bytes is cheaper than a view of every name and every data.
    raw = bytes(buffer)
    contexts: Contexts = {}
    size = len(raw)
    start = 0
    while True:
        try:
            step, name_at, name_length, _, data_at, data_length = _HEADER.unpack_from(raw, start)
        except struct.error:
            raise WireError("create context too short") from None
        # A context reaches up to the next one, and may not look beyond.
        end = start + step if step else size
        name_at += start
        name_end = name_at + name_length
        if name_length < _SHORTEST_NAME or name_at < start + _NAME_OFFSET or name_end > end or end > size or step & 7:
            raise WireError("create context chain broken")
        if data_length:
            data_at += start
            data_end = data_at + data_length
            if data_at < name_end or data_end > end:
                raise WireError("create context data outside of the context")
            data = raw[data_at:data_end]
        else:
            data = b""
        contexts.setdefault(raw[name_at:name_end], data)
        if not step:
            return contexts
        start = end


class AllocationSize(Fixed, gc=False):
    """SMB2_CREATE_ALLOCATION_SIZE, 2.2.13.2.6."""

    layout = struct.Struct("<Q")
    exact = True
    tag: ClassVar[bytes] = SMB2_CREATE_ALLOCATION_SIZE

    allocation_size: int


class MaximalAccessRequest(Fixed, gc=False):
    """SMB2_CREATE_QUERY_MAXIMAL_ACCESS_REQUEST with a time stamp, 2.2.13.2.5; mostly it comes empty."""

    layout = struct.Struct("<Q")
    exact = True
    tag: ClassVar[bytes] = SMB2_CREATE_QUERY_MAXIMAL_ACCESS_REQUEST

    timestamp: int


class MaximalAccessResponse(Fixed, gc=False):
    """SMB2_CREATE_QUERY_MAXIMAL_ACCESS_RESPONSE, 2.2.14.2.5: an NTSTATUS and an access mask."""

    layout = struct.Struct("<II")
    exact = True
    tag: ClassVar[bytes] = SMB2_CREATE_QUERY_MAXIMAL_ACCESS_REQUEST

    query_status: int
    maximal_access: int


class QueryOnDiskIdResponse(Fixed, gc=False):
    """SMB2_CREATE_QUERY_ON_DISK_ID, 2.2.14.2.9; the request is empty."""

    layout = struct.Struct("<QQ16x")
    exact = True
    tag: ClassVar[bytes] = SMB2_CREATE_QUERY_ON_DISK_ID

    disk_file_id: int
    volume_id: int


class TimewarpToken(Fixed, gc=False):
    """SMB2_CREATE_TIMEWARP_TOKEN, 2.2.13.2.7: the FILETIME of a snapshot."""

    layout = struct.Struct("<Q")
    exact = True
    tag: ClassVar[bytes] = SMB2_CREATE_TIMEWARP_TOKEN

    timestamp: int


class AppInstanceId(Fixed, gc=False):
    """SMB2_CREATE_APP_INSTANCE_ID, 2.2.13.2.13."""

    layout = struct.Struct("<H2x16s")
    exact = True
    tag: ClassVar[bytes] = SMB2_CREATE_APP_INSTANCE_ID

    app_instance_id: bytes

    def pack(self) -> bytes:
        """Return the context's data."""
        return self.layout.pack(self.layout.size, self.app_instance_id)

    @classmethod
    def unpack(cls, data: Buffer) -> AppInstanceId:
        """Read the context's data.

        Raises:
            WireError: It is malformed.
        """
        if len(data) != cls.layout.size:
            raise WireError("AppInstanceId of a wrong length")
        size, instance = cls.layout.unpack(data)
        if size != cls.layout.size:
            raise WireError("AppInstanceId: wrong StructureSize")
        return cls(instance)


class AppInstanceVersion(Fixed, gc=False):
    """SMB2_CREATE_APP_INSTANCE_VERSION, 2.2.13.2.15."""

    layout = struct.Struct("<H6xQQ")
    exact = True
    tag: ClassVar[bytes] = SMB2_CREATE_APP_INSTANCE_VERSION

    version_high: int
    version_low: int

    def pack(self) -> bytes:
        """Return the context's data."""
        return self.layout.pack(self.layout.size, self.version_high, self.version_low)

    @classmethod
    def unpack(cls, data: Buffer) -> AppInstanceVersion:
        """Read the context's data.

        Raises:
            WireError: It is malformed.
        """
        if len(data) != cls.layout.size:
            raise WireError("AppInstanceVersion of a wrong length")
        size, high, low = cls.layout.unpack(data)
        if size != cls.layout.size:
            raise WireError("AppInstanceVersion: wrong StructureSize")
        return cls(high, low)
