"""secrets.tdb: what this server must keep for itself. For now the SID of its account domain."""

from __future__ import annotations

import secrets
from typing import Final

from messaging.dbwrap.base import PersistentDb
from messaging.records import RecordCodec
from smbd.auth.private_file import open_private
from vfs.sid import Sid

FILE_NAME: Final = "secrets.tdb"
_DOMAIN_SID_KEY: Final = b"SECRETS/SID"
_codec: Final = RecordCodec(bytes, 1, "secrets")

_NT_AUTHORITY: Final = 5
_NT_NON_UNIQUE: Final = 21


class Secrets:
    """The open secrets database."""

    def __init__(self, db: PersistentDb) -> None:
        self._db = db

    @classmethod
    def open(cls, private_dir: str) -> Secrets:
        """Open or create the database of a private directory.

        Raises:
            PrivateFileError: it cannot or must not be used.
        """
        return cls(open_private(private_dir, FILE_NAME))

    def domain_sid(self) -> Sid:
        """Return the SID S-1-5-21-x-y-z, made at random the first time and never changed.

        It does not depend on the server's name: renaming the server must not orphan every file's owner.
        """
        stored = self._db.parse(_DOMAIN_SID_KEY)
        if stored is not None:
            return Sid(_codec.decode(stored))
        with self._db.fetch_locked(_DOMAIN_SID_KEY) as record:
            if record.value is not None:  # another process was faster
                return Sid(_codec.decode(record.value))
            sid = Sid.from_parts(_NT_AUTHORITY, _NT_NON_UNIQUE, *(secrets.randbits(32) for _ in range(3)))
            record.store(_codec.encode(bytes(sid)))
            return sid
