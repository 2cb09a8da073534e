"""Create contexts, [MS-SMB2] 2.2.13.2 and 2.2.14.2: the chain, and the contexts that are a few fields.

A chain is a dict from name to data. The typed classes convert the data of one context; names nobody knows
stay as bytes, as the protocol wants them ignored. The content of ExtA is a list of
`smbd.wire.fscc.ea.FullEaInformation`, that of SecD a self-relative security descriptor.
"""

from __future__ import annotations

import struct
from functools import lru_cache
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

# Next, NameOffset, NameLength, Reserved, DataOffset, DataLength, and the shortest name, which nearly all have
_HEADER: Final = struct.Struct("<IHHHHI4s")
_SHORTEST_NAME: Final = 4
_NAME_OFFSET: Final = _HEADER.size - _SHORTEST_NAME
_LAYOUTS: Final = 256

_unpack_header: Final = _HEADER.unpack_from


def pack_contexts(contexts: Contexts) -> bytes:
    """Return the chain of `contexts`, in their order."""
    parts: list[Buffer] = []
    for name, data in contexts.items():
        head, last, padding = _lay_out(name, len(data))
        parts += (head, data, padding)
    if parts:
        parts[-3:] = (last, data)
    return b"".join(parts)


@lru_cache(_LAYOUTS)
def _lay_out(name: bytes, data_length: int) -> tuple[bytes, bytes, bytes]:
    """Return what is in front of the data of a context that is followed by another one, of the last one, and behind."""
    name_length = len(name)
    data_offset = (_NAME_OFFSET + name_length + 7) & ~7
    end = data_offset + data_length
    following = (end + 7) & ~7
    behind_name = name[_SHORTEST_NAME:].ljust(data_offset - _HEADER.size, b"\0")
    # Without data the offset is zero.
    fields = _NAME_OFFSET, name_length, 0, data_offset if data_length else 0, data_length, name
    return (
        _HEADER.pack(following, *fields) + behind_name,
        _HEADER.pack(0, *fields) + behind_name,
        bytes(following - end),
    )


def unpack_contexts(buffer: Buffer) -> Contexts:
    """Read the chain that fills `buffer`; of a name that occurs twice the first counts.

    Raises:
        WireError: A length or an offset leads out of the buffer, or a link is not a multiple of 8.
    """
    # One copy of these few bytes is cheaper than a view of every name and every data.
    raw = bytes(buffer)
    contexts: Contexts = {}
    left = len(raw)
    start = 0
    while True:
        try:
            step, name_at, name_length, _, data_at, data_length, name = _unpack_header(raw, start)
        except struct.error:
            raise WireError("create context too short") from None
        # A context reaches up to the next one, and may not look beyond.
        size = step or left
        if size > left or step & 7 or name_length < _SHORTEST_NAME or name_at < _NAME_OFFSET:
            raise WireError("create context chain broken")
        name_end = name_at + name_length
        if name_end > size:
            raise WireError("create context chain broken")
        if name_length != _SHORTEST_NAME or name_at != _NAME_OFFSET:
            name = raw[start + name_at : start + name_end]
        data = b""
        if data_length:
            data_end = data_at + data_length
            if data_at < name_end or data_end > size:
                raise WireError("create context data outside of the context")
            data = raw[start + data_at : start + data_end]
        if name not in contexts:
            contexts[name] = data
        if not step:
            return contexts
        start += step
        left -= step


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
