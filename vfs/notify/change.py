"""What happened to a file or directory, as the processes tell each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from messaging.records import RecordCodec
from vfs.constants import FILE_ACTION_RENAMED_NEW_NAME

#: Actions beyond the FILE_ACTION_* of [MS-FSCC] 2.7.1; they concern the watched directory itself.
DIRECTORY_DELETED: Final = -1
DIRECTORY_MOVED: Final = -2
#: Changes in it were lost: look for yourself.
DIRECTORY_CHANGES_LOST: Final = -3


class Change(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One change.

    Attributes:
        action: FILE_ACTION_* or one of the above.
        completion_filter: the FILE_NOTIFY_CHANGE_* that watch for it.
        path: absolute unix path of what changed.
        new_path: where DIRECTORY_MOVED has moved it.
    """

    action: int
    completion_filter: int
    path: bytes
    new_path: bytes = b""


class Trigger(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The payload of MSG_SMB_NOTIFY_TRIGGER: changes that belong together.

    Attributes:
        changes: in their order.
        pass_on: the receiver is notifyd and is to tell everybody who is interested.
    """

    changes: list[Change]
    pass_on: bool = False


TRIGGER_CODEC: Final = RecordCodec(Trigger, 1, "notify trigger")

_OVERHEAD: Final = 16  # of one change: its numbers, and the lengths of its paths
_PARCEL: Final = 16 * 1024
"""Bytes of paths in one message: with one more rename, of longest paths, it is no longer than a message may be."""


def parcels(changes: list[Change]) -> Sequence[list[Change]]:
    """Return `changes` in portions that fit into one message each; the halves of a rename stay together."""
    if len(changes) == 1:
        return (changes,)
    found: list[list[Change]] = []
    size = _PARCEL
    for change in changes:
        if size >= _PARCEL and (change.action != FILE_ACTION_RENAMED_NEW_NAME or not found):
            found.append([])
            size = 0
        found[-1].append(change)
        size += len(change.path) + len(change.new_path) + _OVERHEAD
    return found


def parent_of(path: bytes) -> bytes:
    """Return the directory of an absolute path; empty for the root's."""
    return path[: path.rfind(b"/")] or (b"/" if len(path) > 1 else b"")
