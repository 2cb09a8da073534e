"""From a security descriptor to POSIX ACLs, so that the kernel grants what the descriptor grants.

All file access happens as the user, so the POSIX ACL must never be tighter than the descriptor; the descriptor is
checked before it. A POSIX ACL knows one entry for each trustee and no order, so each trustee gets what the
descriptor gives to somebody who is that and what goes with it: everybody is "everyone", a user also is in his
groups. A group's entry holds what everyone has, too, since the kernel does not look further once a group matches.
"""

from __future__ import annotations

import os
import pwd
import time
from collections.abc import Callable, Collection, Iterable
from functools import lru_cache
from typing import Final

from vfs.access import (
    FILE_ADD_FILE,
    FILE_ADD_SUBDIRECTORY,
    FILE_APPEND_DATA,
    FILE_DELETE_CHILD,
    FILE_EXECUTE,
    FILE_READ_DATA,
    FILE_WRITE_DATA,
    map_generic,
)
from vfs.posix.posix_acl import (
    ACL_GROUP,
    ACL_GROUP_OBJ,
    ACL_MASK,
    ACL_OTHER,
    ACL_USER,
    ACL_USER_OBJ,
    PosixAce,
    PosixAcl,
)
from vfs.security_acl import (
    ALLOW_TYPES,
    CONTAINER_INHERIT_ACE,
    DENY_TYPES,
    INHERIT_ONLY_ACE,
    OBJECT_INHERIT_ACE,
    Ace,
)
from vfs.security_descriptor import SecurityDescriptor
from vfs.sid import (
    SID_AUTHENTICATED_USERS,
    SID_BUILTIN_USERS,
    SID_CREATOR_GROUP,
    SID_CREATOR_OWNER,
    SID_NETWORK,
    SID_OWNER_RIGHTS,
    SID_WORLD,
    Sid,
)

#: Who reaches a file at all has logged in: on a Unix system these are everybody.
_EVERYONE: Final = frozenset({SID_WORLD, SID_AUTHENTICATED_USERS, SID_BUILTIN_USERS, SID_NETWORK})
_READ: Final = 4
_WRITE: Final = 2
_EXECUTE: Final = 1
_FILE_WRITE: Final = FILE_WRITE_DATA | FILE_APPEND_DATA
_DIRECTORY_WRITE: Final = FILE_ADD_FILE | FILE_ADD_SUBDIRECTORY | FILE_DELETE_CHILD
_GROUPS_SECONDS: Final = 60
"""How long the groups of a user are remembered; the name service may be far away."""

GroupsOf = Callable[[int], Collection[int]]


def groups_of(uid: int) -> Collection[int]:
    """The Unix groups of a user as the name service has them; none if it does not know him."""
    return _look_up_groups(uid, int(time.monotonic()) // _GROUPS_SECONDS)


@lru_cache(maxsize=256)
def _look_up_groups(uid: int, _minute: int) -> frozenset[int]:
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        return frozenset()
    return frozenset(os.getgrouplist(entry.pw_name, entry.pw_gid))


class _Entry:
    """What one ACE says, in Unix terms: `kind` is ``everyone``, ``owner``, ``group_obj``, ``user`` or ``group``."""

    __slots__ = ("allows", "id", "kind", "mask")

    def __init__(self, kind: str, unix_id: int, mask: int, *, allows: bool) -> None:
        self.kind = kind
        self.id = unix_id
        self.mask = mask
        self.allows = allows


class Translator:
    """Translates the descriptors of one object.

    Args:
        uid: owner of the object.
        gid: its group.
        directory: whether it is a directory.
        sid_to_uid: maps SIDs to Unix users.
        sid_to_gid: maps SIDs to Unix groups.
        groups: tells the groups of a user.
    """

    def __init__(
        self,
        uid: int,
        gid: int,
        *,
        directory: bool,
        sid_to_uid: Callable[[Sid], int | None],
        sid_to_gid: Callable[[Sid], int | None],
        groups: GroupsOf = groups_of,
    ) -> None:
        self._uid = uid
        self._gid = gid
        self._directory = directory
        self._sid_to_uid = sid_to_uid
        self._sid_to_gid = sid_to_gid
        self._groups = groups

    def access_acl(self, sd: SecurityDescriptor) -> PosixAcl:
        """The access ACL: three entries if the mode says it all. Without a DACL everybody may do everything."""
        if sd.dacl is None:
            return (PosixAce(ACL_USER_OBJ, 7), PosixAce(ACL_GROUP_OBJ, 7), PosixAce(ACL_OTHER, 7))
        return self._acl(sd, (ace for ace in sd.dacl.aces if not ace.flags & INHERIT_ONLY_ACE), inherited=False)

    def default_acl(self, sd: SecurityDescriptor) -> PosixAcl | None:
        """The default ACL of a directory: what its inheritable entries give to what is made in it by others."""
        if sd.dacl is None:
            return None
        passed_on = [ace for ace in sd.dacl.aces if ace.flags & (OBJECT_INHERIT_ACE | CONTAINER_INHERIT_ACE)]
        return self._acl(sd, passed_on, inherited=True) if passed_on else None

    def _acl(self, sd: SecurityDescriptor, aces: Iterable[Ace], *, inherited: bool) -> PosixAcl:
        entries = [entry for ace in aces if (entry := self._entry(ace, sd, inherited=inherited)) is not None]
        users = sorted({entry.id for entry in entries if entry.kind == "user"})
        gids = sorted({entry.id for entry in entries if entry.kind == "group"})
        named_users = [PosixAce(ACL_USER, self._user_perm(entries, uid), uid) for uid in users]
        named_groups = [PosixAce(ACL_GROUP, self._perm(entries, {("group", gid)}), gid) for gid in gids]
        owner_is = {("owner", 0)} if inherited else self._owner_identity(entries)
        # The owner can help himself to any right, and so can the server in his name; saves it doing things as root.
        at_least = _READ | _WRITE | _EXECUTE if self._directory else _READ
        owner = PosixAce(ACL_USER_OBJ, self._perm(entries, owner_is) | at_least)
        group = PosixAce(ACL_GROUP_OBJ, self._perm(entries, {("group_obj", 0)}))
        other = PosixAce(ACL_OTHER, self._perm(entries, set()))
        if not named_users and not named_groups:
            return owner, group, other
        mask = group.perm
        for named in (*named_users, *named_groups):
            mask |= named.perm
        return (owner, *named_users, group, *named_groups, PosixAce(ACL_MASK, mask), other)

    def _entry(self, ace: Ace, sd: SecurityDescriptor, *, inherited: bool) -> _Entry | None:
        sid = ace.sid
        if sid is None or (ace.type not in ALLOW_TYPES and ace.type not in DENY_TYPES):
            return None
        found = self._trustee(sid, sd, inherited=inherited)
        if found is None:
            return None
        return _Entry(*found, map_generic(ace.mask), allows=ace.type in ALLOW_TYPES)

    def _trustee(self, sid: Sid, sd: SecurityDescriptor, *, inherited: bool) -> tuple[str, int] | None:
        if sid in _EVERYONE:
            return "everyone", 0
        if inherited and sid == SID_CREATOR_OWNER:
            return "owner", 0
        if inherited and sid == SID_CREATOR_GROUP:
            return "group_obj", 0
        if sid == SID_OWNER_RIGHTS:
            return "owner", 0
        uid = self._sid_to_uid(sid)
        if uid is not None:
            return ("owner", 0) if uid == self._uid and not inherited else ("user", uid)
        gid = self._sid_to_gid(sid)
        if gid is not None:
            return ("group_obj", 0) if gid == self._gid and not inherited else ("group", gid)
        if inherited:
            return None
        # Owners that are nobody here are kept by the user who set them.
        if sid == sd.owner:
            return "owner", 0
        return ("group_obj", 0) if sid == sd.group else None

    def _owner_identity(self, entries: list[_Entry]) -> set[tuple[str, int]]:
        return {("owner", 0)} | self._group_identity(entries, self._uid)

    def _user_perm(self, entries: list[_Entry], uid: int) -> int:
        return self._perm(entries, {("user", uid)} | self._group_identity(entries, uid))

    def _group_identity(self, entries: list[_Entry], uid: int) -> set[tuple[str, int]]:
        if not any(entry.kind in {"group", "group_obj"} for entry in entries):
            return set()
        groups = self._groups(uid)
        identity = {("group", gid) for gid in groups}
        if self._gid in groups:
            identity.add(("group_obj", 0))
        return identity

    def _perm(self, entries: list[_Entry], identity: set[tuple[str, int]]) -> int:
        """The permission bits for somebody who is everyone and all of `identity`."""
        allowed = denied = 0
        for entry in entries:
            if entry.kind != "everyone" and (entry.kind, entry.id) not in identity:
                continue
            if entry.allows:
                allowed |= entry.mask & ~denied
            else:
                denied |= entry.mask & ~allowed
        perm = _READ if allowed & FILE_READ_DATA else 0
        if allowed & (_DIRECTORY_WRITE if self._directory else _FILE_WRITE):
            perm |= _WRITE
        # On Windows nobody needs a right to pass through a directory.
        if allowed & FILE_EXECUTE or (perm and self._directory):
            perm |= _EXECUTE
        return perm
