"""Who asks: the security token of a session ([MS-DTYP] 2.5.2) with its Unix side.

Built once per session; then only read, on every open (`sids`) and on every identity switch (`unix`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from vfs.sid import SID_ANONYMOUS, SID_BUILTIN_ADMINISTRATORS, SID_BUILTIN_GUESTS, SID_SYSTEM, Sid

# Privileges as bits ([MS-LSAD] 3.1.1.2.1 gives the LUIDs; a set of them is what the checks need).
SE_SECURITY_PRIVILEGE: Final = 1 << 8
SE_TAKE_OWNERSHIP_PRIVILEGE: Final = 1 << 9
SE_BACKUP_PRIVILEGE: Final = 1 << 17
SE_RESTORE_PRIVILEGE: Final = 1 << 18
SE_CHANGE_NOTIFY_PRIVILEGE: Final = 1 << 23
SE_MANAGE_VOLUME_PRIVILEGE: Final = 1 << 28
SE_CREATE_SYMBOLIC_LINK_PRIVILEGE: Final = 1 << 35
SE_ALL_PRIVILEGES: Final = (
    SE_SECURITY_PRIVILEGE
    | SE_TAKE_OWNERSHIP_PRIVILEGE
    | SE_BACKUP_PRIVILEGE
    | SE_RESTORE_PRIVILEGE
    | SE_CHANGE_NOTIFY_PRIVILEGE
    | SE_MANAGE_VOLUME_PRIVILEGE
    | SE_CREATE_SYMBOLIC_LINK_PRIVILEGE
)


class UnixToken(NamedTuple):
    """The credentials of system calls: user, group, supplementary groups."""

    uid: int
    gid: int
    groups: tuple[int, ...] = ()


ROOT_TOKEN: Final = UnixToken(0, 0, ())


class SecurityToken:
    """The identity a request runs with; immutable by convention, compared by identity.

    Attributes:
        user_sid: the user, also the owner of what is created.
        primary_group_sid: the group of what is created (the first SID after the user if not given).
        sids: all SIDs an access check matches, the user first, without repetition.
        sid_set: the same for membership tests.
        privileges: ``SE_*`` bits.
        unix: the Unix credentials (`uid`, `gid`, `groups` are shortcuts).
        access_cache: results of access checks, kept by :mod:`vfs.security_access`.
    """

    __slots__ = (
        "access_cache", "gid", "groups", "is_all_powerful", "is_anonymous", "is_system", "primary_group_sid",
        "privileges", "sid_set", "sids", "uid", "unix", "user_sid",
    )  # fmt: skip

    def __init__(
        self,
        user_sid: Sid,
        sids: Iterable[Sid] = (),
        *,
        privileges: int = SE_CHANGE_NOTIFY_PRIVILEGE,
        uid: int,
        gid: int,
        groups: Iterable[int] = (),
        primary_group_sid: Sid | None = None,
    ) -> None:
        self.user_sid = user_sid
        self.sids = tuple(dict.fromkeys((user_sid, *sids)))
        self.sid_set = frozenset(self.sids)
        self.primary_group_sid = primary_group_sid or (self.sids[1] if len(self.sids) > 1 else user_sid)
        self.privileges = privileges
        self.uid = uid
        self.gid = gid
        self.groups = tuple(groups)
        self.unix = UnixToken(uid, gid, self.groups)
        self.access_cache: dict[int, tuple[object, int]] = {}
        self.is_system = user_sid == SID_SYSTEM
        self.is_all_powerful = uid == 0 or self.is_system
        self.is_anonymous = user_sid == SID_ANONYMOUS

    def has_sid(self, sid: Sid) -> bool:
        """Whether the token carries `sid`."""
        return sid in self.sid_set

    def has_privilege(self, privilege: int) -> bool:
        """Whether every bit of `privilege` is held."""
        return self.privileges & privilege == privilege

    @property
    def is_administrator(self) -> bool:
        """Whether the token is of the group Administrators or of the system."""
        return self.is_system or SID_BUILTIN_ADMINISTRATORS in self.sid_set

    @property
    def is_guest(self) -> bool:
        """Whether the token is of the group Guests."""
        return SID_BUILTIN_GUESTS in self.sid_set

    def __repr__(self) -> str:
        return f"SecurityToken({self.user_sid}, uid={self.uid}, gid={self.gid}, {len(self.sids)} sids)"


def system_token() -> SecurityToken:
    """The server itself: S-1-5-18, all privileges, root."""
    return SecurityToken(SID_SYSTEM, (SID_BUILTIN_ADMINISTRATORS,), privileges=SE_ALL_PRIVILEGES, uid=0, gid=0)
