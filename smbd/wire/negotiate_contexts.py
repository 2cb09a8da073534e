"""Negotiate contexts of dialect 3.1.1, [MS-SMB2] 2.2.3.1 and 2.2.4.1: the list and the typed contents."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import ClassVar, Final

import msgspec

from smbd.wire.buffer import Buffer, align8, decode_utf16, encode_utf16
from smbd.wire.constants import (
    SMB2_COMPRESSION_CAPABILITIES,
    SMB2_ENCRYPTION_CAPABILITIES,
    SMB2_NETNAME_NEGOTIATE_CONTEXT_ID,
    SMB2_POSIX_EXTENSIONS_AVAILABLE,
    SMB2_PREAUTH_INTEGRITY_CAPABILITIES,
    SMB2_RDMA_TRANSFORM_CAPABILITIES,
    SMB2_SIGNING_CAPABILITIES,
    SMB2_TRANSPORT_CAPABILITIES,
)
from smbd.wire.errors import WireError

_HEADER: Final = struct.Struct("<HHI")  # ContextType, DataLength, Reserved
_PREAUTH: Final = struct.Struct("<HH")  # HashAlgorithmCount, SaltLength
_COUNT: Final = struct.Struct("<H")
_COMPRESSION: Final = struct.Struct("<HHI")  # CompressionAlgorithmCount, Padding, Flags
_RDMA: Final = struct.Struct("<HHI")  # TransformCount, Reserved1, Reserved2
_FLAGS: Final = struct.Struct("<I")
_GUID_SIZE: Final = 16


class NegotiateContext(msgspec.Struct, gc=False):
    """One context as it stands in the list: its type and its bytes."""

    context_type: int
    data: Buffer = b""


def pack_contexts(contexts: Iterable[NegotiateContext]) -> bytes:
    """Return the list, each context but the last padded to eight bytes; it must begin on such a boundary."""
    out = bytearray()
    for context in contexts:
        out += bytes(align8(len(out)) - len(out))
        out += _HEADER.pack(context.context_type, len(context.data), 0)
        out += context.data
    return bytes(out)


def unpack_contexts(pdu: Buffer, offset: int, count: int, minimum: int) -> list[NegotiateContext]:
    """Read `count` contexts that begin at `offset` of `pdu`.

    Raises:
        WireError: One of them is outside of the message or begins before `minimum`.
    """
    contexts: list[NegotiateContext] = []
    if not count:
        return contexts
    if offset < minimum:
        raise WireError("negotiate contexts overlap the fixed part")
    end = len(pdu)
    for _ in range(count):
        if offset + _HEADER.size > end:
            raise WireError("negotiate context outside of the message")
        context_type, length, _ = _HEADER.unpack_from(pdu, offset)
        offset += _HEADER.size
        if offset + length > end:
            raise WireError("negotiate context data outside of the message")
        contexts.append(NegotiateContext(context_type, pdu[offset : offset + length]))
        offset = align8(offset + length)
    return contexts


def _pack_ids(ids: list[int]) -> bytes:
    return struct.pack(f"<{len(ids)}H", *ids)


def _unpack_ids(data: Buffer, offset: int, count: int, what: str) -> list[int]:
    if offset + 2 * count > len(data):
        raise WireError(f"{what} too short")
    return list(struct.unpack_from(f"<{count}H", data, offset))


def _need(data: Buffer, size: int, what: str) -> None:
    if len(data) < size:
        raise WireError(f"{what} too short")


class PreauthIntegrityCapabilities(msgspec.Struct, gc=False):
    """SMB2_PREAUTH_INTEGRITY_CAPABILITIES, 2.2.3.1.1."""

    context_type: ClassVar[int] = SMB2_PREAUTH_INTEGRITY_CAPABILITIES
    hash_algorithms: list[int]
    salt: Buffer = b""

    def pack(self) -> bytes:
        """Return the context's data."""
        head = _PREAUTH.pack(len(self.hash_algorithms), len(self.salt))
        return b"".join((head, _pack_ids(self.hash_algorithms), self.salt))

    @classmethod
    def unpack(cls, data: Buffer) -> PreauthIntegrityCapabilities:
        """Read the context's data.

        Raises:
            WireError: It is malformed.
        """
        _need(data, _PREAUTH.size, "preauth integrity capabilities")
        count, salt_length = _PREAUTH.unpack_from(data)
        algorithms = _unpack_ids(data, _PREAUTH.size, count, "preauth integrity capabilities")
        salt_at = _PREAUTH.size + 2 * count
        _need(data, salt_at + salt_length, "preauth integrity salt")
        return cls(algorithms, data[salt_at : salt_at + salt_length])


class EncryptionCapabilities(msgspec.Struct, gc=False):
    """SMB2_ENCRYPTION_CAPABILITIES, 2.2.3.1.2: ciphers in the order of preference."""

    context_type: ClassVar[int] = SMB2_ENCRYPTION_CAPABILITIES
    ciphers: list[int]

    def pack(self) -> bytes:
        """Return the context's data."""
        return _COUNT.pack(len(self.ciphers)) + _pack_ids(self.ciphers)

    @classmethod
    def unpack(cls, data: Buffer) -> EncryptionCapabilities:
        """Read the context's data.

        Raises:
            WireError: It is malformed.
        """
        _need(data, _COUNT.size, "encryption capabilities")
        return cls(_unpack_ids(data, _COUNT.size, _COUNT.unpack_from(data)[0], "encryption capabilities"))


class CompressionCapabilities(msgspec.Struct, gc=False):
    """SMB2_COMPRESSION_CAPABILITIES, 2.2.3.1.3."""

    context_type: ClassVar[int] = SMB2_COMPRESSION_CAPABILITIES
    algorithms: list[int]
    flags: int = 0

    def pack(self) -> bytes:
        """Return the context's data."""
        return _COMPRESSION.pack(len(self.algorithms), 0, self.flags) + _pack_ids(self.algorithms)

    @classmethod
    def unpack(cls, data: Buffer) -> CompressionCapabilities:
        """Read the context's data.

        Raises:
            WireError: It is malformed.
        """
        _need(data, _COMPRESSION.size, "compression capabilities")
        count, _, flags = _COMPRESSION.unpack_from(data)
        return cls(_unpack_ids(data, _COMPRESSION.size, count, "compression capabilities"), flags)


class NetnameNegotiateContext(msgspec.Struct, gc=False):
    """SMB2_NETNAME_NEGOTIATE_CONTEXT_ID, 2.2.3.1.4: the server name that the client connected to."""

    context_type: ClassVar[int] = SMB2_NETNAME_NEGOTIATE_CONTEXT_ID
    net_name: str

    def pack(self) -> bytes:
        """Return the context's data."""
        return encode_utf16(self.net_name)

    @classmethod
    def unpack(cls, data: Buffer) -> NetnameNegotiateContext:
        """Read the context's data.

        Raises:
            WireError: It is malformed.
        """
        return cls(decode_utf16(data))


class TransportCapabilities(msgspec.Struct, gc=False):
    """SMB2_TRANSPORT_CAPABILITIES, 2.2.3.1.5."""

    context_type: ClassVar[int] = SMB2_TRANSPORT_CAPABILITIES
    flags: int = 0

    def pack(self) -> bytes:
        """Return the context's data."""
        return _FLAGS.pack(self.flags)

    @classmethod
    def unpack(cls, data: Buffer) -> TransportCapabilities:
        """Read the context's data.

        Raises:
            WireError: It is malformed.
        """
        _need(data, _FLAGS.size, "transport capabilities")
        return cls(*_FLAGS.unpack_from(data))


class RdmaTransformCapabilities(msgspec.Struct, gc=False):
    """SMB2_RDMA_TRANSFORM_CAPABILITIES, 2.2.3.1.6."""

    context_type: ClassVar[int] = SMB2_RDMA_TRANSFORM_CAPABILITIES
    transform_ids: list[int]

    def pack(self) -> bytes:
        """Return the context's data."""
        return _RDMA.pack(len(self.transform_ids), 0, 0) + _pack_ids(self.transform_ids)

    @classmethod
    def unpack(cls, data: Buffer) -> RdmaTransformCapabilities:
        """Read the context's data.

        Raises:
            WireError: It is malformed.
        """
        _need(data, _RDMA.size, "RDMA transform capabilities")
        count = _RDMA.unpack_from(data)[0]
        return cls(_unpack_ids(data, _RDMA.size, count, "RDMA transform capabilities"))


class SigningCapabilities(msgspec.Struct, gc=False):
    """SMB2_SIGNING_CAPABILITIES, 2.2.3.1.7: signing algorithms in the order of preference."""

    context_type: ClassVar[int] = SMB2_SIGNING_CAPABILITIES
    algorithms: list[int]

    def pack(self) -> bytes:
        """Return the context's data."""
        return _COUNT.pack(len(self.algorithms)) + _pack_ids(self.algorithms)

    @classmethod
    def unpack(cls, data: Buffer) -> SigningCapabilities:
        """Read the context's data.

        Raises:
            WireError: It is malformed.
        """
        _need(data, _COUNT.size, "signing capabilities")
        return cls(_unpack_ids(data, _COUNT.size, _COUNT.unpack_from(data)[0], "signing capabilities"))


class PosixExtensionsAvailable(msgspec.Struct, gc=False):
    """SMB2_POSIX_EXTENSIONS_AVAILABLE of the SMB3 POSIX extensions: the versions, each a GUID of 16 bytes."""

    context_type: ClassVar[int] = SMB2_POSIX_EXTENSIONS_AVAILABLE

    versions: list[bytes]

    def pack(self) -> bytes:
        """Return the context's data."""
        return b"".join(self.versions)

    @classmethod
    def unpack(cls, data: Buffer) -> PosixExtensionsAvailable:
        """Read the context's data.

        Raises:
            WireError: It is empty or no list of GUIDs.
        """
        if not data or len(data) % _GUID_SIZE:
            raise WireError("POSIX extensions: no list of GUIDs")
        raw = bytes(data)
        return cls([raw[at : at + _GUID_SIZE] for at in range(0, len(raw), _GUID_SIZE)])
