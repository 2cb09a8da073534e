"""The decision on an NTLM logon: whose account, is the proof right, may it be used, who is it then.

Clients learn only what they have earned: that an account is unknown looks like a wrong password, and that it
is disabled or expired is told only to who knows its password.
"""

from __future__ import annotations

import logging
import os
from typing import Final, NamedTuple

import msgspec

from smbd.auth import audit
from smbd.auth.account_flags import ACB_PWNOTREQ
from smbd.auth.context import AuthContext
from smbd.auth.guest import guest_user
from smbd.auth.passdb import SamAccount
from smbd.auth.password import NT_HASH_LENGTH, nt_hash, ntowfv2, verify_ntlmv2
from smbd.auth.restrictions import check_account, check_not_locked_out
from smbd.auth.session_info import SessionInfo
from smbd.auth.token import build_guest_token, build_token
from smbd.auth.unix_user import find_user, process_user
from smbd.config.enums import BAD_PASSWORD, BAD_USER, NTLM_DISABLED
from vfs.ntstatus import (
    STATUS_ACCESS_DENIED,
    STATUS_LOGON_FAILURE,
    STATUS_NO_SUCH_USER,
    STATUS_SUCCESS,
    STATUS_WRONG_PASSWORD,
    NTStatusError,
    status_name,
)

_log = logging.getLogger(__name__)

# NTProofStr and the fixed part of the client's challenge; an NTLMv1 response has 24 bytes.
_NTLMV2_MIN_LENGTH: Final = 44
_NTLMV1_LENGTH: Final = 24

_RESTRICT_ANONYMOUS_REFUSE: Final = 2

# Stands in for the hash of an unknown user, so that the answer takes as long as for a known one.
_NOBODYS_HASH: Final = os.urandom(NT_HASH_LENGTH)


class NtlmLogon(msgspec.Struct, frozen=True, gc=False):
    """What a client claims and offers as proof, as it came."""

    user: str
    domain: str
    workstation: str
    server_challenge: bytes
    nt_response: bytes
    lm_response: bytes
    anonymous_flag: bool = False


class LogonResult(NamedTuple):
    """The session, and the session base key; empty where there was no proof to make one of."""

    session_info: SessionInfo
    session_base_key: bytes


def ntlm_logon(context: AuthContext, logon: NtlmLogon) -> LogonResult:
    """Decide on a logon and write it to the audit log.

    Raises:
        NTStatusError: STATUS_LOGON_FAILURE, or the status of an account's restriction.
    """
    started = context.clock()
    mapped = context.username_map.map(logon.user, logon.domain)
    info: SessionInfo | None = None
    status = STATUS_SUCCESS
    try:
        result = _decide(context, logon, mapped, started)
        info = result.session_info
    except NTStatusError as error:
        status = error.status
        _log.info("logon of %r from %s: %s", logon.user, context.client_address, error)
        if status in {STATUS_NO_SUCH_USER, STATUS_WRONG_PASSWORD}:
            raise NTStatusError(STATUS_LOGON_FAILURE, error.reason) from None
        raise
    else:
        return result
    finally:
        audit.log_authentication(
            context,
            client_account=logon.user,
            client_domain=logon.domain,
            workstation=logon.workstation,
            password_type=_password_type(logon),
            mapped_account=mapped,
            status=status,
            started=started,
            info=info,
        )


def _decide(context: AuthContext, logon: NtlmLogon, mapped: str, now: float) -> LogonResult:
    if _is_anonymous(logon):
        if context.config.globals.restrict_anonymous >= _RESTRICT_ANONYMOUS_REFUSE:
            raise NTStatusError(STATUS_ACCESS_DENIED, "anonymous users are refused (restrict anonymous)")
        return LogonResult(_guest_session(context, logon, anonymous=True), b"")
    try:
        account, key = _authenticate(context, logon, mapped)
    except NTStatusError as error:
        if not _becomes_guest(context, error.status):
            raise
        _log.info("user %r becomes guest: %s", logon.user, status_name(error.status))
        return LogonResult(_guest_session(context, logon), b"")
    check_account(account, now, logon.workstation)
    return LogonResult(_account_session(context, logon, account, now), key)


def _is_anonymous(logon: NtlmLogon) -> bool:
    # [MS-NLMP] 3.2.5.1.2: no name and no response; the LM response may be a single zero byte.
    return not logon.user and not logon.nt_response and logon.lm_response in {b"", b"\0"}


def _becomes_guest(context: AuthContext, status: int) -> bool:
    wanted = context.config.globals.map_to_guest
    if status == STATUS_NO_SUCH_USER:
        return wanted in {BAD_USER, BAD_PASSWORD}
    return status == STATUS_WRONG_PASSWORD and wanted == BAD_PASSWORD


def _authenticate(context: AuthContext, logon: NtlmLogon, mapped: str) -> tuple[SamAccount, bytes]:
    if context.config.globals.ntlm_auth == NTLM_DISABLED:
        raise NTStatusError(STATUS_LOGON_FAILURE, "NTLM is disabled (ntlm auth)")
    account = context.passdb.get(mapped)
    stored_hash = _stored_hash(context, account)
    key = ntowfv2(stored_hash or _NOBODYS_HASH, logon.user, logon.domain)
    session_base_key = None
    if len(logon.nt_response) >= _NTLMV2_MIN_LENGTH:
        session_base_key = verify_ntlmv2(key, logon.server_challenge, logon.nt_response)
    if account is None:
        raise NTStatusError(STATUS_NO_SUCH_USER, f"there is no account {mapped!r}")
    check_not_locked_out(account)
    if session_base_key is None or not stored_hash:
        reason = "wrong password" if _password_type(logon) == "NTLMv2" else "only NTLMv2 is accepted"
        raise NTStatusError(STATUS_WRONG_PASSWORD, f"{reason} for {account.username!r}")
    return account, session_base_key


def _stored_hash(context: AuthContext, account: SamAccount | None) -> bytes:
    if account is None:
        return b""
    if account.acct_flags & ACB_PWNOTREQ and context.config.globals.null_passwords:
        return account.nt_hash or nt_hash("")
    return account.nt_hash


def _account_session(
    context: AuthContext, logon: NtlmLogon, account: SamAccount, now: float
) -> SessionInfo:
    unix = find_user(account.username)
    if unix is None and context.as_root:
        raise NTStatusError(STATUS_NO_SUCH_USER, f"account {account.username!r} has no Unix user")
    known = unix or process_user()
    acting = known if context.as_root else process_user()
    return SessionInfo(
        user_name=account.username,
        domain=context.netbios_name,
        requested_name=logon.user,
        requested_domain=logon.domain,
        workstation=logon.workstation,
        unix_name=acting.name,
        unix_home=known.home,
        group_ids=known.groups,
        token=build_token(acting, context.passdb.domain_sid(), context.passdb.sid(account)),
        logon_time=now,
    )


def _guest_session(context: AuthContext, logon: NtlmLogon, *, anonymous: bool = False) -> SessionInfo:
    """A guest or an anonymous user: the guest account, without any key."""
    unix = guest_user(context)
    return SessionInfo(
        user_name=unix.name,
        domain=context.netbios_name,
        requested_name=logon.user,
        requested_domain=logon.domain,
        workstation=logon.workstation,
        unix_name=unix.name,
        unix_home=unix.home,
        group_ids=unix.groups,
        token=build_guest_token(unix, context.passdb.domain_sid(), anonymous=anonymous),
        is_guest=not anonymous,
        is_anonymous=anonymous,
        logon_time=context.clock(),
    )


def _password_type(logon: NtlmLogon) -> str | None:
    if len(logon.nt_response) >= _NTLMV2_MIN_LENGTH:
        return "NTLMv2"
    if len(logon.nt_response) == _NTLMV1_LENGTH:
        return "NTLMv1"
    return None
