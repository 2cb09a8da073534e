"""Who a session is: the result of an authentication."""

from __future__ import annotations

import msgspec

from vfs.token import SecurityToken


class SessionInfo(msgspec.Struct, kw_only=True):
    """An authenticated identity.

    Attributes:
        user_name: the account's name on this server, the guest account's for guests.
        domain: the domain of the account: on a stand-alone server its netbios name.
        requested_name: the user name as the client sent it (``%U``).
        requested_domain: the domain as the client sent it.
        unix_name: the Unix user that file access happens as (``%u``).
        group_ids: all groups of the account's Unix user, for `@group` in lists of users.
        unix_home: that user's home directory, for [homes].
        workstation: the client's name as it told it in the authentication.
        token: the identity for access checks and system calls.
        session_key: the key that the authentication protocol agreed on, in full length; empty for guests
            and anonymous users, whose sessions can be neither signed nor encrypted.
        is_guest: mapped to the guest account by policy.
        is_anonymous: logged on without a name; runs as the guest account too.
        logon_time: when, in seconds since the epoch.
        expires: when the authentication ends and has to be renewed, None if never.
    """

    user_name: str
    domain: str
    token: SecurityToken
    unix_name: str
    group_ids: tuple[int, ...] = ()
    unix_home: str = ""
    requested_name: str = ""
    requested_domain: str = ""
    workstation: str = ""
    session_key: bytes = b""
    is_guest: bool = False
    is_anonymous: bool = False
    logon_time: float = 0.0
    expires: float | None = None
