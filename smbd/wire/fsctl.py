"""What goes into FSCTL requests and comes out, [MS-SMB2] 2.2.31.1, 2.2.32 and [MS-FSCC] 2.3.

Server-side copy, negotiate validation, network interfaces and the other controls of the protocol itself are
here; those about the data of a file are in `fsctl_file`, reparse points in `fscc.reparse`.
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Iterable
from typing import Final, TypeAlias

import msgspec

from smbd.wire.buffer import Buffer, decode_utf16, encode_utf16
from smbd.wire.errors import WireError
from smbd.wire.fixed import Fixed
from smbd.wire.fscc.chain import pack_chain, walk_chain
from smbd.wire.fsctl_file import (
    COMPRESSION_FORMAT_LZNT1,
    COMPRESSION_FORMAT_NONE,
    AllocatedRange,
    CompressionState,
    DuplicateExtents,
    DuplicateExtentsEx,
    FileLevelTrim,
    FileLevelTrimOutput,
    FileRegion,
    FileRegionInput,
    FileRegionOutput,
    GetIntegrityInformation,
    NtfsVolumeData,
    ObjectId,
    OffloadReadInput,
    OffloadReadOutput,
    OffloadWriteInput,
    OffloadWriteOutput,
    SetIntegrityInformation,
    SetSparse,
    SetZeroData,
    pack_allocated_ranges,
    unpack_allocated_ranges,
)

__all__ = [
    "COMPRESSION_FORMAT_LZNT1",
    "COMPRESSION_FORMAT_NONE",
    "AllocatedRange",
    "CompressionState",
    "CopyChunk",
    "CopyChunkRequest",
    "CopyChunkResponse",
    "DuplicateExtents",
    "DuplicateExtentsEx",
    "FileLevelTrim",
    "FileLevelTrimOutput",
    "FileRegion",
    "FileRegionInput",
    "FileRegionOutput",
    "GetIntegrityInformation",
    "NetworkInterface",
    "NetworkResiliencyRequest",
    "NtfsVolumeData",
    "ObjectId",
    "OffloadReadInput",
    "OffloadReadOutput",
    "OffloadWriteInput",
    "OffloadWriteOutput",
    "PipePeekResponse",
    "PipeWaitRequest",
    "ReadHashFileBasedResponse",
    "ReadHashRequest",
    "ReadHashResponse",
    "ResumeKeyResponse",
    "SetIntegrityInformation",
    "SetSparse",
    "SetZeroData",
    "SnapshotArray",
    "ValidateNegotiateInfoRequest",
    "ValidateNegotiateInfoResponse",
    "pack_allocated_ranges",
    "pack_network_interfaces",
    "unpack_allocated_ranges",
    "unpack_network_interfaces",
]

_VALIDATE: Final = struct.Struct("<I16sHH")  # Capabilities, Guid, SecurityMode, DialectCount
_COPYCHUNK: Final = struct.Struct("<24sI4x")  # SourceKey, ChunkCount, Reserved
_CHUNK: Final = struct.Struct("<QQI4x")  # SourceOffset, TargetOffset, Length, Reserved
_RESUME_KEY: Final = struct.Struct("<24sI")  # ResumeKey, ContextLength
_SNAPSHOTS: Final = struct.Struct("<III")  # NumberOfSnapShots, NumberOfSnapShotsReturned, SnapShotArraySize
# Next, IfIndex, Capability, Reserved, LinkSpeed, SockAddr_Storage
_INTERFACE: Final = struct.Struct("<4xIIIQ128s")
_INTERFACE_ALIGNMENT: Final = 8
_SOCKADDR_IN: Final = struct.Struct("<HH4s")  # Family, Port, IPv4Address; the port in network order is zero
_SOCKADDR_IN6: Final = struct.Struct("<HHI16sI")  # Family, Port, FlowInfo, IPv6Address, ScopeId
_AF_INET: Final = 0x0002  # the numbers of Windows
_AF_INET6: Final = 0x0017
_PIPE_WAIT: Final = struct.Struct("<QI?x")  # Timeout, NameLength, TimeoutSpecified, Padding
_PIPE_PEEK: Final = struct.Struct("<IIII")  # NamedPipeState, ReadDataAvailable, NumberOfMessages, ...Length
_HASH_BASED: Final = struct.Struct("<QI4x")  # Offset, BufferLength, Reserved
_FILE_BASED: Final = struct.Struct("<QQI4x")  # FileDataOffset, FileDataLength, BufferLength, Reserved

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address


class ValidateNegotiateInfoRequest(msgspec.Struct, gc=False):
    """VALIDATE_NEGOTIATE_INFO request, [MS-SMB2] 2.2.31.4: what the client sent in NEGOTIATE."""

    capabilities: int
    guid: bytes
    security_mode: int
    dialects: list[int]

    def pack(self) -> bytes:
        """Return the bytes."""
        count = len(self.dialects)
        fixed = _VALIDATE.pack(self.capabilities, self.guid, self.security_mode, count)
        return fixed + struct.pack(f"<{count}H", *self.dialects)

    @classmethod
    def unpack(cls, data: Buffer) -> ValidateNegotiateInfoRequest:
        """Read the bytes.

        Raises:
            WireError: They are malformed.
        """
        if len(data) < _VALIDATE.size:
            raise WireError("VALIDATE_NEGOTIATE_INFO too short")
        capabilities, guid, mode, count = _VALIDATE.unpack_from(data)
        if _VALIDATE.size + 2 * count > len(data):
            raise WireError("VALIDATE_NEGOTIATE_INFO dialects outside of the buffer")
        dialects = list(struct.unpack_from(f"<{count}H", data, _VALIDATE.size))
        return cls(capabilities, guid, mode, dialects)


class ValidateNegotiateInfoResponse(Fixed, gc=False):
    """VALIDATE_NEGOTIATE_INFO response, [MS-SMB2] 2.2.32.6: what the server answered in NEGOTIATE."""

    layout = struct.Struct("<I16sHH")

    capabilities: int
    guid: bytes
    security_mode: int
    dialect: int


class CopyChunk(msgspec.Struct, gc=False):
    """SRV_COPYCHUNK, [MS-SMB2] 2.2.31.1.1."""

    source_offset: int
    target_offset: int
    length: int


class CopyChunkRequest(msgspec.Struct, gc=False):
    """SRV_COPYCHUNK_COPY, [MS-SMB2] 2.2.31.1: a resume key of 24 bytes and what to copy."""

    source_key: bytes
    chunks: list[CopyChunk]

    def pack(self) -> bytes:
        """Return the bytes."""
        chunks = [_CHUNK.pack(one.source_offset, one.target_offset, one.length) for one in self.chunks]
        return _COPYCHUNK.pack(self.source_key, len(chunks)) + b"".join(chunks)

    @classmethod
    def unpack(cls, data: Buffer) -> CopyChunkRequest:
        """Read the bytes.

        Raises:
            WireError: They are malformed.
        """
        if len(data) < _COPYCHUNK.size:
            raise WireError("SRV_COPYCHUNK_COPY too short")
        key, count = _COPYCHUNK.unpack_from(data)
        end = _COPYCHUNK.size + count * _CHUNK.size
        if end > len(data):
            raise WireError("SRV_COPYCHUNK outside of the buffer")
        return cls(key, [CopyChunk(*one) for one in _CHUNK.iter_unpack(data[_COPYCHUNK.size : end])])


class CopyChunkResponse(Fixed, gc=False):
    """SRV_COPYCHUNK_RESPONSE, [MS-SMB2] 2.2.32.1: what was done, or what the server's limits are."""

    layout = struct.Struct("<III")

    chunks_written: int
    chunk_bytes_written: int
    total_bytes_written: int


class ResumeKeyResponse(msgspec.Struct, gc=False):
    """SRV_REQUEST_RESUME_KEY response, [MS-SMB2] 2.2.32.3: 24 bytes that stand for an open."""

    resume_key: bytes

    def pack(self) -> bytes:
        """Return the bytes; the Context that nobody uses is four zero bytes as Windows sends it."""
        return _RESUME_KEY.pack(self.resume_key, 0) + bytes(4)

    @classmethod
    def unpack(cls, data: Buffer) -> ResumeKeyResponse:
        """Read the bytes.

        Raises:
            WireError: They are malformed.
        """
        if len(data) < _RESUME_KEY.size:
            raise WireError("resume key too short")
        return cls(_RESUME_KEY.unpack_from(data)[0])


class SnapshotArray(msgspec.Struct, gc=False):
    """SRV_SNAPSHOT_ARRAY, [MS-SMB2] 2.2.32.2: snapshot names such as ``@GMT-2012.05.10-09.00.00``.

    Attributes:
        number_of_snapshots: How many there are.
        snapshots: Those in this answer, none if the buffer is too small.
        array_size: Bytes that all would take; None on packing if all are in the answer.
    """

    number_of_snapshots: int
    snapshots: list[str]
    array_size: int | None = None

    def pack(self) -> bytes:
        """Return the bytes."""
        names = encode_utf16("".join(f"{name}\0" for name in self.snapshots) + "\0")
        size = len(names) if self.array_size is None else self.array_size
        return _SNAPSHOTS.pack(self.number_of_snapshots, len(self.snapshots), size) + names

    @classmethod
    def unpack(cls, data: Buffer) -> SnapshotArray:
        """Read the bytes.

        Raises:
            WireError: They are malformed.
        """
        if len(data) < _SNAPSHOTS.size:
            raise WireError("SRV_SNAPSHOT_ARRAY too short")
        total, count, size = _SNAPSHOTS.unpack_from(data)
        if not count:
            return cls(total, [], size)
        names = decode_utf16(data[_SNAPSHOTS.size : _SNAPSHOTS.size + size]).split("\0")
        if len(names) <= count:
            raise WireError("SRV_SNAPSHOT_ARRAY broken")
        return cls(total, names[:count], size)


class NetworkInterface(msgspec.Struct, gc=False):
    """NETWORK_INTERFACE_INFO, [MS-SMB2] 2.2.32.5.

    Attributes:
        address: An address of the interface.
        if_index: Number of the interface.
        capability: RSS_CAPABLE, RDMA_CAPABLE.
        link_speed: Bits per second.
    """

    address: Address
    if_index: int = 0
    capability: int = 0
    link_speed: int = 0


def pack_network_interfaces(interfaces: Iterable[NetworkInterface]) -> bytes:
    """Return the answer to FSCTL_QUERY_NETWORK_INTERFACE_INFO."""
    entries = []
    for one in interfaces:
        if one.address.version == 4:
            storage = _SOCKADDR_IN.pack(_AF_INET, 0, one.address.packed)
        else:
            storage = _SOCKADDR_IN6.pack(_AF_INET6, 0, 0, one.address.packed, 0)
        entries.append(_INTERFACE.pack(one.if_index, one.capability, 0, one.link_speed, storage))
    return pack_chain(entries, _INTERFACE_ALIGNMENT)


def unpack_network_interfaces(data: Buffer) -> list[NetworkInterface]:
    """Read the answer to FSCTL_QUERY_NETWORK_INTERFACE_INFO; other families than IP are left out.

    Raises:
        WireError: It is malformed.
    """
    interfaces = []
    for entry in walk_chain(data, _INTERFACE.size, _INTERFACE_ALIGNMENT):
        index, capability, _, speed, storage = _INTERFACE.unpack_from(entry)
        family = storage[0] | storage[1] << 8
        address: Address
        if family == _AF_INET:
            address = ipaddress.IPv4Address(_SOCKADDR_IN.unpack_from(storage)[2])
        elif family == _AF_INET6:
            address = ipaddress.IPv6Address(_SOCKADDR_IN6.unpack_from(storage)[3])
        else:
            continue
        interfaces.append(NetworkInterface(address, index, capability, speed))
    return interfaces


class NetworkResiliencyRequest(Fixed, gc=False):
    """NETWORK_RESILIENCY_REQUEST, [MS-SMB2] 2.2.31.3: milliseconds that the open should survive."""

    layout = struct.Struct("<I4x")

    timeout: int


class PipeWaitRequest(msgspec.Struct, gc=False):
    """FSCTL_PIPE_WAIT request, [MS-FSCC] 2.3.49: wait for a free instance of a pipe.

    Attributes:
        name: Of the pipe.
        timeout: In units of 100 ns.
        timeout_specified: Else the pipe's own time-out counts.
    """

    name: str
    timeout: int = 0
    timeout_specified: bool = False

    def pack(self) -> bytes:
        """Return the bytes."""
        name = encode_utf16(self.name)
        return _PIPE_WAIT.pack(self.timeout, len(name), self.timeout_specified) + name

    @classmethod
    def unpack(cls, data: Buffer) -> PipeWaitRequest:
        """Read the bytes.

        Raises:
            WireError: They are malformed.
        """
        if len(data) < _PIPE_WAIT.size:
            raise WireError("FSCTL_PIPE_WAIT too short")
        timeout, length, specified = _PIPE_WAIT.unpack_from(data)
        end = _PIPE_WAIT.size + length
        if end > len(data):
            raise WireError("pipe name outside of the buffer")
        return cls(decode_utf16(data[_PIPE_WAIT.size : end]), timeout, specified)


class PipePeekResponse(msgspec.Struct, gc=False):
    """FSCTL_PIPE_PEEK response, [MS-FSCC] 2.3.46: what waits in a pipe, without taking it out."""

    named_pipe_state: int
    read_data_available: int
    number_of_messages: int = 0
    message_length: int = 0
    data: Buffer = b""

    def pack(self) -> bytes:
        """Return the bytes."""
        fixed = _PIPE_PEEK.pack(
            self.named_pipe_state, self.read_data_available, self.number_of_messages, self.message_length
        )
        return b"".join((fixed, self.data))

    @classmethod
    def unpack(cls, data: Buffer) -> PipePeekResponse:
        """Read the bytes.

        Raises:
            WireError: They are malformed.
        """
        if len(data) < _PIPE_PEEK.size:
            raise WireError("FSCTL_PIPE_PEEK too short")
        return cls(*(*_PIPE_PEEK.unpack_from(data), data[_PIPE_PEEK.size :]))


class ReadHashRequest(Fixed, gc=False):
    """SRV_READ_HASH request, [MS-SMB2] 2.2.31.2."""

    layout = struct.Struct("<IIIIQ")

    hash_type: int
    hash_version: int
    hash_retrieval_type: int
    length: int
    offset: int


class ReadHashResponse(msgspec.Struct, gc=False):
    """SRV_HASH_RETRIEVE_HASH_BASED, [MS-SMB2] 2.2.32.4.2: a part of the Content Information File."""

    offset: int
    data: Buffer = b""

    def pack(self) -> bytes:
        """Return the bytes."""
        return b"".join((_HASH_BASED.pack(self.offset, len(self.data)), self.data))

    @classmethod
    def unpack(cls, data: Buffer) -> ReadHashResponse:
        """Read the bytes.

        Raises:
            WireError: They are malformed.
        """
        if len(data) < _HASH_BASED.size:
            raise WireError("SRV_READ_HASH response too short")
        offset, length = _HASH_BASED.unpack_from(data)
        end = _HASH_BASED.size + length
        if end > len(data):
            raise WireError("hashes outside of the buffer")
        return cls(offset, data[_HASH_BASED.size : end])


class ReadHashFileBasedResponse(msgspec.Struct, gc=False):
    """SRV_HASH_RETRIEVE_FILE_BASED, [MS-SMB2] 2.2.32.4.3: the same, for a range of the file."""

    file_data_offset: int
    file_data_length: int
    data: Buffer = b""

    def pack(self) -> bytes:
        """Return the bytes."""
        fixed = _FILE_BASED.pack(self.file_data_offset, self.file_data_length, len(self.data))
        return b"".join((fixed, self.data))

    @classmethod
    def unpack(cls, data: Buffer) -> ReadHashFileBasedResponse:
        """Read the bytes.

        Raises:
            WireError: They are malformed.
        """
        if len(data) < _FILE_BASED.size:
            raise WireError("SRV_READ_HASH response too short")
        offset, covered, length = _FILE_BASED.unpack_from(data)
        end = _FILE_BASED.size + length
        if end > len(data):
            raise WireError("hashes outside of the buffer")
        return cls(offset, covered, data[_FILE_BASED.size : end])
