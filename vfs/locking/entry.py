"""What locking.tdb knows about one open file: the share-mode entries and delete tokens. How: `vfs.locking.stored`."""

from __future__ import annotations

import os
from typing import Final

import msgspec

from messaging.server_id import ServerId

ENTRY_POSIX: Final = 0x1
"""Flag of an entry: opened with POSIX semantics."""
ENTRY_STREAM: Final = 0x2
"""Flag of an entry: an open of one of the file's named streams, which has its own record as well."""
ENTRY_REPLACING: Final = 0x4
"""Flag of an entry: no open, but somebody is putting another file in place of this one; openers wait that moment."""
ENTRY_RESILIENT: Final = 0x8
"""Flag of an entry: while its client is away it gives way to nobody, but for what it caches."""

ENTRY_ARCHIVE_TAKEN: Final = 0x10
"""Flag of an entry: another open took ARCHIVE from the file; who writes through this one sets it again."""


class ShareModeEntry(msgspec.Struct, array_like=True, gc=False):
    """One open of a file.

    Attributes:
        open_id: number of the open, unique within `server_id`.
        access_mask: granted access.
        opened_at: unix time in nanoseconds.
        name: absolute path of the open if it differs from the record's (hard links), else empty.
        oplock_level, client_guid, lease_key: what caching the open was given.
        handle_id: number of the persistent handle that it is, 0 for none: such an open outlives its process.
        connect_id: number of the tree connect that it was opened through.
    """

    server_id: ServerId
    open_id: int
    access_mask: int
    share_access: int
    create_options: int
    opened_at: int
    uid: int
    flags: int = 0
    name: bytes = b""
    oplock_level: int = 0
    client_guid: bytes = b""
    lease_key: bytes = b""
    handle_id: int = 0
    connect_id: int = 0

    @property
    def stays(self) -> bool:
        """Whether it gives way to nobody while its client is away: a resilient or a persistent handle."""
        return bool(self.handle_id or self.flags & ENTRY_RESILIENT)


class DeleteToken(msgspec.Struct, array_like=True, gc=False):
    """A name is to be removed when its last open closes, with these credentials."""

    path: bytes
    uid: int
    gid: int
    groups: tuple[int, ...]


class ShareModeRecord(msgspec.Struct, array_like=True):
    """All opens of one file by all processes.

    Paths are absolute, so that shares which overlap agree about names.

    Attributes:
        share_path: root directory of the share it was first opened through.
        path: absolute path of the file.
        delete_tokens: the names of the file that are delete-pending.
    """

    share_path: str
    path: bytes
    entries: list[ShareModeEntry]
    delete_tokens: list[DeleteToken] = []

    def name_of(self, entry: ShareModeEntry) -> bytes:
        """Return the absolute path that `entry` was opened by."""
        return entry.name or self.path

    def relative_path(self) -> bytes:
        """Return the path beneath `share_path`; ``.`` for the share's root."""
        root = os.fsencode(self.share_path).rstrip(b"/")
        return self.path[len(root) + 1 :] if self.path.startswith(root + b"/") else b"."
