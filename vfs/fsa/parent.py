"""The directory that a name is put into: rights, deletion and inheritance are asked of it, so it is opened once."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING

from vfs.fsa import stored_security

if TYPE_CHECKING:
    from vfs.posix.syscalls import Stat
    from vfs.security import SecurityDescriptor
    from vfs.volume import Volume


class ParentDirectory:
    """The directory of the share-relative name `path`; a context manager.

    Attributes:
        path: the directory's own, empty for the share's root.
        fd: a descriptor of it.

    Raises:
        OSError: it cannot be opened.
    """

    __slots__ = ("_descriptor", "_stat", "_volume", "fd", "path")

    def __init__(self, volume: Volume, path: bytes) -> None:
        self._volume = volume
        self.path = path.rpartition(b"/")[0]
        self.fd, _ = volume.backend.open_parent(path)
        self._stat: Stat | None = None
        self._descriptor: list[SecurityDescriptor | None] = []

    def __enter__(self) -> ParentDirectory:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._volume.backend.close_parent(self.fd)

    @property
    def stat(self) -> Stat:
        """Its status when that was first asked for.

        Raises:
            OSError: it cannot be read.
        """
        if self._stat is None:
            self._stat = self._volume.backend.stat(self.fd)
        return self._stat

    @property
    def descriptor(self) -> SecurityDescriptor | None:
        """Its stored security descriptor when that was first asked for; None if there is none.

        Raises:
            OSError: it cannot be read.
        """
        if not self._descriptor:
            self._descriptor.append(stored_security.load(self._volume, self.fd, self.stat))
        return self._descriptor[0]
