"""Files that hold what amounts to passwords: made for the owner only, refused when others can read them."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

from messaging.dbwrap.base import DbError, PersistentDb
from messaging.dbwrap.persistent import PersistentTdbDb
from messaging.dbwrap.tdb import open_tdb

_DIRECTORY_MODE: Final = 0o700
_LOCK_ORDER: Final = 0
"""Administrators' databases are locked by themselves only, never together with a client's."""


class PrivateFileError(Exception):
    """A file of the private directory cannot be used, or must not be."""


def open_private(directory: str, name: str) -> PersistentDb:
    """Open, or create, the persistent database `name` in the private directory.

    Raises:
        PrivateFileError: others than the owner have rights on it, it is somebody else's, or it cannot be
            opened.
    """
    path = Path(directory) / name
    try:
        path.parent.mkdir(_DIRECTORY_MODE, parents=True, exist_ok=True)
        check_private(path)
        db = open_tdb(str(path), lock_order=_LOCK_ORDER, persistent=True)
    except (OSError, DbError) as error:
        raise PrivateFileError(f"{path}: {error}") from error
    if not isinstance(db, PersistentTdbDb):
        raise PrivateFileError(f"{path}: not a persistent database")
    return db


def check_private(path: Path) -> None:
    """Refuse a file that others could have read or written.

    Raises:
        PrivateFileError: if so. A file that does not exist is fine.
    """
    try:
        status = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISREG(status.st_mode):
        raise PrivateFileError(f"{path}: not a regular file")
    if stat.S_IMODE(status.st_mode) & (stat.S_IRWXG | stat.S_IRWXO):
        mode = stat.S_IMODE(status.st_mode)
        raise PrivateFileError(f"{path}: others have rights on it (mode {mode:04o}); it has to be 0600")
    if status.st_uid not in {0, os.geteuid()}:
        raise PrivateFileError(f"{path}: belongs to user {status.st_uid}")
