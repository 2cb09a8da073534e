"""NTLM messages as bytes ([MS-NLMP] 2.2): what the client sent is read where it lies.

The proof, the MIC and the signature cover bytes, so nothing of a client's message is ever packed again. Only
the CHALLENGE, which is ours, is built with pyspnego's structures.
"""

from __future__ import annotations

import datetime as dt
import struct
from typing import Final

import msgspec
from spnego._ntlm_raw.messages import AvId, Challenge, FileTime, TargetInfo, Version

NTLMSSP_SIGNATURE: Final = b"NTLMSSP\0"

NTLMSSP_NEGOTIATE_UNICODE: Final = 0x00000001
NTLMSSP_NEGOTIATE_OEM: Final = 0x00000002
NTLMSSP_REQUEST_TARGET: Final = 0x00000004
NTLMSSP_NEGOTIATE_SIGN: Final = 0x00000010
NTLMSSP_NEGOTIATE_SEAL: Final = 0x00000020
NTLMSSP_NEGOTIATE_LM_KEY: Final = 0x00000080
NTLMSSP_NEGOTIATE_NTLM: Final = 0x00000200
NTLMSSP_ANONYMOUS: Final = 0x00000800
NTLMSSP_NEGOTIATE_ALWAYS_SIGN: Final = 0x00008000
NTLMSSP_TARGET_TYPE_SERVER: Final = 0x00020000
NTLMSSP_NEGOTIATE_EXTENDED_SESSIONSECURITY: Final = 0x00080000
NTLMSSP_NEGOTIATE_TARGET_INFO: Final = 0x00800000
NTLMSSP_NEGOTIATE_VERSION: Final = 0x02000000
NTLMSSP_NEGOTIATE_128: Final = 0x20000000
NTLMSSP_NEGOTIATE_KEY_EXCH: Final = 0x40000000
NTLMSSP_NEGOTIATE_56: Final = 0x80000000

MSV_AV_EOL: Final = 0
MSV_AV_FLAGS: Final = 6
MSV_AV_FLAG_MIC_PRESENT: Final = 0x00000002

_TYPE_NEGOTIATE: Final = 1
_TYPE_AUTHENTICATE: Final = 3
_OEM: Final = "cp850"

_NEGOTIATE: Final = struct.Struct("<8sII")
# Six fields of length, maximal length (ignored) and offset, then the flags.
_AUTHENTICATE: Final = struct.Struct("<8sIH2xIH2xIH2xIH2xIH2xIH2xII")
_AV_PAIR: Final = struct.Struct("<HH")
_DWORD: Final = struct.Struct("<I")

# The payload of an AUTHENTICATE begins behind the fixed part, a Version and a MIC; both may be absent.
_MIC_AFTER_VERSION: Final = 72
_MIC_WITHOUT_VERSION: Final = 64
MIC_LENGTH: Final = 16

NT_PROOF_LENGTH: Final = 16
_CLIENT_CHALLENGE_FIXED: Final = 28
NTLMV2_MIN_LENGTH: Final = NT_PROOF_LENGTH + _CLIENT_CHALLENGE_FIXED
_NTLM_LENGTH: Final = 24
"""The shortest NTLMv2_RESPONSE: proof and the fixed part of NTLMv2_CLIENT_CHALLENGE."""

MAX_NAME_LENGTH: Final = 512
"""Bytes of a user, domain or workstation name; Windows allows 256 characters."""


class NtlmMessageError(ValueError):
    """The bytes are not the NTLM message that is due."""


class Authenticate(msgspec.Struct, frozen=True, gc=False):
    """AUTHENTICATE_MESSAGE ([MS-NLMP] 2.2.1.3).

    Attributes:
        mic_offset: where the MIC lies in the message if there is room for one, else 0.
    """

    flags: int
    user: str
    domain: str
    workstation: str
    nt_response: bytes
    lm_response: bytes
    encrypted_session_key: bytes
    mic_offset: int


def unpack_negotiate(message: bytes) -> int:
    """Return the flags of a NEGOTIATE_MESSAGE; names in it are only informative and ignored.

    Raises:
        NtlmMessageError: it is something else.
    """
    if len(message) < _NEGOTIATE.size:
        raise NtlmMessageError(f"a NEGOTIATE_MESSAGE of {len(message)} bytes")
    signature, message_type, flags = _NEGOTIATE.unpack_from(message)
    if signature != NTLMSSP_SIGNATURE or message_type != _TYPE_NEGOTIATE:
        raise NtlmMessageError("a NEGOTIATE_MESSAGE was expected")
    return int(flags)


def unpack_authenticate(message: bytes) -> Authenticate:
    """Read an AUTHENTICATE_MESSAGE.

    Raises:
        NtlmMessageError: it is something else, or a field lies outside the message or is no text.
    """
    if len(message) < _AUTHENTICATE.size:
        raise NtlmMessageError(f"an AUTHENTICATE_MESSAGE of {len(message)} bytes")
    signature, message_type, *fields, flags = _AUTHENTICATE.unpack_from(message)
    if signature != NTLMSSP_SIGNATURE or message_type != _TYPE_AUTHENTICATE:
        raise NtlmMessageError("an AUTHENTICATE_MESSAGE was expected")
    first = len(message)
    values = []
    for length, offset in zip(fields[::2], fields[1::2], strict=True):
        if offset + length > len(message) or (length and offset < _AUTHENTICATE.size):
            raise NtlmMessageError("a field of the AUTHENTICATE_MESSAGE lies outside it")
        if length:
            first = min(first, offset)
        values.append(message[offset : offset + length])
    lm_response, nt_response, domain, user, workstation, session_key = values
    unicode = bool(flags & NTLMSSP_NEGOTIATE_UNICODE)
    mic_offset = 0
    if first >= _MIC_AFTER_VERSION + MIC_LENGTH:
        mic_offset = _MIC_AFTER_VERSION
    elif first >= _MIC_WITHOUT_VERSION + MIC_LENGTH:
        mic_offset = _MIC_WITHOUT_VERSION
    return Authenticate(
        flags,
        _text(user, unicode),
        _text(domain, unicode),
        _text(workstation, unicode),
        nt_response,
        lm_response,
        session_key,
        mic_offset,
    )


def _text(value: bytes, unicode: bool) -> str:
    if len(value) > MAX_NAME_LENGTH:
        raise NtlmMessageError(f"a name of {len(value)} bytes")
    try:
        text = value.decode("utf-16-le" if unicode else _OEM)
    except UnicodeDecodeError as error:
        raise NtlmMessageError(f"a name that is no text: {error.reason}") from None
    if "\0" in text:
        raise NtlmMessageError("a name with a NUL in it")
    return text


def av_flags(nt_response: bytes) -> int:
    """Return MsvAvFlags of the target information in an NTLMv2_RESPONSE, 0 where there is none.

    Raises:
        NtlmMessageError: an AV_PAIR ends outside the response, or it is too long for NTLM and too short for NTLMv2.
    """
    if _NTLM_LENGTH < len(nt_response) < NTLMV2_MIN_LENGTH:
        raise NtlmMessageError(f"NT response of {len(nt_response)} bytes")
    at = NTLMV2_MIN_LENGTH
    end = len(nt_response)
    while at + _AV_PAIR.size <= end:
        av_id, length = _AV_PAIR.unpack_from(nt_response, at)
        at += _AV_PAIR.size
        if av_id == MSV_AV_EOL:
            break
        if at + length > end:
            raise NtlmMessageError("an AV_PAIR ends outside the NTLMv2_RESPONSE")
        if av_id == MSV_AV_FLAGS:
            if length != _DWORD.size:
                raise NtlmMessageError(f"MsvAvFlags of {length} bytes")
            return int(_DWORD.unpack_from(nt_response, at)[0])
        at += length
    return 0


def pack_challenge(
    flags: int, server_challenge: bytes, netbios_name: str, dns_domain: str, dns_name: str
) -> bytes:
    """Build the CHALLENGE_MESSAGE ([MS-NLMP] 2.2.1.2) of a stand-alone server: it is its own domain.

    The timestamp in the target information makes clients send a MIC and leave out the LM response.
    """
    target_info = TargetInfo()
    target_info[AvId.nb_domain_name] = netbios_name
    target_info[AvId.nb_computer_name] = netbios_name
    target_info[AvId.dns_domain_name] = dns_domain
    target_info[AvId.dns_computer_name] = dns_name
    target_info[AvId.timestamp] = FileTime.now(tz=dt.UTC)
    return Challenge(
        flags=flags,
        server_challenge=server_challenge,
        target_name=netbios_name,
        target_info=target_info,
        # The version is for people who read traces; 6.1 is what clients know from Samba.
        version=Version(major=6, minor=1, build=0) if flags & NTLMSSP_NEGOTIATE_VERSION else None,
        encoding=_OEM,
    ).pack()
