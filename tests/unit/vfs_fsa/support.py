"""A share on a temporary directory, without any server around it."""

from __future__ import annotations

import os
from pathlib import Path

from messaging.dbwrap.memory import MemoryDb
from messaging.server_id import ServerId
from vfs.access import DELETE, FILE_ALL_ACCESS, FILE_GENERIC_READ, FILE_GENERIC_WRITE, WRITE_DAC
from vfs.constants import FILE_CREATE, FILE_DIRECTORY_FILE, FILE_SHARE_ALL
from vfs.fsa import close
from vfs.fsa.file_object import FileObject
from vfs.fsa.open import open_now
from vfs.fsa.params import OpenOwner, OpenParams
from vfs.locking.share_mode import ShareModes
from vfs.ntstatus import STATUS_OBJECT_NAME_NOT_FOUND, NTStatusError
from vfs.posix.backend import PosixBackend
from vfs.sid import Sid
from vfs.token import SecurityToken
from vfs.volume import Volume, VolumeOptions

USER = Sid("S-1-5-21-1-2-3-1000")
ORDINARY = FILE_GENERIC_READ | FILE_GENERIC_WRITE | DELETE | WRITE_DAC
"""What the owner of a file with mode rw- is granted."""


def found(opened: FileObject | None) -> FileObject:
    """Return what was opened; a missing name is an error to a test.

    Raises:
        NTStatusError: STATUS_OBJECT_NAME_NOT_FOUND.
    """
    if opened is None:
        raise NTStatusError(STATUS_OBJECT_NAME_NOT_FOUND)
    return opened


class Share:
    """A volume and what a test does with it all the time."""

    def __init__(self, root: Path, **options: object) -> None:
        chosen = VolumeOptions()
        for name, value in options.items():
            setattr(chosen, name, value)
        self.root = root
        self.dead: set[int] = set()
        self.db = MemoryDb("locking", 1)
        self.modes = ShareModes(self.db, lambda server_id: server_id.pid not in self.dead)
        backend = PosixBackend(str(root), case_sensitive=chosen.case_sensitive)
        self.volume = Volume("share", backend, chosen, self.modes)
        self.token = SecurityToken(USER, uid=os.getuid(), gid=os.getgid())
        self.opens: list[FileObject] = []

    def open(
        self,
        path: str,
        access: int = ORDINARY,
        disposition: int = 1,
        options: int = 0,
        *,
        share: int = FILE_SHARE_ALL,
        pid: int = 1,
        token: SecurityToken | None = None,
        **more: object,
    ) -> FileObject:
        params = OpenParams(path, access, 0, share, disposition, options)
        for name, value in more.items():
            setattr(params, name, value)
        owner = OpenOwner(ServerId(pid), len(self.opens) + 1)
        result = found(open_now(self.volume, token or self.token, params, owner))
        self.opens.append(result)
        return result

    def create(self, path: str, access: int = FILE_ALL_ACCESS, **more: object) -> FileObject:
        return self.open(path, access, FILE_CREATE, **more)  # type: ignore[arg-type]

    def mkdir(self, path: str, **more: object) -> FileObject:
        return self.open(path, FILE_ALL_ACCESS, FILE_CREATE, FILE_DIRECTORY_FILE, **more)  # type: ignore[arg-type]

    def close_all(self) -> None:
        for fo in self.opens:
            if not fo.closed:
                close.close_file(fo)
        self.volume.backend.close()
