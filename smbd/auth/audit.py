"""Two lines per authentication, after the model of Samba's auth_audit and auth_json_audit log classes.

The logger of this module gets one for people, ``smbd.auth.json_audit`` one in JSON for machines. Successes and
failures go to both; who wants them apart filters by the status.
"""

from __future__ import annotations

import datetime as dt
import logging
from typing import TYPE_CHECKING, Final

import msgspec

from vfs.ntstatus import STATUS_SUCCESS, status_name

if TYPE_CHECKING:
    from smbd.auth.context import AuthContext
    from smbd.auth.session_info import SessionInfo

_log = logging.getLogger(__name__)
_json_log = logging.getLogger("smbd.auth.json_audit")

# Of Windows' security log, which is what tools for such lines know.
EVENT_LOGON_SUCCEEDED: Final = 4624
EVENT_LOGON_FAILED: Final = 4625
LOGON_TYPE_NETWORK: Final = 3

SCHEMA_MAJOR: Final = 1
SCHEMA_MINOR: Final = 0

_MAX_TEXT: Final = 256


def log_authentication(
    context: AuthContext,
    *,
    client_account: str,
    client_domain: str,
    workstation: str,
    password_type: str | None,
    mapped_account: str,
    status: int,
    started: float,
    info: SessionInfo | None = None,
) -> None:
    """Log one decision.

    Args:
        context: of the worker.
        client_account: user name as sent.
        client_domain: domain as sent.
        workstation: as sent.
        password_type: "NTLMv2" and the like, None where no password was involved.
        mapped_account: after the user name map.
        status: the true NTSTATUS, which may tell more than the client is told.
        started: when the decision began, by the context's clock.
        info: the session that came of it.
    """
    if _log.isEnabledFor(logging.INFO):
        _log.info(
            "Auth: [SMB2] user [%s]\\[%s] at [%s] with [%s] status [NT_%s] workstation [%s] remote host [%s] "
            "became [%s]\\[%s] [%s]",
            _cut(client_domain) or "", _cut(client_account) or "", _time(started), password_type, status_name(status),
            _cut(workstation) or "", context.client_address,
            info.domain if info else "", info.user_name if info else "", info.token.user_sid if info else "",
        )  # fmt: skip
    if not _json_log.isEnabledFor(logging.INFO):
        return
    now = context.clock()
    succeeded = status == STATUS_SUCCESS
    line = {
        "timestamp": _time(now),
        "type": "Authentication",
        "Authentication": {
            "version": {"major": SCHEMA_MAJOR, "minor": SCHEMA_MINOR},
            "eventId": EVENT_LOGON_SUCCEEDED if succeeded else EVENT_LOGON_FAILED,
            "logonType": LOGON_TYPE_NETWORK,
            "status": "NT_" + status_name(status),
            "remoteAddress": context.client_address or None,
            "serviceDescription": "SMB2",
            "clientDomain": _cut(client_domain),
            "clientAccount": _cut(client_account),
            "workstation": _cut(workstation),
            "mappedAccount": _cut(mapped_account),
            "becameAccount": info.user_name if info else None,
            "becameDomain": info.domain if info else None,
            "becameSid": str(info.token.user_sid) if info else None,
            "becameGuest": info.is_guest if info else None,
            "passwordType": password_type,
            "duration": round((now - started) * 1_000_000),
        },
    }
    _json_log.info("%s", msgspec.json.encode(line).decode())


def _time(seconds: float) -> str:
    return dt.datetime.fromtimestamp(seconds).astimezone().isoformat(timespec="microseconds")


def _cut(text: str) -> str | None:
    return text[:_MAX_TEXT].encode("utf-8", "replace").decode() or None
