"""The Unix user behind guests and anonymous users."""

from __future__ import annotations

import logging

from smbd.auth.context import AuthContext
from smbd.auth.unix_user import UnixUser, find_user, process_user
from vfs.ntstatus import STATUS_LOGON_FAILURE, NTStatusError

_log = logging.getLogger(__name__)


def guest_user(context: AuthContext) -> UnixUser:
    """Return the Unix user that guests are served as: `guest account`, or the only one there is.

    Raises:
        NTStatusError: STATUS_LOGON_FAILURE: the guest account does not exist.
    """
    if not context.as_root:
        return process_user()
    name = context.config.globals.guest_account
    unix = find_user(name)
    if unix is None:
        _log.error("the guest account %r is no Unix user", name)
        raise NTStatusError(STATUS_LOGON_FAILURE, f"there is no guest account {name!r}")
    return unix
