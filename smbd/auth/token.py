"""Security tokens: from an account and its Unix user to SIDs, privileges and credentials.

Every token carries the Unix SIDs of its user and groups (S-1-22-...) beside those of the account domain, so
that an ACL that names either matches.
"""

from __future__ import annotations

from smbd.auth.passdb import DOMAIN_GROUP_RID_GUESTS, DOMAIN_GROUP_RID_USERS, DOMAIN_USER_RID_GUEST
from smbd.auth.unix_user import UnixUser
from vfs.sid import (
    SID_ANONYMOUS,
    SID_AUTHENTICATED_USERS,
    SID_BUILTIN_ADMINISTRATORS,
    SID_BUILTIN_GUESTS,
    SID_BUILTIN_USERS,
    SID_NETWORK,
    SID_WORLD,
    Sid,
    unix_group_sid,
    unix_user_sid,
)
from vfs.token import SE_ALL_PRIVILEGES, SE_CHANGE_NOTIFY_PRIVILEGE, SecurityToken


def build_token(unix: UnixUser, domain_sid: Sid, user_sid: Sid | None = None) -> SecurityToken:
    """Build the token of an authenticated user.

    Args:
        unix: whose files it works with.
        domain_sid: of the account domain.
        user_sid: of the account; None for a Unix user without one (`force user`).
    """
    sids: list[Sid] = []
    if user_sid is None:
        user_sid = unix_user_sid(unix.uid)
    else:
        sids += (unix_user_sid(unix.uid), domain_sid.child(DOMAIN_GROUP_RID_USERS))
    sids += _unix_groups(unix)
    sids += (SID_WORLD, SID_NETWORK, SID_AUTHENTICATED_USERS, SID_BUILTIN_USERS)
    privileges = SE_CHANGE_NOTIFY_PRIVILEGE
    if unix.uid == 0:
        sids.append(SID_BUILTIN_ADMINISTRATORS)
        privileges = SE_ALL_PRIVILEGES
    return _token(unix, user_sid, sids, privileges)


def build_guest_token(unix: UnixUser, domain_sid: Sid, *, anonymous: bool = False) -> SecurityToken:
    """Build the token of a guest, or of somebody who gave no name; neither is an authenticated user."""
    user_sid = SID_ANONYMOUS if anonymous else domain_sid.child(DOMAIN_USER_RID_GUEST)
    sids = [
        unix_user_sid(unix.uid),
        domain_sid.child(DOMAIN_GROUP_RID_GUESTS),
        *_unix_groups(unix),
        SID_WORLD,
        SID_NETWORK,
        SID_BUILTIN_GUESTS,
    ]
    return _token(unix, user_sid, sids, SE_CHANGE_NOTIFY_PRIVILEGE)


def with_group(token: SecurityToken, gid: int) -> SecurityToken:
    """Return the token with another primary Unix group (`force group`)."""
    sid = unix_group_sid(gid)
    return SecurityToken(
        token.user_sid,
        (*token.sids, sid),
        privileges=token.privileges,
        uid=token.uid,
        gid=gid,
        groups=dict.fromkeys((gid, *token.groups)),
        primary_group_sid=sid,
    )


def as_administrator(token: SecurityToken, uid: int) -> SecurityToken:
    """Return the token of an `admin users` member: root where the server can be root."""
    return SecurityToken(
        token.user_sid,
        (*token.sids, SID_BUILTIN_ADMINISTRATORS),
        privileges=SE_ALL_PRIVILEGES,
        uid=uid,
        gid=token.gid,
        groups=token.groups,
        primary_group_sid=token.primary_group_sid,
    )


def _unix_groups(unix: UnixUser) -> list[Sid]:
    return [unix_group_sid(gid) for gid in dict.fromkeys((unix.gid, *unix.groups))]


def _token(unix: UnixUser, user_sid: Sid, sids: list[Sid], privileges: int) -> SecurityToken:
    return SecurityToken(
        user_sid,
        sids,
        privileges=privileges,
        uid=unix.uid,
        gid=unix.gid,
        groups=unix.groups,
        # What is created belongs to the Unix group on disk: the token says the same.
        primary_group_sid=unix_group_sid(unix.gid),
    )
