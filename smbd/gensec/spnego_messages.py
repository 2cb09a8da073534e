"""SPNEGO's messages as bytes (RFC 4178 4.2, [MS-SPNG] 2.2.1): NegTokenInit and NegTokenResp, in DER.

What an acceptor does not need (reqFlags, negHints, the MIC of a NegTokenInit) is passed over.
"""

from __future__ import annotations

from typing import Final

import msgspec

# negState of NegTokenResp.
ACCEPT_COMPLETED: Final = 0
ACCEPT_INCOMPLETE: Final = 1
REJECT: Final = 2
REQUEST_MIC: Final = 3

#: Mechanisms, by the content of their OBJECT IDENTIFIER.
OID_SPNEGO: Final = bytes.fromhex("2b0601050502")  # 1.3.6.1.5.5.2
OID_NTLMSSP: Final = bytes.fromhex("2b06010401823702020a")  # 1.3.6.1.4.1.311.2.2.10

# Tags (X.690 8.1.2): universal ones, [APPLICATION 0], and the context-specific [0] to [3].
_OCTET_STRING: Final = 0x04
_OBJECT_IDENTIFIER: Final = 0x06
_ENUMERATED: Final = 0x0A
_GENERAL_STRING: Final = 0x1B
_SEQUENCE: Final = 0x30
_INITIAL_CONTEXT_TOKEN: Final = 0x60
_CONTEXT_0: Final = 0xA0
_CONTEXT_1: Final = 0xA1
_CONTEXT_2: Final = 0xA2
_CONTEXT_3: Final = 0xA3
_NEG_TOKEN_INIT: Final = _CONTEXT_0
_NEG_TOKEN_RESP: Final = _CONTEXT_1

_LONG_FORM: Final = 0x80
_MAX_LENGTH_SIZE: Final = 4


class SpnegoMessageError(ValueError):
    """The bytes are no message of SPNEGO."""


class NegTokenInit(msgspec.Struct, frozen=True):
    """The client's first message.

    Attributes:
        mech_types: the mechanisms that it offers, in its order of preference.
        mech_list: MechTypeList in DER as it was sent, which the mechListMIC covers.
        mech_token: the first token of the first mechanism, if it is there already.
    """

    mech_types: list[bytes]
    mech_list: bytes
    mech_token: bytes | None


class NegTokenResp(msgspec.Struct, frozen=True):
    """Any other message; what is absent is None."""

    state: int | None
    response_token: bytes | None
    mech_list_mic: bytes | None


def unpack(token: bytes) -> NegTokenInit | NegTokenResp:
    """Read a message; a NegTokenInit with or without its GSS header.

    Raises:
        SpnegoMessageError: it is none, or an element ends outside the one that holds it.
    """
    tag, at, end = _element(token, 0, len(token))
    if tag == _INITIAL_CONTEXT_TOKEN:
        start, at = _expect(token, at, end, _OBJECT_IDENTIFIER)
        if token[start:at] != OID_SPNEGO:
            raise SpnegoMessageError("a token of another mechanism")
        tag, at, end = _element(token, at, end)
        if tag != _NEG_TOKEN_INIT:
            raise SpnegoMessageError(f"element {tag:#x} where NegTokenInit was expected")
    if tag not in {_NEG_TOKEN_INIT, _NEG_TOKEN_RESP}:
        raise SpnegoMessageError(f"element {tag:#x} is no message of SPNEGO")
    fields = _fields(token, *_expect(token, at, end, _SEQUENCE))
    if tag == _NEG_TOKEN_INIT:
        mech_list = fields.get(_CONTEXT_0, b"")
        return NegTokenInit(_mech_types(mech_list), mech_list, _content(fields, _CONTEXT_2, _OCTET_STRING))
    state = _content(fields, _CONTEXT_0, _ENUMERATED)
    if state is not None and len(state) != 1:
        raise SpnegoMessageError(f"negState of {len(state)} bytes")
    return NegTokenResp(
        None if state is None else state[0],
        _content(fields, _CONTEXT_2, _OCTET_STRING),
        _content(fields, _CONTEXT_3, _OCTET_STRING),
    )


def pack_init(mech_types: list[bytes], *, mech_token: bytes | None = None, hint_name: bytes = b"") -> bytes:
    """Build a NegTokenInit, with negHints a NegTokenInit2, behind its GSS header."""
    fields = _der(_CONTEXT_0, pack_mech_types(mech_types))
    if mech_token is not None:
        fields += _der(_CONTEXT_2, _der(_OCTET_STRING, mech_token))
    if hint_name:
        fields += _der(_CONTEXT_3, _der(_SEQUENCE, _der(_CONTEXT_0, _der(_GENERAL_STRING, hint_name))))
    message = _der(_NEG_TOKEN_INIT, _der(_SEQUENCE, fields))
    return _der(_INITIAL_CONTEXT_TOKEN, _der(_OBJECT_IDENTIFIER, OID_SPNEGO) + message)


def pack_mech_types(mech_types: list[bytes]) -> bytes:
    """Build a MechTypeList."""
    return _der(_SEQUENCE, b"".join(_der(_OBJECT_IDENTIFIER, mech) for mech in mech_types))


def pack_resp(state: int, mech: bytes = b"", token: bytes | None = None, mic: bytes | None = None) -> bytes:
    """Build a NegTokenResp.

    Args:
        state: negState.
        mech: supportedMech, if it is to be told.
        token: responseToken.
        mic: mechListMIC.
    """
    fields = _der(_CONTEXT_0, _der(_ENUMERATED, bytes((state,))))
    if mech:
        fields += _der(_CONTEXT_1, _der(_OBJECT_IDENTIFIER, mech))
    if token is not None:
        fields += _der(_CONTEXT_2, _der(_OCTET_STRING, token))
    if mic is not None:
        fields += _der(_CONTEXT_3, _der(_OCTET_STRING, mic))
    return _der(_NEG_TOKEN_RESP, _der(_SEQUENCE, fields))


def _der(tag: int, content: bytes) -> bytes:
    length = len(content)
    if length < _LONG_FORM:
        return bytes((tag, length)) + content
    size = (length.bit_length() + 7) // 8
    return bytes((tag, _LONG_FORM | size)) + length.to_bytes(size, "big") + content


def _element(data: bytes, at: int, end: int) -> tuple[int, int, int]:
    """Return tag, start and end of the content of the element at `at`."""
    if at + 2 > end:
        raise SpnegoMessageError("an element is cut off")
    tag, length = data[at], data[at + 1]
    at += 2
    if length >= _LONG_FORM:
        size = length - _LONG_FORM
        if not 0 < size <= _MAX_LENGTH_SIZE or at + size > end:
            raise SpnegoMessageError("an element without a proper length")
        length = int.from_bytes(data[at : at + size], "big")
        at += size
    if length > end - at:
        raise SpnegoMessageError("an element ends outside the one that holds it")
    return tag, at, at + length


def _expect(data: bytes, at: int, end: int, expected: int) -> tuple[int, int]:
    """Return start and end of the content of the element at `at`, which must have that tag."""
    tag, start, stop = _element(data, at, end)
    if tag != expected:
        raise SpnegoMessageError(f"element {tag:#x} where {expected:#x} was expected")
    return start, stop


def _fields(data: bytes, at: int, end: int) -> dict[int, bytes]:
    """Return the contents of all elements of a SEQUENCE, by tag."""
    fields = {}
    while at < end:
        tag, start, at = _element(data, at, end)
        fields[tag] = data[start:at]
    return fields


def _content(fields: dict[int, bytes], field: int, expected: int) -> bytes | None:
    value = fields.get(field)
    if value is None:
        return None
    start, stop = _expect(value, 0, len(value), expected)
    return value[start:stop]


def _mech_types(mech_list: bytes) -> list[bytes]:
    if not mech_list:
        return []
    at, end = _expect(mech_list, 0, len(mech_list), _SEQUENCE)
    found = []
    while at < end:
        start, at = _expect(mech_list, at, end, _OBJECT_IDENTIFIER)
        found.append(mech_list[start:at])
    return found
