r"""Lists of users in the configuration: `valid users`, `write list` and their kind.

An entry is a user name, ``DOMAIN\name``, a SID, or a group: ``@group`` is a NIS netgroup or else a group,
``+group`` a group, ``&group`` a netgroup; ``+&`` and ``&+`` say which to try first. ``%``-variables have been
substituted by the caller.
"""

from __future__ import annotations

from collections.abc import Sequence

from smbd.auth.context import AuthContext
from smbd.auth.session_info import SessionInfo
from smbd.auth.unix_user import find_group, in_netgroup
from vfs.sid import Sid, SidError

_GROUP_MARKS = "@+&"


def user_in_list(context: AuthContext, session: SessionInfo, names: Sequence[str]) -> bool:
    """Tell whether a session's user is meant by one of `names`."""
    return any(_is_meant(context, session, name) for name in names)


def _is_meant(context: AuthContext, session: SessionInfo, entry: str) -> bool:
    name = entry.lstrip(_GROUP_MARKS).strip()
    marks = entry[: len(entry) - len(entry.lstrip(_GROUP_MARKS))].replace("@", "&+")
    if not name:
        return False
    if marks:
        return any(
            in_netgroup(name, session.unix_name) if mark == "&" else _in_group(context, session, name)
            for mark in marks
        )
    return _is_user(context, session, name)


def _is_user(context: AuthContext, session: SessionInfo, name: str) -> bool:
    domain, _, user = name.rpartition("\\")
    own = not domain or domain.lower() in {context.netbios_name.lower(), session.domain.lower()}
    if own and user.lower() == session.user_name.lower():
        return True
    if name[:2].upper() == "S-":
        try:
            return session.token.has_sid(Sid(name))
        except SidError:
            return False
    # What is left: a Unix user behind another account name, or a well-known name such as Everyone.
    found = context.lookup.lookup_name(name)
    return found is not None and session.token.has_sid(found.sid)


def _in_group(context: AuthContext, session: SessionInfo, name: str) -> bool:
    gid = find_group(name.rpartition("\\")[2])
    if gid is not None and gid in session.group_ids:
        return True
    found = context.lookup.lookup_name(name)
    return found is not None and session.token.has_sid(found.sid)
