"""Looking at a file without opening it for anybody."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from vfs.fsa import access_check, names
from vfs.fsa.lookup import open_path
from vfs.ntstatus import NTStatusError
from vfs.posix.backend import NoSuchName

if TYPE_CHECKING:
    from vfs.token import SecurityToken
    from vfs.volume import Volume

_PATH: Final = (os.O_PATH,)


def maximal_access_by_name(volume: Volume, token: SecurityToken, name: str) -> int:
    """Return what `token` could be granted at most on the file of that name; 0 if that cannot be found out.

    The caller has switched to the identity of `token`.
    """
    try:
        found = open_path(volume, names.parse(name).path, _PATH, os.O_CLOEXEC)
    except (NTStatusError, OSError):
        return 0
    if isinstance(found, NoSuchName):
        return 0
    fd, path, _mode = found
    try:
        stat = volume.backend.stat(fd)
        return access_check.maximal_access(volume, token, fd, path, stat)
    except (NTStatusError, OSError):
        return 0
    finally:
        os.close(fd)
