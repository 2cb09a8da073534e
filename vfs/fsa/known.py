"""What this process knows of the files that it looked at lately: their attributes, and what they grant to whom.

Clients open the same few files again and again. What is kept in extended attributes (DOS attributes, creation time,
security descriptor) and in the mode stays as it is for as long as the change time does. File systems stamp changes
with a coarse clock, so what is read that close to the last change is used once and not kept. Every open still asks the
kernel first: it has the last word on who may open what.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from vfs.access import ACCESS_SYSTEM_SECURITY, DELETE
from vfs.posix.name_cache import is_settled
from vfs.posix.name_watch import is_local

if TYPE_CHECKING:
    from vfs.file_id import FileId
    from vfs.fsa.stat import FileStat
    from vfs.posix.syscalls import Stat
    from vfs.token import SecurityToken
    from vfs.volume import Volume

MAX_FILES: Final = 512
"""Of one share; at some 1,000 bytes each."""
_ELSEWHERE: Final = DELETE | ACCESS_SYSTEM_SECURITY
"""Rights that are not the file's alone to give: the directory's, and the privilege's."""


class KnownFile:
    """One file as it was when it had a certain change time.

    Attributes:
        stat: its status when it was last looked at; in any later one that has this change time more may have changed.
        file_stat: what the information classes say about it while it has that status and is not delete-pending; None
            if nobody asked.
        file_id, key: of the file itself, not of a stream.
        is_directory: it is a directory.
        path: on-disk spelling, relative to the share; part of the attributes follow from the name.
        file_attributes: all of them.
        creation_time: FILETIME.
        ea_size: EaSize; -1 if nobody asked.
        token: the last one whose rights were looked at.
        rights: which the file itself grants to it, as far as somebody asked.
        all_rights: all that it grants, DELETE included; 0 if nobody asked.
    """

    __slots__ = (
        "all_rights", "creation_time", "ea_size", "file_attributes", "file_id", "file_stat", "is_directory",
        "key", "path", "rights", "stat", "token",
    )  # fmt: skip

    def __init__(self, file_id: FileId, stat: Stat, path: bytes, file_attributes: int, creation_time: int) -> None:
        self.file_id = file_id
        self.key = file_id.key()
        self.stat = stat
        self.is_directory = stat.is_directory
        self.file_stat: FileStat | None = None
        self.path = path
        self.file_attributes = file_attributes
        self.creation_time = creation_time
        self.ea_size = -1
        self.token: SecurityToken | None = None
        self.rights = 0
        self.all_rights = 0

    def is_of(self, stat: Stat) -> bool:
        """Tell whether what has the status `stat` is that file, with that change time."""
        mine = self.stat
        return mine is stat or (mine.ctime_ns == stat.ctime_ns and mine.ino == stat.ino and mine.dev == stat.dev)

    def note(self, token: SecurityToken, rights: int) -> None:
        """Keep that `rights` were granted to `token`."""
        if self.token is not token:
            self.token = token
            self.rights = self.all_rights = 0
        self.rights |= rights & ~_ELSEWHERE


def keep(volume: Volume, known: KnownFile, fd: int, read_ns: int) -> None:
    """Keep what was read of a file through `fd` after `read_ns`, if no change is overlooked.

    That others change what this kernel knows of a file of theirs may be seen late, or not in the change time.
    """
    files = volume.known
    stat = known.stat
    if is_settled(stat.ctime_ns, read_ns) and volume.backend.stamps_attributes:
        local = volume.local_devices.get(stat.dev)
        if local is None:
            local = volume.local_devices[stat.dev] = is_local(fd)
        if not local:
            return
        if len(files) >= MAX_FILES:
            del files[next(iter(files))]
        files[known.path] = known
