"""What the configuration makes of an identity on a share: who may connect, who writes, and as whom."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final, NamedTuple

import msgspec

from smbd.auth.context import AuthContext
from smbd.auth.guest import guest_user
from smbd.auth.session_info import SessionInfo
from smbd.auth.token import as_administrator, build_guest_token, build_token, with_group
from smbd.auth.unix_user import find_group, find_user
from smbd.auth.user_list import user_in_list
from smbd.config.loadparm import ShareParams
from vfs.ntstatus import STATUS_ACCESS_DENIED, STATUS_BAD_NETWORK_NAME, NTStatusError
from vfs.token import SecurityToken

_log = logging.getLogger(__name__)

_ROOT_UID: Final = 0


class ShareAccess(NamedTuple):
    """What a user may do on a share: the session to work with, and whether writing is refused."""

    session: SessionInfo
    read_only: bool


class SharePolicy:
    """The access rules of one share, as one user meets them.

    All lists are asked about the user who logged on, not about a forced one.

    Args:
        context: of the worker.
        session: who logged on.
        share: the share's parameters.
        expand: substitutes ``%``-variables in names of users and groups.
    """

    def __init__(
        self,
        context: AuthContext,
        session: SessionInfo,
        share: ShareParams,
        expand: Callable[[str], str] = str,
    ) -> None:
        self._context = context
        self._session = session
        self._share = share
        self._expand = expand

    def access(self) -> ShareAccess:
        """Decide on a tree connect.

        Raises:
            NTStatusError: STATUS_ACCESS_DENIED, or STATUS_BAD_NETWORK_NAME if the share's configuration names
                a user or group that does not exist.
        """
        if not self.may_connect():
            reason = f"{self._session.user_name!r} may not use share {self._share.name!r}"
            raise NTStatusError(STATUS_ACCESS_DENIED, reason)
        read_only = self._share.read_only
        if self._listed(self._share.read_list):
            read_only = True
        if self._listed(self._share.write_list):
            read_only = False
        return ShareAccess(self.session(), read_only)

    def may_connect(self) -> bool:
        """Tell whether the user may connect at all (also for access based enumeration)."""
        if (self._session.is_guest or self._session.is_anonymous) and not self._share.guest_ok:
            return False
        if self._listed(self._share.invalid_users):
            return False
        return not self._share.valid_users or self._listed(self._share.valid_users)

    def session(self) -> SessionInfo:
        """Return the identity to work with: `guest only`, `force user`, `force group`, `admin users`.

        Raises:
            NTStatusError: STATUS_BAD_NETWORK_NAME: a forced user or group does not exist.
        """
        changed = self._session
        if self._share.guest_only and self._share.guest_ok:
            changed = self._as_guest()
        elif self._share.force_user and self._context.as_root:
            changed = self._as_forced_user()
        token = changed.token
        if self._share.force_group and self._context.as_root:
            token = self._with_forced_group(token)
        if self._listed(self._share.admin_users):
            token = as_administrator(token, _ROOT_UID if self._context.as_root else token.uid)
        return changed if token is changed.token else msgspec.structs.replace(changed, token=token)

    def _listed(self, names: list[str]) -> bool:
        if not names:
            return False
        return user_in_list(self._context, self._session, [self._expand(name) for name in names])

    def _as_guest(self) -> SessionInfo:
        unix = guest_user(self._context)
        token = build_guest_token(unix, self._context.passdb.domain_sid())
        return msgspec.structs.replace(self._session, token=token, unix_name=unix.name, is_guest=True)

    def _as_forced_user(self) -> SessionInfo:
        name = self._expand(self._share.force_user).rpartition("\\")[2]
        unix = find_user(name)
        if unix is None:
            raise self._misconfigured(f"force user: there is no Unix user {name!r}")
        passdb = self._context.passdb
        account = passdb.get(unix.name)
        sid = None if account is None else passdb.sid(account)
        token = build_token(unix, passdb.domain_sid(), sid)
        return msgspec.structs.replace(self._session, token=token, unix_name=unix.name)

    def _with_forced_group(self, token: SecurityToken) -> SecurityToken:
        """``+group`` is only for those who are members; ``group`` is for everybody."""
        text = self._expand(self._share.force_group)
        name = text.removeprefix("+").rpartition("\\")[2]
        gid = find_group(name)
        if gid is None:
            raise self._misconfigured(f"force group: there is no Unix group {name!r}")
        if text.startswith("+") and gid not in self._session.group_ids:
            return token
        return with_group(token, gid)

    def _misconfigured(self, reason: str) -> NTStatusError:
        _log.error("share %s: %s", self._share.name, reason)
        return NTStatusError(STATUS_BAD_NETWORK_NAME, reason)


def share_access(
    context: AuthContext,
    session: SessionInfo,
    share: ShareParams,
    expand: Callable[[str], str] = str,
) -> ShareAccess:
    """Decide on a tree connect: `SharePolicy.access` in one call."""
    return SharePolicy(context, session, share, expand).access()


def share_session(
    context: AuthContext,
    session: SessionInfo,
    share: ShareParams,
    expand: Callable[[str], str] = str,
) -> SessionInfo:
    """Return the identity for work on a share: `SharePolicy.session` in one call."""
    return SharePolicy(context, session, share, expand).session()
