"""Between SIDs and Unix ids.

A Unix user that has an account is its account's SID; every other user and all groups are S-1-22-1-uid and
S-1-22-2-gid. Nothing is allocated, so there is nothing to store.
"""

from __future__ import annotations

from typing import Final

from smbd.auth.passdb import DOMAIN_USER_RID_GUEST, Passdb
from smbd.auth.unix_user import find_user, user_name
from vfs.sid import SID_UNIX_GROUPS, SID_UNIX_USERS, Sid, unix_group_sid, unix_user_sid

CACHE_LIMIT: Final = 4096
"""Entries per direction; then the cache starts afresh. A directory listing asks for the same few owners."""


class IdMap:
    """The mapping of one server, with a cache (name service look-ups can take long)."""

    def __init__(self, passdb: Passdb, guest_account: str = "nobody") -> None:
        self._passdb = passdb
        self._guest_account = guest_account
        self._sids: dict[int, Sid] = {}
        self._uids: dict[Sid, int | None] = {}

    def uid_to_sid(self, uid: int) -> Sid:
        """Return the SID of a Unix user."""
        sid = self._sids.get(uid)
        if sid is None:
            name = user_name(uid)
            account = self._passdb.get(name) if name is not None else None
            sid = unix_user_sid(uid) if account is None else self._passdb.sid(account)
            if len(self._sids) >= CACHE_LIMIT:
                self._sids.clear()
            self._sids[uid] = sid
        return sid

    def gid_to_sid(self, gid: int) -> Sid:
        """Return the SID of a Unix group."""
        return unix_group_sid(gid)

    def sid_to_uid(self, sid: Sid) -> int | None:
        """Return the uid that a SID stands for, None if it is no user that is known here."""
        if sid.in_domain(SID_UNIX_USERS):
            return sid.rid
        if not sid.in_domain(self._passdb.domain_sid()):
            return None
        if sid not in self._uids:
            if len(self._uids) >= CACHE_LIMIT:
                self._uids.clear()
            self._uids[sid] = self._account_uid(sid)
        return self._uids[sid]

    def sid_to_gid(self, sid: Sid) -> int | None:
        """Return the gid that a SID stands for, None if it is no group that is known here."""
        return sid.rid if sid.in_domain(SID_UNIX_GROUPS) else None

    def clear(self) -> None:
        """Forget what was looked up: accounts or users may have changed."""
        self._sids.clear()
        self._uids.clear()

    def _account_uid(self, sid: Sid) -> int | None:
        account = self._passdb.by_sid(sid)
        if account is not None:
            name = account.username
        elif sid.rid == DOMAIN_USER_RID_GUEST:
            name = self._guest_account
        else:
            return None
        unix = find_user(name)
        return None if unix is None else unix.uid
