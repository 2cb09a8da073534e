"""What stands before an encrypted or compressed message, [MS-SMB2] 2.2.41 and 2.2.42.

Only the headers: ciphers and compression algorithms are not the codec's business.
"""

from __future__ import annotations

import struct
from typing import Final

import msgspec

from smbd.wire.buffer import Buffer
from smbd.wire.constants import (
    SMB2_COMPRESSION_FLAG_CHAINED,
    SMB2_COMPRESSION_FLAG_NONE,
    SMB2_COMPRESSION_NONE,
    SMB2_COMPRESSION_PATTERN_V1,
    SMB2_COMPRESSION_PROTOCOL_ID,
    SMB2_TRANSFORM_FLAG_ENCRYPTED,
    SMB2_TRANSFORM_PROTOCOL_ID,
)
from smbd.wire.errors import WireError

# ProtocolId, Signature, Nonce, OriginalMessageSize, Reserved, Flags/EncryptionAlgorithm, SessionId
TRANSFORM_HEADER: Final = struct.Struct("<4s16s16sI2xHQ")
# ProtocolId, OriginalCompressedSegmentSize, CompressionAlgorithm, Flags, Offset
_UNCHAINED: Final = struct.Struct("<4sIHHI")
_CHAINED: Final = struct.Struct("<4sI")  # ProtocolId, OriginalCompressedSegmentSize
_PAYLOAD: Final = struct.Struct("<HHI")  # CompressionAlgorithm, Flags, Length
_ORIGINAL_SIZE: Final = struct.Struct("<I")  # OriginalPayloadSize, counted by Length
_PATTERN: Final = struct.Struct("<B3xI")  # Pattern, Reserved, Repetitions
_WITHOUT_ORIGINAL_SIZE: Final = (SMB2_COMPRESSION_NONE, SMB2_COMPRESSION_PATTERN_V1)


class TransformHeader(msgspec.Struct, gc=False):
    """SMB2 TRANSFORM_HEADER, 2.2.41.

    Attributes:
        signature: 16 bytes, the authentication tag.
        nonce: 16 bytes, of which the cipher uses the first 11 (CCM) or 12 (GCM).
        original_message_size: Bytes that are encrypted.
        session_id: The session.
        flags: SMB2_TRANSFORM_FLAG_ENCRYPTED; dialects 3.0 and 3.0.2 read it as the cipher AES-128-CCM.
    """

    signature: bytes
    nonce: bytes
    original_message_size: int
    session_id: int
    flags: int = SMB2_TRANSFORM_FLAG_ENCRYPTED

    def pack(self) -> bytes:
        """Return the 52 bytes."""
        return TRANSFORM_HEADER.pack(
            SMB2_TRANSFORM_PROTOCOL_ID,
            self.signature,
            self.nonce,
            self.original_message_size,
            self.flags,
            self.session_id,
        )

    @classmethod
    def unpack(cls, message: Buffer) -> TransformHeader:
        """Read the header at the start of `message`; the message's own length is left to the caller.

        Raises:
            WireError: It is malformed.
        """
        if len(message) < TRANSFORM_HEADER.size:
            raise WireError("TRANSFORM_HEADER too short")
        protocol, signature, nonce, size, flags, session_id = TRANSFORM_HEADER.unpack_from(message)
        if protocol != SMB2_TRANSFORM_PROTOCOL_ID:
            raise WireError("not a TRANSFORM_HEADER")
        return cls(signature, nonce, size, session_id, flags)


class CompressionTransform(msgspec.Struct, gc=False):
    """Unchained SMB2_COMPRESSION_TRANSFORM_HEADER with what follows it, 2.2.42.1.

    Attributes:
        original_size: Size of the compressed part when decompressed.
        algorithm: SMB2_COMPRESSION_*.
        plain: Bytes that come first, uncompressed (Offset is their number).
        compressed: The rest of the message.
    """

    original_size: int
    algorithm: int
    plain: Buffer
    compressed: Buffer

    def pack(self) -> bytes:
        """Return the whole message."""
        header = _UNCHAINED.pack(
            SMB2_COMPRESSION_PROTOCOL_ID,
            self.original_size,
            self.algorithm,
            SMB2_COMPRESSION_FLAG_NONE,
            len(self.plain),
        )
        return b"".join((header, self.plain, self.compressed))

    @classmethod
    def unpack(cls, message: Buffer) -> CompressionTransform:
        """Read the whole message.

        Raises:
            WireError: It is malformed, or chained.
        """
        if len(message) < _UNCHAINED.size:
            raise WireError("compression header too short")
        protocol, size, algorithm, flags, offset = _UNCHAINED.unpack_from(message)
        split = _UNCHAINED.size + offset
        if protocol != SMB2_COMPRESSION_PROTOCOL_ID or flags != SMB2_COMPRESSION_FLAG_NONE:
            raise WireError("not an unchained compression header")
        if split > len(message):
            raise WireError("compressed part outside of the message")
        return cls(size, algorithm, message[_UNCHAINED.size : split], message[split:])


class CompressedPayload(msgspec.Struct, gc=False):
    """SMB2_COMPRESSION_CHAINED_PAYLOAD_HEADER and its payload, 2.2.42.2.1.

    Attributes:
        algorithm: SMB2_COMPRESSION_*.
        data: The payload; with SMB2_COMPRESSION_PATTERN_V1 see `pack_pattern`.
        original_size: Size when decompressed, of the algorithms that have it.
        flags: SMB2_COMPRESSION_FLAG_CHAINED in the first payload.
    """

    algorithm: int
    data: Buffer = b""
    original_size: int = 0
    flags: int = 0


class ChainedCompressionTransform(msgspec.Struct, gc=False):
    """SMB2_COMPRESSION_TRANSFORM_HEADER_CHAINED with its payloads, 2.2.42.2.

    Attributes:
        original_size: Size of the whole message when decompressed.
        payloads: In the order of the message.
    """

    original_size: int
    payloads: list[CompressedPayload]

    def pack(self) -> bytes:
        """Return the whole message."""
        parts: list[Buffer] = [_CHAINED.pack(SMB2_COMPRESSION_PROTOCOL_ID, self.original_size)]
        for one in self.payloads:
            if one.algorithm in _WITHOUT_ORIGINAL_SIZE:
                parts.append(_PAYLOAD.pack(one.algorithm, one.flags, len(one.data)))
            else:
                parts += (
                    _PAYLOAD.pack(one.algorithm, one.flags, len(one.data) + _ORIGINAL_SIZE.size),
                    _ORIGINAL_SIZE.pack(one.original_size),
                )
            parts.append(one.data)
        return b"".join(parts)

    @classmethod
    def unpack(cls, message: Buffer) -> ChainedCompressionTransform:
        """Read the whole message.

        Raises:
            WireError: It is malformed, or not chained.
        """
        size = len(message)
        if size < _CHAINED.size + _PAYLOAD.size:
            raise WireError("chained compression header too short")
        protocol, original_size = _CHAINED.unpack_from(message)
        if protocol != SMB2_COMPRESSION_PROTOCOL_ID or not is_chained(message):
            raise WireError("not a chained compression header")
        payloads = []
        at = _CHAINED.size
        while at < size:
            if at + _PAYLOAD.size > size:
                raise WireError("compressed payload header outside of the message")
            algorithm, flags, length = _PAYLOAD.unpack_from(message, at)
            at += _PAYLOAD.size
            end = at + length
            if end > size:
                raise WireError("compressed payload outside of the message")
            original = 0
            if algorithm not in _WITHOUT_ORIGINAL_SIZE:
                if length < _ORIGINAL_SIZE.size:
                    raise WireError("compressed payload without its original size")
                (original,) = _ORIGINAL_SIZE.unpack_from(message, at)
                at += _ORIGINAL_SIZE.size
            payloads.append(CompressedPayload(algorithm, message[at:end], original, flags))
            at = end
        return cls(original_size, payloads)


def is_chained(message: Buffer) -> bool:
    """Whether the compressed `message` is of the chained form.

    Raises:
        WireError: It is too short to tell.
    """
    if len(message) < _UNCHAINED.size:
        raise WireError("compression header too short")
    flags: int = _UNCHAINED.unpack_from(message)[3]
    return bool(flags & SMB2_COMPRESSION_FLAG_CHAINED)


def pack_pattern(pattern: int, repetitions: int) -> bytes:
    """Return SMB2_COMPRESSION_PATTERN_PAYLOAD_V1, 2.2.42.2.2: a byte and how often it occurs."""
    return _PATTERN.pack(pattern, repetitions)


def unpack_pattern(data: Buffer) -> tuple[int, int]:
    """Read SMB2_COMPRESSION_PATTERN_PAYLOAD_V1.

    Raises:
        WireError: It is too short.
    """
    if len(data) < _PATTERN.size:
        raise WireError("pattern payload too short")
    pattern, repetitions = _PATTERN.unpack_from(data)
    return pattern, repetitions
