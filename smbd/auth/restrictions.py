"""What an account's flags and times forbid: the last question of a logon ([MS-SAMR] 3.1.1.7)."""

from __future__ import annotations

from typing import Final

from smbd.auth.account_flags import ACB_AUTOLOCK, ACB_DISABLED, ACB_NORMAL, ACB_PWNOEXP, ACB_TEMPDUP
from smbd.auth.passdb import ALL_HOURS, SamAccount
from vfs.ntstatus import (
    STATUS_ACCOUNT_DISABLED,
    STATUS_ACCOUNT_EXPIRED,
    STATUS_ACCOUNT_LOCKED_OUT,
    STATUS_INVALID_LOGON_HOURS,
    STATUS_INVALID_WORKSTATION,
    STATUS_LOGON_TYPE_NOT_GRANTED,
    STATUS_PASSWORD_EXPIRED,
    STATUS_PASSWORD_MUST_CHANGE,
    NTStatusError,
)

_HOUR: Final = 3600
_HOURS_PER_WEEK: Final = 168
# 1970-01-01 was a Thursday; logon hours begin on Sunday.
_EPOCH_HOUR_OF_WEEK: Final = 4 * 24


def check_not_locked_out(account: SamAccount) -> None:
    """Refuse an account that is locked out, before its password is looked at.

    Raises:
        NTStatusError: STATUS_ACCOUNT_LOCKED_OUT.
    """
    if account.acct_flags & ACB_AUTOLOCK:
        raise NTStatusError(STATUS_ACCOUNT_LOCKED_OUT, f"account {account.username!r} is locked out")


def check_account(account: SamAccount, now: float, workstation: str = "") -> None:
    """Refuse an account whose restrictions forbid its use; the password was right.

    Raises:
        NTStatusError: the status that tells the client why.
    """
    name = account.username
    if account.acct_flags & ACB_DISABLED:
        raise NTStatusError(STATUS_ACCOUNT_DISABLED, f"account {name!r} is disabled")
    if not account.acct_flags & (ACB_NORMAL | ACB_TEMPDUP):
        raise NTStatusError(STATUS_LOGON_TYPE_NOT_GRANTED, f"account {name!r} is a trust account")
    if not _hour_allowed(account.logon_hours, now):
        raise NTStatusError(STATUS_INVALID_LOGON_HOURS, f"account {name!r} may not log on at this hour")
    if account.kickoff_time and now > account.kickoff_time:
        raise NTStatusError(STATUS_ACCOUNT_EXPIRED, f"account {name!r} has expired")
    if not account.acct_flags & ACB_PWNOEXP:
        # A password that was never set, or was set back to 0, is one its user is to change first.
        if not account.pass_last_set:
            raise NTStatusError(STATUS_PASSWORD_MUST_CHANGE, f"the password of {name!r} has to be changed")
        if now > account.pass_must_change:
            raise NTStatusError(STATUS_PASSWORD_EXPIRED, f"the password of {name!r} has expired")
    allowed = account.workstations.replace(",", " ").split()
    if allowed and workstation.lower() not in {entry.lower() for entry in allowed}:
        raise NTStatusError(STATUS_INVALID_WORKSTATION, f"{name!r} may not log on from {workstation!r}")


def _hour_allowed(hours: bytes, now: float) -> bool:
    if len(hours) != len(ALL_HOURS):
        return True
    hour = (int(now) // _HOUR + _EPOCH_HOUR_OF_WEEK) % _HOURS_PER_WEEK
    return bool(hours[hour // 8] >> hour % 8 & 1)
