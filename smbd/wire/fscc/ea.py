"""Extended attributes, [MS-FSCC] 2.4: FileFullEaInformation and FILE_GET_EA_INFORMATION."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Final

import msgspec

from smbd.wire.buffer import Buffer
from smbd.wire.errors import WireError
from smbd.wire.fscc.chain import pack_chain, walk_chain

FILE_NEED_EA: Final = 0x80

_FULL: Final = struct.Struct("<4xBBH")  # NextEntryOffset, Flags, EaNameLength, EaValueLength
_GET: Final = struct.Struct("<4xB")  # NextEntryOffset, EaNameLength
_ALIGNMENT: Final = 4
# Clients pad the list as they like, so links are only looked at for leading forwards and not out.
_ANY_ALIGNMENT: Final = 1


class FullEaInformation(msgspec.Struct, gc=False):
    """One EA. Names are ASCII, kept as bytes. Flags: FILE_NEED_EA or 0."""

    name: bytes
    value: Buffer = b""
    flags: int = 0


def pack_full_ea(attributes: Iterable[FullEaInformation]) -> bytes:
    """Return the list of `attributes`."""
    return pack_chain(
        [
            b"".join((_FULL.pack(one.flags, len(one.name), len(one.value)), one.name, b"\0", one.value))
            for one in attributes
        ],
        _ALIGNMENT,
    )


def unpack_full_ea(data: Buffer) -> list[FullEaInformation]:
    """Read a list of EAs.

    Raises:
        WireError: It is malformed.
    """
    attributes = []
    for entry in walk_chain(data, _FULL.size, _ANY_ALIGNMENT):
        flags, name_length, value_length = _FULL.unpack_from(entry)
        name_end = _FULL.size + name_length
        value_end = name_end + 1 + value_length
        if value_end > len(entry) or entry[name_end]:
            raise WireError("EA outside of its entry")
        attributes.append(
            FullEaInformation(bytes(entry[_FULL.size : name_end]), entry[name_end + 1 : value_end], flags)
        )
    return attributes


def pack_get_ea(names: Iterable[bytes]) -> bytes:
    """Return the list of EA names that a QUERY_INFO sends along."""
    return pack_chain([b"".join((_GET.pack(len(name)), name, b"\0")) for name in names], _ALIGNMENT)


def unpack_get_ea(data: Buffer) -> list[bytes]:
    """Read a list of EA names.

    Raises:
        WireError: It is malformed.
    """
    names = []
    for entry in walk_chain(data, _GET.size, _ANY_ALIGNMENT):
        (length,) = _GET.unpack_from(entry)
        end = _GET.size + length
        if end + 1 > len(entry) or entry[end]:
            raise WireError("EA name outside of its entry")
        names.append(bytes(entry[_GET.size : end]))
    return names
