"""Names of SIDs and SIDs of names ([MS-LSAT] 3.1.4): well-known, BUILTIN, accounts, Unix users and groups."""

from __future__ import annotations

from typing import Final, NamedTuple

from smbd.auth.idmap import IdMap
from smbd.auth.passdb import (
    DOMAIN_GROUP_RID_GUESTS,
    DOMAIN_GROUP_RID_USERS,
    DOMAIN_USER_RID_GUEST,
    Passdb,
)
from smbd.auth.unix_user import find_group, find_user, group_name, user_name
from vfs.sid import (
    SID_BUILTIN,
    SID_UNIX_GROUPS,
    SID_UNIX_USERS,
    WELL_KNOWN,
    Sid,
    unix_group_sid,
    unix_user_sid,
)

# SID_NAME_USE ([MS-LSAT] 2.2.13).
SID_TYPE_USER: Final = 1
SID_TYPE_GROUP: Final = 2
SID_TYPE_DOMAIN: Final = 3
SID_TYPE_ALIAS: Final = 4
SID_TYPE_WELL_KNOWN_GROUP: Final = 5
SID_TYPE_UNKNOWN: Final = 8

BUILTIN_DOMAIN: Final = "BUILTIN"
UNIX_USER_DOMAIN: Final = "Unix User"
UNIX_GROUP_DOMAIN: Final = "Unix Group"

_DOMAIN_GROUPS: Final = {DOMAIN_GROUP_RID_USERS: "Domain Users", DOMAIN_GROUP_RID_GUESTS: "Domain Guests"}


class Translation(NamedTuple):
    """A SID with its name.

    Attributes:
        sid: the SID.
        type: ``SID_TYPE_*``.
        domain: the name of its authority, empty for the likes of Everyone.
        name: its own name, empty for a domain.
    """

    sid: Sid
    type: int
    domain: str
    name: str


def _well_known() -> dict[Sid, Translation]:
    table = {}
    for sid, full_name in WELL_KNOWN.items():
        domain, _, name = full_name.rpartition("\\")
        kind = SID_TYPE_ALIAS if domain == BUILTIN_DOMAIN else SID_TYPE_WELL_KNOWN_GROUP
        table[sid] = Translation(sid, kind, domain, name)
    table[SID_BUILTIN] = Translation(SID_BUILTIN, SID_TYPE_DOMAIN, BUILTIN_DOMAIN, "")
    return table


_BY_SID: Final = _well_known()
_BY_NAME: Final = {
    (entry.domain.lower(), entry.name.lower()): entry for entry in _BY_SID.values() if entry.name
}
_BY_BARE_NAME: Final = {entry.name.lower(): entry for entry in _BY_SID.values() if entry.name}


class NameLookup:
    """The names that one server knows."""

    def __init__(self, passdb: Passdb, idmap: IdMap, domain_name: str) -> None:
        self._passdb = passdb
        self._idmap = idmap
        self._domain_name = domain_name

    def domain(self) -> Translation:
        """The server's account domain."""
        return Translation(self._passdb.domain_sid(), SID_TYPE_DOMAIN, self._domain_name, "")

    def lookup_sid(self, sid: Sid) -> Translation | None:
        """Translate a SID, None if nothing is known of it."""
        known = _BY_SID.get(sid)
        if known is not None:
            return known
        if sid == self._passdb.domain_sid():
            return self.domain()
        if sid.in_domain(self._passdb.domain_sid()):
            return self._account_of(sid)
        if sid.in_domain(SID_UNIX_USERS):
            name = user_name(sid.rid)
            return None if name is None else Translation(sid, SID_TYPE_USER, UNIX_USER_DOMAIN, name)
        if sid.in_domain(SID_UNIX_GROUPS):
            name = group_name(sid.rid)
            return None if name is None else Translation(sid, SID_TYPE_ALIAS, UNIX_GROUP_DOMAIN, name)
        return None

    def lookup_name(self, full_name: str) -> Translation | None:
        r"""Translate ``name``, ``DOMAIN\name`` or ``name@domain``, None if there is no such name.

        A bare name is looked for among the well-known ones, the domains, the accounts, and the Unix users
        and groups, in this order.
        """
        domain, separator, name = full_name.rpartition("\\")
        if not separator and "@" in full_name:
            name, _, domain = full_name.partition("@")
        name, domain = name.strip(), domain.strip()
        if not name:
            return self._lookup_domain(domain) if domain else None
        if not domain:
            return (
                _BY_BARE_NAME.get(name.lower())
                or self._lookup_domain(name)
                or self._account_named(name)
                or _unix_user(name)
                or _unix_group(name)
            )
        folded = domain.lower()
        if folded == self._domain_name.lower():
            return self._account_named(name) or _unix_user(name)
        if folded == UNIX_USER_DOMAIN.lower():
            return _unix_user(name)
        if folded == UNIX_GROUP_DOMAIN.lower():
            return _unix_group(name)
        return _BY_NAME.get((folded, name.lower()))

    def lookup_sids(self, sids: list[Sid]) -> list[Translation | None]:
        """Translate many SIDs at once."""
        return [self.lookup_sid(sid) for sid in sids]

    def lookup_names(self, names: list[str]) -> list[Translation | None]:
        """Translate many names at once."""
        return [self.lookup_name(name) for name in names]

    def _lookup_domain(self, name: str) -> Translation | None:
        if name.lower() == self._domain_name.lower():
            return self.domain()
        return _BY_SID[SID_BUILTIN] if name.lower() == BUILTIN_DOMAIN.lower() else None

    def _account_of(self, sid: Sid) -> Translation | None:
        account = self._passdb.by_sid(sid)
        if account is not None:
            return Translation(sid, SID_TYPE_USER, self._domain_name, account.username)
        if sid.rid in _DOMAIN_GROUPS:
            return Translation(sid, SID_TYPE_GROUP, self._domain_name, _DOMAIN_GROUPS[sid.rid])
        if sid.rid == DOMAIN_USER_RID_GUEST:
            uid = self._idmap.sid_to_uid(sid)
            name = user_name(uid) if uid is not None else None
            return None if name is None else Translation(sid, SID_TYPE_USER, self._domain_name, name)
        return None

    def _account_named(self, name: str) -> Translation | None:
        account = self._passdb.get(name)
        if account is not None:
            return Translation(self._passdb.sid(account), SID_TYPE_USER, self._domain_name, account.username)
        for rid, group in _DOMAIN_GROUPS.items():
            if group.lower() == name.lower():
                sid = self._passdb.domain_sid().child(rid)
                return Translation(sid, SID_TYPE_GROUP, self._domain_name, group)
        return None


def _unix_user(name: str) -> Translation | None:
    unix = find_user(name)
    if unix is None:
        return None
    return Translation(unix_user_sid(unix.uid), SID_TYPE_USER, UNIX_USER_DOMAIN, unix.name)


def _unix_group(name: str) -> Translation | None:
    gid = find_group(name)
    if gid is None:
        return None
    return Translation(unix_group_sid(gid), SID_TYPE_ALIAS, UNIX_GROUP_DOMAIN, name)
