"""Characters that clients see in place of others: ``catia:mappings = 0x22:0xa8,0x2a:0xa4`` (on disk : at the client).

So files with names that Windows cannot have keep telling names. As in Samba's module a character of the right side
always means the left one, so that a file with it on disk cannot be reached.
"""

from __future__ import annotations

import functools
import os

import msgspec

from vfs.modules.base import INTERFACE_VERSION, ModuleError, ModuleOptions, VfsModule
from vfs.posix.backend import NoSuchName, PosixBackend
from vfs.posix.syscalls import Stat


class Catia(VfsModule):
    """Translates names. All above it, share-mode records included, knows files by the names that clients see."""

    interface_version = INTERFACE_VERSION

    def __init__(self, next: PosixBackend, options: ModuleOptions) -> None:  # noqa: A002 - the interface's name
        super().__init__(next, options)
        pairs = [_pair(word) for word in options.words("mappings")]
        if len(dict(pairs)) < len(pairs) or len({client for _, client in pairs}) < len(pairs):
            raise ModuleError("catia:mappings has a character twice")
        to_client = dict(pairs)
        to_disk = {client: disk for disk, client in pairs}

        @functools.lru_cache(4096)
        def disk_path(path: bytes) -> bytes:
            return path if path.isascii() and not ascii_too else os.fsencode(os.fsdecode(path).translate(to_disk))

        ascii_too = any(client < 128 for client in to_disk)
        self._disk = disk_path
        self._to_client = to_client
        self.shown_name = lambda name: name.translate(to_client)
        self.disk_name = lambda name: name.translate(to_disk)

    def _client(self, path: bytes) -> bytes:
        return os.fsencode(os.fsdecode(path).translate(self._to_client))

    def open(self, path: bytes, flags: int, mode: int = 0) -> int:
        """Open by the client's name."""
        return self.next.open(self._disk(path), flags, mode)

    def exists(self, path: bytes) -> bool:
        """Look for the client's name."""
        return self.next.exists(self._disk(path))

    def resolve(self, path: bytes, *, tried: bool = False) -> bytes | NoSuchName:
        """Return the spelling on disk as clients see it."""
        found = self.next.resolve(self._disk(path), tried=tried)
        if isinstance(found, bytes):
            return self._client(found)
        return msgspec.structs.replace(found, parent=self._client(found.parent))

    def open_parent(self, path: bytes) -> tuple[int, bytes]:
        """Open the directory; the name is that on disk."""
        return self.next.open_parent(self._disk(path))

    def stat_at(self, dir_fd: int, name: bytes) -> Stat:
        """Return the status of an entry by either name."""
        return self.next.stat_at(dir_fd, self._disk(name))

    def stat_path(self, path: bytes) -> Stat:
        """Return the status by the client's name."""
        return self.next.stat_path(self._disk(path))

    def mkdir(self, path: bytes, mode: int) -> None:
        """Make what the client calls so."""
        self.next.mkdir(self._disk(path), mode)

    def unlink(self, path: bytes, parent: int | None = None) -> None:
        """Remove what the client calls so."""
        self.next.unlink(self._disk(path), parent)

    def rmdir(self, path: bytes, parent: int | None = None) -> None:
        """Remove what the client calls so."""
        self.next.rmdir(self._disk(path), parent)

    def rename(self, old: bytes, new: bytes, *, replace: bool) -> None:
        """Rename, both as the client calls them."""
        self.next.rename(self._disk(old), self._disk(new), replace=replace)

    def link(self, source: int | bytes, new: bytes, *, replace: bool = False) -> None:
        """Link under the client's name."""
        found = source if isinstance(source, int) else self._disk(source)
        self.next.link(found, self._disk(new), replace=replace)

    def symlink(self, target: bytes, path: bytes) -> None:
        """Make a link by the client's name."""
        self.next.symlink(target, self._disk(path))

    def readlink(self, path: bytes) -> bytes:
        """Read a link by the client's name."""
        return self.next.readlink(self._disk(path))

    def snapshot_path(self, path: bytes, moment: int) -> bytes:
        """Find the snapshot of what the client calls so."""
        return self._client(self.next.snapshot_path(self._disk(path), moment))


def _pair(word: str) -> tuple[int, int]:
    """Return a mapping: code points on disk and at the client.

    Raises:
        ModuleError: it is none, or breaks paths.
    """
    disk, _, client = word.partition(":")
    try:
        pair = int(disk, 0), int(client, 0)
        names = chr(pair[0]) + chr(pair[1])
    except (ValueError, OverflowError):
        raise ModuleError(f"catia:mappings: {word} is not like 0x22:0xa8") from None
    if set(names) & set("/.\0"):
        raise ModuleError(f"catia:mappings: {word} would change what a path means")
    return pair
