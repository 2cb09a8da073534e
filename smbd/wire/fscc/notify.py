"""FILE_NOTIFY_INFORMATION, [MS-FSCC] 2.7.1: what a CHANGE_NOTIFY response carries."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Final, Protocol

import msgspec

from smbd.wire.buffer import Buffer, decode_utf16, encode_utf16
from smbd.wire.errors import WireError
from smbd.wire.fscc.chain import pack_chain, walk_chain

_FIXED: Final = struct.Struct("<4xII")  # NextEntryOffset, Action, FileNameLength
_ALIGNMENT: Final = 4


class NotifyInformation(msgspec.Struct, gc=False):
    """One change. Action: FILE_ACTION_*; the name is relative to the watched directory."""

    action: int
    name: str


class _Change(Protocol):
    """What can be packed as a `NotifyInformation`."""

    @property
    def action(self) -> int: ...
    @property
    def name(self) -> str: ...


def pack_notify(changes: Iterable[_Change]) -> bytes:
    """Return the list of `changes`."""
    entries = []
    for change in changes:
        name = encode_utf16(change.name)
        entries.append(_FIXED.pack(change.action, len(name)) + name)
    return pack_chain(entries, _ALIGNMENT)


def unpack_notify(data: Buffer) -> list[NotifyInformation]:
    """Read a list of changes.

    Raises:
        WireError: It is malformed.
    """
    changes = []
    for entry in walk_chain(data, _FIXED.size, _ALIGNMENT):
        action, length = _FIXED.unpack_from(entry)
        end = _FIXED.size + length
        if end > len(entry):
            raise WireError("name outside of its change entry")
        changes.append(NotifyInformation(action, decode_utf16(entry[_FIXED.size : end])))
    return changes
