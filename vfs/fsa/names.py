"""Names: SMB path names to unix paths and back ([MS-FSCC] 2.1.5, [MS-FSA] 2.1.5.1).

On disk a name is UTF-8. What is not UTF-8 there is shown as lone low surrogates (U+DC80 + byte - 0x80) and a lone
surrogate sent by a client is stored as the three bytes UTF-8 would give it, so that every name makes the round trip.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

import msgspec

from vfs.constants import MAXIMUM_COMPONENT_LENGTH
from vfs.fsa.mangle import is_8_3
from vfs.ntstatus import (
    STATUS_INVALID_PARAMETER,
    STATUS_OBJECT_NAME_INVALID,
    STATUS_OBJECT_PATH_SYNTAX_BAD,
    NTStatusError,
)

_FIRST: Final = r'[^\x00-\x1f"/:|<>*?\\.]'
_OTHER: Final = r'[^\x00-\x1f"/:|<>*?\\]'
_PLAIN: Final = re.compile(rf"(?:{_FIRST}{_OTHER}*(?:\\{_FIRST}{_OTHER}*)*)?")
"""A path name that needs no closer look, as nearly all: cheaper than a search for what would need one."""
_ILLEGAL: Final = re.compile(r'[\x00-\x1f"/|<>*?]')
_ILLEGAL_IN_PATTERN: Final = re.compile(r"[\x00-\x1f/:|\\]")
_ILLEGAL_IN_STREAM: Final = re.compile(r"[\x00/\\:]")
_DATA_STREAM: Final = "$DATA"
_DIRECTORY_STREAM: Final = "$INDEX_ALLOCATION"
_DIRECTORY_STREAM_NAME: Final = "$I30"
_NAMES: Final = 1024
_SHORT: Final = 256
"""Length of the names that are kept once they were taken apart: up to some 1 KB each."""
QUOTA_FILE: Final = r"$Extend\$Quota:$Q:$INDEX_ALLOCATION"
QUOTA_STREAM: Final = "$Q:$INDEX_ALLOCATION"
"""As the name of a stream: the quotas ([MS-SMB2] 3.3.5.20.4) are meant. No real one has a colon in its name."""


class ParsedName(msgspec.Struct, frozen=True, gc=False):
    """A path name taken apart.

    Attributes:
        path: unix path relative to the share; empty is the root.
        name: the same as a client writes it, without stream.
        stream: name of a named stream, empty for the main one.
        must_be_directory: the name ended in a backslash or asked for the directory stream.
        must_be_file: the name asked for a data stream (``::$DATA``).
        plain: nothing of these three, and no component begins with a dot.
    """

    path: bytes
    name: str
    stream: str = ""
    must_be_directory: bool = False
    must_be_file: bool = False
    plain: bool = False


def parse(name: str) -> ParsedName:
    """Check the path name of a request and take it apart.

    Clients must not send ``..`` ([MS-FSCC] 2.1.5.1). If one does, it takes away the component before, as with Samba.

    Raises:
        NTStatusError: STATUS_OBJECT_NAME_INVALID, STATUS_OBJECT_PATH_SYNTAX_BAD (``..`` above the root, or of a
            stream), STATUS_INVALID_PARAMETER (begins with a backslash, [MS-SMB2] 3.3.5.9).
    """
    return _parse_again(name) if len(name) <= _SHORT else _parse(name)


def _parse(name: str) -> ParsedName:
    if _PLAIN.fullmatch(name) is not None:
        if len(name) > MAXIMUM_COMPONENT_LENGTH:
            _check_lengths(name)
        try:
            path = name.replace("\\", "/").encode()
        except UnicodeEncodeError:
            path = to_unix(name)
        return ParsedName(path, name, plain=True)
    if "/" in name:
        # [MS-FSCC] 2.1.5.2 has it illegal; to Samba it is another backslash, and clients have come to rely on it.
        name = name.replace("/", "\\")
    if name.startswith("\\"):
        raise NTStatusError(STATUS_INVALID_PARAMETER, "name begins with a backslash")
    if name.upper() == QUOTA_FILE.upper():
        return ParsedName(b"", name, QUOTA_STREAM)
    must_be_directory = False
    if name.endswith("\\"):
        must_be_directory = True
        name = name[:-1]
    stream = ""
    must_be_file = False
    head, slash, last = name.rpartition("\\")
    if ":" in last:
        last, stream, kind = _split_stream(last)
        name = head + slash + last
        if kind == _DIRECTORY_STREAM:
            must_be_directory = True
        elif must_be_directory:
            raise NTStatusError(STATUS_OBJECT_NAME_INVALID, "stream of a directory name")
        else:
            must_be_file = not stream
    if name:
        components: list[str] = []
        for component in name.split("\\"):
            if component == ".." and components and not stream:
                components.pop()
            else:
                check_component(component)
                components.append(component)
        name = "\\".join(components)
    return ParsedName(to_unix(name), name, stream, must_be_directory, must_be_file)


_parse_again: Final = lru_cache(_NAMES)(_parse)
"""The same few names come again and again."""


def parse_posix(name: str) -> ParsedName:
    """Take the path name of an open with the POSIX extensions apart: slashes part it, all other characters are names.

    Raises:
        NTStatusError: STATUS_OBJECT_NAME_INVALID, STATUS_OBJECT_PATH_SYNTAX_BAD (``..``).
    """
    path = _encode(name)
    if path:
        for component in path.split(b"/"):
            if component == b"..":
                raise NTStatusError(STATUS_OBJECT_PATH_SYNTAX_BAD, "parent directory in a name")
            if component in {b"", b"."} or b"\0" in component or len(component) > MAXIMUM_COMPONENT_LENGTH:
                raise NTStatusError(STATUS_OBJECT_NAME_INVALID, f"bad component {component!r}")
    return ParsedName(path, name)


def check_component(component: str) -> None:
    """Check one component of a path name ([MS-FSCC] 2.1.5.2).

    Raises:
        NTStatusError: STATUS_OBJECT_NAME_INVALID, STATUS_OBJECT_PATH_SYNTAX_BAD.
    """
    if component == "..":
        raise NTStatusError(STATUS_OBJECT_PATH_SYNTAX_BAD, "parent directory in a name")
    if not component or component == "." or ":" in component or _ILLEGAL.search(component):
        raise NTStatusError(STATUS_OBJECT_NAME_INVALID, f"bad component {component!r}")
    if len(component) > MAXIMUM_COMPONENT_LENGTH:
        raise NTStatusError(STATUS_OBJECT_NAME_INVALID, "component too long")


def check_pattern(pattern: str) -> None:
    """Check the search pattern of a directory query ([MS-FSA] 2.1.5.6.3).

    Raises:
        NTStatusError: STATUS_OBJECT_NAME_INVALID.
    """
    if not pattern or len(pattern) > MAXIMUM_COMPONENT_LENGTH or _ILLEGAL_IN_PATTERN.search(pattern):
        raise NTStatusError(STATUS_OBJECT_NAME_INVALID, "bad search pattern")


def _check_lengths(name: str) -> None:
    if any(len(component) > MAXIMUM_COMPONENT_LENGTH for component in name.split("\\")):
        raise NTStatusError(STATUS_OBJECT_NAME_INVALID, "component too long")


def _split_stream(component: str) -> tuple[str, str, str]:
    """Split ``name:stream:type`` into name, stream and type ([MS-FSCC] 2.1.5.3)."""
    base, _, rest = component.partition(":")
    stream, colon, kind = rest.partition(":")
    kind = kind.upper() if colon else _DATA_STREAM
    if not stream and not colon:
        raise NTStatusError(STATUS_OBJECT_NAME_INVALID, "empty stream name")
    if kind == _DIRECTORY_STREAM:
        if stream.upper() not in {"", _DIRECTORY_STREAM_NAME}:
            raise NTStatusError(STATUS_OBJECT_NAME_INVALID, "no such directory stream")
        return base, "", kind
    if kind != _DATA_STREAM or len(stream) > MAXIMUM_COMPONENT_LENGTH or _ILLEGAL_IN_STREAM.search(stream):
        raise NTStatusError(STATUS_OBJECT_NAME_INVALID, "bad stream name")
    return base, stream, kind


def to_unix(name: str) -> bytes:
    """Return the unix path of a backslash separated name that has been checked.

    Raises:
        NTStatusError: STATUS_OBJECT_NAME_INVALID for surrogates that would alias another name.
    """
    return _encode(name.replace("\\", "/"))


def _encode(name: str) -> bytes:
    try:
        return name.encode()
    except UnicodeEncodeError:
        return _encode_surrogates(name)


def _encode_surrogates(name: str) -> bytes:
    parts = []
    for char in name:
        if 0xDC80 <= ord(char) <= 0xDCFF:
            parts.append(bytes((ord(char) - 0xDC00,)))
        else:
            parts.append(char.encode("utf-8", "surrogatepass"))
    path = b"".join(parts)
    if _decode_invalid(path) != name:
        raise NTStatusError(STATUS_OBJECT_NAME_INVALID, "surrogates that spell another name")
    return path


def component_to_str(component: bytes) -> str:
    """Return the name that clients see for one on-disk component (or path: slashes stay)."""
    try:
        return component.decode()
    except UnicodeDecodeError:
        return _decode_invalid(component)


def _decode_invalid(path: bytes) -> str:
    """Decode what is not UTF-8: encoded surrogates to themselves, other stray bytes to U+DC80..U+DCFF."""
    out: list[str] = []
    at = 0
    while at < len(path):
        try:
            out.append(path[at:].decode())
            break
        except UnicodeDecodeError as error:
            out.append(path[at : at + error.start].decode())
            at += error.start
            triple = path[at : at + 3]
            if _is_surrogate(triple):
                char = triple.decode("utf-8", "surrogatepass")
                # The range that stands for stray bytes is not spelled out, or two names would look the same.
                if not 0xDC80 <= ord(char) <= 0xDCFF:
                    out.append(char)
                    at += 3
                    continue
            out.append(chr(0xDC00 + path[at]))
            at += 1
    return "".join(out)


def _is_surrogate(triple: bytes) -> bool:
    """Tell whether three bytes are what UTF-8 would make of a surrogate."""
    return len(triple) == 3 and triple[0] == 0xED and 0xA0 <= triple[1] <= 0xBF and 0x80 <= triple[2] <= 0xBF


def to_smb(path: bytes) -> str:
    """Return the name that clients see for an on-disk path: backslash separated."""
    return component_to_str(path).replace("/", "\\")


def stored_case(path: bytes, *, preserve: bool, short_preserve: bool, upper: bool) -> bytes:
    """Return `path` with its last component in the case in which a new name is stored.

    Args:
        path: unix path, as the client spells it.
        preserve: `preserve case`.
        short_preserve: `short preserve case`: upper-case names of 8.3 form keep theirs, too.
        upper: `default case = upper`.
    """
    head, slash, last = path.rpartition(b"/")
    text = component_to_str(last)
    if preserve and (short_preserve or not (text.isupper() and is_8_3(text))):
        return path
    return head + slash + to_unix(text.upper() if upper else text.lower())
