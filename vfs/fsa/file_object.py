"""An open of a file or directory: [MS-FSA] 2.1.1.6, the half of an open that knows nothing of SMB."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec

from vfs.constants import FILE_OPENED
from vfs.fsa import access_check
from vfs.fsa.names import to_smb, to_unix
from vfs.locking.stored import LOCKING_CODEC, keeps_name
from vfs.ntstatus import STATUS_ACCESS_DENIED, STATUS_FILE_CLOSED, STATUS_MEDIA_WRITE_PROTECTED, NTStatusError

if TYPE_CHECKING:
    from vfs.file_id import FileId
    from vfs.fsa.params import OpenOwner
    from vfs.locking.oplock import Oplock
    from vfs.modules.xattr_stream import XattrStream
    from vfs.notify.watch import Watch
    from vfs.posix.syscalls import Stat
    from vfs.token import SecurityToken
    from vfs.volume import Volume


class FileObject(msgspec.Struct, eq=False):
    """One open.

    Attributes:
        fd: descriptor; an O_PATH one if `path_only`. -1 after `close_file`.
        file_id, key: which file, or stream, it is, and the key of its records; `identify` sets both.
        path: unix path relative to the share as spelled on disk; empty is the root. Of a stream: of its file.
        granted_access: what the opener was given; every operation checks against it.
        withheld_access: what the opener may think it was given beyond that, of a file that cannot change.
        create_action: FILE_SUPERSEDED, FILE_OPENED, FILE_CREATED or FILE_OVERWRITTEN.
        delete_on_close: opened with FILE_DELETE_ON_CLOSE (takes effect when this open closes).
        stream: contents of the named stream that is open; None for the file itself, whose contents are behind `fd`.
        stat: status of the file as last seen through this open.
        file_attributes: DOS attributes as last seen through this open.
        creation_time: FILETIME, as last seen through this open.
        position: CurrentByteOffset of FilePositionInformation.
        mode: Mode of FileModeInformation.
        posix_delete: the name goes when this open closes, whoever else has the file open.
        lock_count: how many byte-range locks it holds.
        handle_id: number of the persistent handle that it is; 0 for none.
        oplock: the oplock of this open, or its share in a lease; None if it may cache nothing.
        alone: the share-mode record as it is when it names this open and nothing else; empty if more is to be done at
            the close than to take the open out of it.
        known: the share-mode record that names this open as it is named here, and in which nothing is delete-pending.
        no_readers: the share-mode record in which nobody else caches reads; for `vfs.locking.breaks`.
        watch: the changes in this directory that its opener has asked for, from the first request on.
        written, renamed: that was done through this open; watchers are told when it closes.
        sticky_change_time: a change time (FILETIME) that what is done through this open must leave, None if it may
            move it.
        sticky_write_time: None if writes through this open move the write time; else what it was before the last one.
    """

    volume: Volume
    token: SecurityToken
    owner: OpenOwner
    fd: int
    path: bytes
    stat: Stat
    file_id: FileId
    key: bytes
    is_directory: bool
    file_attributes: int = 0
    creation_time: int = 0
    share_access: int = 0
    create_options: int = 0
    delete_on_close: bool = False
    path_only: bool = False
    granted_access: int = 0
    create_action: int = FILE_OPENED
    withheld_access: int = 0
    position: int = 0
    lock_count: int = 0
    handle_id: int = 0
    mode: int = 0
    sticky_write_time: int | None = None
    sticky_change_time: int | None = None
    posix_delete: bool = False
    watch: Watch | None = None
    written: bool = False
    renamed: bool = False
    oplock: Oplock | None = None
    alone: bytes = b""
    known: bytes = b""
    no_readers: bytes | None = None
    stream: XattrStream | None = None
    _name: str | None = None

    def identify(self, file_id: FileId) -> None:
        """Take another file id, and the key that goes with it."""
        self.file_id = file_id
        self.key = file_id.key()

    @property
    def name(self) -> str:
        """SMB path relative to the share as spelled on disk; of a stream ``file:stream``."""
        if self._name is None:
            self._name = to_smb(self.path)
        return self._name

    @name.setter
    def name(self, name: str) -> None:
        self._name = name

    @property
    def full_path(self) -> bytes:
        """Absolute unix path: the name in share-mode records."""
        path = self.volume.full_path(self.path)
        return path if self.stream is None else b"%s:%s" % (path, to_unix(self.stream.name))

    @property
    def can_stay(self) -> bool:
        """Whether it can be resilient or persistent, whatever it caches: an open of a file or one of its streams.

        A file that goes with its last close does not wait for anybody.
        """
        return self.volume.options.durable_handles and self.stat.is_regular and not self.delete_on_close

    @property
    def closed(self) -> bool:
        """Whether `close_file` was called."""
        return self.fd < 0

    def require(self, access: int) -> None:
        """Check that all rights of `access` were granted.

        Raises:
            NTStatusError: STATUS_ACCESS_DENIED, STATUS_MEDIA_WRITE_PROTECTED.
        """
        if access & ~self.granted_access:
            raise self.refusal(access)

    def require_any(self, access: int) -> None:
        """Check that one of the rights of `access` was granted.

        Raises:
            NTStatusError: STATUS_ACCESS_DENIED, STATUS_MEDIA_WRITE_PROTECTED.
        """
        if not access & self.granted_access:
            raise self.refusal(access)

    def refusal(self, access: int) -> NTStatusError:
        """Return why what takes `access` is not done, which was not granted."""
        if access & self.withheld_access:
            return NTStatusError(STATUS_MEDIA_WRITE_PROTECTED, "a snapshot does not change")
        return NTStatusError(STATUS_ACCESS_DENIED, "not opened for that")

    def refresh(self) -> Stat:
        """Read the status of the file anew.

        Raises:
            NTStatusError: STATUS_FILE_CLOSED.
            OSError: as the kernel says.
        """
        if self.fd < 0:
            raise NTStatusError(STATUS_FILE_CLOSED, "closed")
        self.stat = self.volume.backend.stat(self.fd)
        return self.stat

    def follow(self) -> bool:
        """Learn the name anew, which another open may have changed; tell whether it is delete-pending.

        Costs one look into the database as long as nothing changes there. A stream that went is delete-pending.
        """
        stored = self.volume.share_modes.parse(self.key)
        if stored is None:
            return self.stream is not None
        mine = self.alone
        if stored == mine or stored == self.known or (mine and keeps_name(mine, stored)):  # noqa: PLR1714
            return False
        record = LOCKING_CODEC.decode(stored)
        owner = self.owner
        for entry in record.entries:
            if entry.open_id == owner.open_id and entry.server_id == owner.server_id:
                path = record.name_of(entry)
                break
        else:
            return self.stream is not None
        if self.stream is not None:
            return bool(record.delete_tokens)
        if path != self.full_path and (relative := self.volume.relative_path(path)) is not None:
            self.renamed_to(relative)
        if not record.delete_tokens:
            self.known = stored
        return any(token.path == path for token in record.delete_tokens)

    def renamed_to(self, path: bytes) -> None:
        """Note the new name of the file."""
        self.path = path
        self.name = to_smb(path)
        self.alone = self.known = b""  # these have the old one

    def end_of_file(self) -> int:
        """Return the size of the contents.

        Raises:
            OSError: as the kernel says.
        """
        return os.fstat(self.fd).st_size if self.stream is None else self.stream.size()

    def truncate(self, size: int) -> None:
        """Set the end of file.

        Raises:
            OSError: as the kernel says.
        """
        if self.stream is None:
            self.volume.backend.ftruncate(self.fd, size)
        else:
            self.stream.truncate(size)

    def maximal_access(self) -> int:
        """Return what the opener could have been granted at most (MxAc create context).

        Raises:
            NTStatusError: the security descriptor cannot be read.
        """
        return access_check.maximal_access(self.volume, self.token, self.fd, self.path, self.stat)
