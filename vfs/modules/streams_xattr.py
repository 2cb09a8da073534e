"""Named streams in extended attributes, in the layout of Samba's module of the same name.

The stream ``name`` is the attribute ``user.DosStream.name:$DATA``; its value is the contents and one zero byte behind
them. A stream that outgrows what the file system stores in an attribute moves to a side file, and the attribute then
holds a reference to it: the only value that does not end in a zero byte. It stays there until it is emptied.
"""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, NamedTuple

from vfs.fsa.names import component_to_str, to_unix
from vfs.modules import side_files
from vfs.modules.side_files import SideFiles
from vfs.posix import credentials

if TYPE_CHECKING:
    from vfs.posix.backend import PosixBackend

_log = logging.getLogger(__name__)

DEFAULT_PREFIX: Final = "user.DosStream."
_TYPE: Final = ":$DATA"
END: Final = b"\0"
"""Behind the contents, so that an empty stream has a value."""
REFERENCE: Final = b"pysmbd-side-file:"
"""Begins a value that names a side file."""
XATTR_SIZE_MAX: Final = 65536
"""No Linux file system stores more in one attribute."""
XATTR_NAME_MAX: Final = 255
TOO_LARGE: Final = frozenset({errno.E2BIG, errno.ENOSPC, errno.ERANGE})
"""How file systems say that an attribute cannot hold a value."""
BLOCK: Final = 512
_UNIT: Final = 4096
"""Streams in attributes are said to take whole units of this size."""
_NOT_STREAMS: Final = ("user.DOSATTRIB", "user.SAMBA_PAI")
"""Other attributes of the servers, which a short prefix would show as streams."""


class StreamEntry(NamedTuple):
    """A named stream of a file: name without type, size and space taken."""

    name: str
    size: int
    allocation_size: int


def reference_of(value: bytes) -> bytes | None:
    """Return the name of the side file that an attribute's value refers to, None if it is contents."""
    if value[-1:] != END and value.startswith(REFERENCE):
        name = value[len(REFERENCE) :]
        if side_files.owner_of(name) is not None:
            return name
    return None


def data_of(value: bytes) -> bytes:
    """Return the contents that an attribute's value holds."""
    return value[:-1] if value[-1:] == END else value


def allocation_of(size: int) -> int:
    """Return the space that a stream of `size` bytes in an attribute is said to take."""
    return -(-size // _UNIT) * _UNIT


class StreamsXattr:
    """The named streams of one share's files.

    Args:
        backend: the share's file system.
        prefix: begins the names of the attributes (``streams_xattr:prefix``).
        store_type: the names end in ``:$DATA`` (``streams_xattr:store_stream_type``).
        case_sensitive: names of streams differ by case.
        limit: larger values go to side files untried.
    """

    __slots__ = ("_case_sensitive", "_suffix", "backend", "limit", "prefix", "side")

    def __init__(
        self,
        backend: PosixBackend,
        *,
        prefix: str = DEFAULT_PREFIX,
        store_type: bool = True,
        case_sensitive: bool = False,
        limit: int = XATTR_SIZE_MAX,
    ) -> None:
        self.backend = backend
        self.prefix = prefix
        self.limit = limit
        self.side = SideFiles(backend)
        self._suffix = _TYPE if store_type else ""
        self._case_sensitive = case_sensitive

    def attribute(self, name: str) -> str:
        """Return the name of the extended attribute of the stream `name`.

        Raises:
            OSError: ENAMETOOLONG.
        """
        attribute = self.prefix + os.fsdecode(to_unix(name)) + self._suffix
        if len(os.fsencode(attribute)) > XATTR_NAME_MAX:
            raise OSError(errno.ENAMETOOLONG, "the name of the stream is too long")
        return attribute

    def attributes(self, fd: int) -> Iterator[tuple[str, str]]:
        """Yield the streams of a file: name and attribute.

        Raises:
            OSError: they cannot be listed.
        """
        prefix, suffix = self.prefix, self._suffix
        for attribute in self.backend.flistxattr(fd):
            if not attribute.startswith(prefix) or attribute in _NOT_STREAMS:
                continue
            name = attribute[len(prefix) :]
            if suffix:
                if name[-len(suffix) :].upper() != suffix:
                    continue
                name = name[: -len(suffix)]
            if name:
                yield component_to_str(os.fsencode(name)), attribute

    def find(self, fd: int, name: str) -> tuple[str, str] | None:
        """Return spelling and attribute of the stream `name`, None if the file has none of that name.

        Raises:
            OSError: the attributes cannot be listed.
        """
        folded = name.upper()
        found = None
        for spelled, attribute in self.attributes(fd):
            if spelled == name:
                return spelled, attribute
            if not self._case_sensitive and spelled.upper() == folded:
                found = spelled, attribute
        return found

    # What was granted when the stream was opened holds, whatever happens to the mode of its file afterwards.

    def get(self, fd: int, attribute: str) -> bytes | None:
        """Return the value of an attribute, None if it is not there.

        Raises:
            OSError: as the kernel says.
        """
        try:
            return self.backend.fgetxattr(fd, attribute)
        except PermissionError:
            with credentials.as_root():
                return self.backend.fgetxattr(fd, attribute)

    def put(self, fd: int, attribute: str, value: bytes) -> None:
        """Set an attribute.

        Raises:
            OSError: as the kernel says.
        """
        try:
            self.backend.fsetxattr(fd, attribute, value)
        except PermissionError:
            with credentials.as_root():
                self.backend.fsetxattr(fd, attribute, value)

    def drop(self, fd: int, attribute: str) -> None:
        """Remove an attribute.

        Raises:
            OSError: as the kernel says.
        """
        try:
            self.backend.fremovexattr(fd, attribute)
        except PermissionError:
            with credentials.as_root():
                self.backend.fremovexattr(fd, attribute)

    def entries(self, fd: int) -> list[StreamEntry]:
        """Return all named streams of a file.

        Raises:
            OSError: they cannot be read.
        """
        result = []
        for name, attribute in self.attributes(fd):
            value = self.get(fd, attribute)
            if value is None:
                continue
            side = reference_of(value)
            if side is None:
                size = len(data_of(value))
                result.append(StreamEntry(name, size, allocation_of(size)))
            else:
                stat = self.side.stat(side)
                result.append(StreamEntry(name, stat.size, stat.blocks * BLOCK) if stat else StreamEntry(name, 0, 0))
        return result

    def create(self, fd: int, name: str) -> str:
        """Make an empty stream and return its attribute.

        Raises:
            FileExistsError: somebody else made it meanwhile.
            OSError: as the kernel says.
        """
        attribute = self.attribute(name)
        self.backend.fsetxattr(fd, attribute, END, os.XATTR_CREATE)
        return attribute

    def side_files(self, fd: int, ino: int) -> list[bytes]:
        """Return the side files that belong to a file and go with it.

        Raises:
            OSError: the attributes cannot be read.
        """
        found = []
        for _, attribute in self.attributes(fd):
            value = self.get(fd, attribute)
            side = reference_of(value) if value is not None else None
            if side is not None and side_files.owner_of(side) == ino:
                found.append(side)
        return found

    def remove(self, fd: int, ino: int, attribute: str) -> None:
        """Remove a stream of the file with inode `ino`; a side file of its own goes with it.

        Raises:
            OSError: as the kernel says.
        """
        side = reference_of(self.get(fd, attribute) or END)
        self.drop(fd, attribute)
        if side is not None and side_files.owner_of(side) == ino:
            self.remove_side_files([side])

    def remove_side_files(self, names: list[bytes]) -> None:
        """Remove side files of which the references are gone already, so a failure is only logged."""
        for name in names:
            try:
                self.side.remove(name)
            except OSError as error:
                _log.warning("side file %r stays: %s", name, error)
