"""passdb.tdb: the accounts, in the way of Samba's tdbsam.

Two records per account: ``USER_name`` (lower case) holds it, ``RID_nnnnnnnn`` leads from its relative id to
its name. Relative ids are handed out from a stored counter that begins at 1000, as tdbsam does: computing
them from the Unix uid would give an account that is removed and made again for another person the old one's SID,
and with it the rights in every stored ACL.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Final

import msgspec

from messaging.dbwrap.base import PersistentDb
from messaging.records import RecordCodec
from smbd.auth.account_flags import ACB_DISABLED, ACB_NORMAL
from smbd.auth.password import nt_hash
from smbd.auth.private_file import PrivateFileError, open_private
from smbd.auth.secrets import Secrets
from vfs.sid import Sid

FILE_NAME: Final = "passdb.tdb"
MAX_USER_NAME: Final = 256

DOMAIN_USER_RID_ADMIN: Final = 500
DOMAIN_USER_RID_GUEST: Final = 501
DOMAIN_GROUP_RID_USERS: Final = 513
DOMAIN_GROUP_RID_GUESTS: Final = 514
FIRST_RID: Final = 1000

NEVER: Final = 0x7FFFFFFFFFFFFFFF
"""A time that does not come."""

ALL_HOURS: Final = b"\xff" * 21
"""One bit per hour of the week, from Sunday 0:00 UTC."""

_USER: Final = b"USER_"
_RID: Final = b"RID_"
_NEXT_RID: Final = b"NEXT_RID"


class PassdbError(Exception):
    """The account database cannot be used, or refuses a change; the text is for the administrator."""


class SamAccount(msgspec.Struct, array_like=True, kw_only=True):
    """One account. Times are seconds since the epoch; 0 is "not known", `NEVER` is never.

    Attributes:
        username: as it was created; names are compared without regard to case.
        nt_hash: MD4 of the password; empty if none was ever set.
        acct_flags: ``ACB_*``.
    """

    username: str
    rid: int = 0
    group_rid: int = DOMAIN_GROUP_RID_USERS
    nt_hash: bytes = b""
    acct_flags: int = ACB_NORMAL
    full_name: str = ""
    home_dir: str = ""
    dir_drive: str = ""
    logon_script: str = ""
    profile_path: str = ""
    comment: str = ""
    workstations: str = ""
    munged_dial: str = ""
    logon_time: int = 0
    logoff_time: int = NEVER
    kickoff_time: int = NEVER
    pass_last_set: int = 0
    pass_can_change: int = 0
    pass_must_change: int = NEVER
    bad_password_time: int = 0
    bad_password_count: int = 0
    logon_hours: bytes = ALL_HOURS

    @property
    def disabled(self) -> bool:
        """Whether nobody may log on to it."""
        return bool(self.acct_flags & ACB_DISABLED)

    def set_password(self, password: str, now: float | None = None) -> None:
        """Replace the password; it is not stored, only its hash."""
        self.nt_hash = nt_hash(password)
        self.pass_last_set = self.pass_can_change = int(time.time() if now is None else now)


_account_codec: Final = RecordCodec(SamAccount, 1, "passdb account")
_rid_codec: Final = RecordCodec(int, 1, "passdb counter")
_name_codec: Final = RecordCodec(str, 1, "passdb relative id")


def _user_key(name: str) -> bytes:
    return _USER + name.lower().encode("utf-8", "surrogatepass")


def _rid_key(rid: int) -> bytes:
    return _RID + b"%08x" % rid


class Passdb:
    """The open account database of a server."""

    def __init__(self, db: PersistentDb, domain_sid: Sid) -> None:
        self._db = db
        self._domain_sid = domain_sid

    @classmethod
    def open(cls, private_dir: str) -> Passdb:
        """Open or create passdb.tdb and secrets.tdb in a private directory.

        Raises:
            PassdbError: one of them cannot be used, or must not be because others can read it.
        """
        try:
            return cls(open_private(private_dir, FILE_NAME), Secrets.open(private_dir).domain_sid())
        except PrivateFileError as error:
            raise PassdbError(str(error)) from error

    def domain_sid(self) -> Sid:
        """The SID of this server's account domain."""
        return self._domain_sid

    def sid(self, account: SamAccount) -> Sid:
        """The SID of an account of this database."""
        return self._domain_sid.child(account.rid)

    def get(self, name: str) -> SamAccount | None:
        """Return the account of that name, in whatever case it is written."""
        if not 0 < len(name) <= MAX_USER_NAME:
            return None
        stored = self._db.parse(_user_key(name))
        return None if stored is None else _account_codec.decode(stored)

    def by_rid(self, rid: int) -> SamAccount | None:
        """Return the account with that relative id."""
        stored = self._db.parse(_rid_key(rid))
        return None if stored is None else self.get(_name_codec.decode(stored))

    def by_sid(self, sid: Sid) -> SamAccount | None:
        """Return the account with that SID."""
        return self.by_rid(sid.rid) if sid.in_domain(self._domain_sid) else None

    def accounts(self) -> Iterator[SamAccount]:
        """Go through all accounts, by relative id."""
        records = self._db.traverse_read()
        found = [_account_codec.decode(value) for key, value in records if key.startswith(_USER)]
        yield from sorted(found, key=lambda account: account.rid)

    def add(self, account: SamAccount) -> None:
        """Store a new account; a relative id of 0 is replaced by the next free one.

        Raises:
            PassdbError: the name or the relative id is taken, or the name is not usable.
        """
        if not 0 < len(account.username) <= MAX_USER_NAME or "\0" in account.username:
            raise PassdbError(f"not a usable account name: {account.username!r:.300}")
        with self._db.transaction():
            if self._db.parse(_user_key(account.username)) is not None:
                raise PassdbError(f"there is an account {account.username} already")
            if not account.rid:
                account.rid = self._next_rid()
            elif self._db.parse(_rid_key(account.rid)) is not None:
                raise PassdbError(f"there is an account with the relative id {account.rid} already")
            self._db.store(_user_key(account.username), _account_codec.encode(account))
            self._db.store(_rid_key(account.rid), _name_codec.encode(account.username))

    def update(self, account: SamAccount) -> None:
        """Store a changed account; name and relative id must be those it has.

        Raises:
            PassdbError: there is no such account, or it has another relative id.
        """
        with self._db.transaction():
            stored = self._db.parse(_user_key(account.username))
            if stored is None:
                raise PassdbError(f"there is no account {account.username}")
            if _account_codec.decode(stored).rid != account.rid:
                raise PassdbError(f"the account {account.username} has another relative id")
            self._db.store(_user_key(account.username), _account_codec.encode(account))

    def delete(self, name: str) -> None:
        """Remove an account for good; its relative id is not used again.

        Raises:
            PassdbError: there is no such account.
        """
        with self._db.transaction():
            stored = self._db.parse(_user_key(name))
            if stored is None:
                raise PassdbError(f"there is no account {name}")
            self._db.delete(_user_key(name))
            self._db.delete(_rid_key(_account_codec.decode(stored).rid))

    def _next_rid(self) -> int:
        stored = self._db.parse(_NEXT_RID)
        rid = FIRST_RID if stored is None else _rid_codec.decode(stored)
        while self._db.parse(_rid_key(rid)) is not None:
            rid += 1
        self._db.store(_NEXT_RID, _rid_codec.encode(rid + 1))
        return rid
