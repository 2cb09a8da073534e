"""What an account's flags and times forbid, and with which status."""

from __future__ import annotations

import calendar

import pytest

from smbd.auth.account_flags import ACB_AUTOLOCK, ACB_DISABLED, ACB_NORMAL, ACB_PWNOEXP, ACB_WSTRUST
from smbd.auth.passdb import SamAccount
from smbd.auth.restrictions import check_account, check_not_locked_out
from tests.unit.auth.support import NOW
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


def account(**fields: object) -> SamAccount:
    return SamAccount(username="alice", **{"pass_last_set": int(NOW) - 10, **fields})  # type: ignore[arg-type]


def test_nothing_forbids_it() -> None:
    check_account(account(), NOW)
    check_account(account(pass_last_set=0, pass_must_change=1, acct_flags=ACB_NORMAL | ACB_PWNOEXP), NOW)
    check_account(account(workstations="pc1, PC2"), NOW, "pc2")
    check_account(account(kickoff_time=int(NOW) + 1), NOW)
    check_not_locked_out(account())


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"acct_flags": ACB_NORMAL | ACB_DISABLED}, STATUS_ACCOUNT_DISABLED),
        ({"acct_flags": ACB_WSTRUST}, STATUS_LOGON_TYPE_NOT_GRANTED),
        ({"logon_hours": bytes(21)}, STATUS_INVALID_LOGON_HOURS),
        ({"kickoff_time": int(NOW) - 1}, STATUS_ACCOUNT_EXPIRED),
        ({"pass_last_set": 0}, STATUS_PASSWORD_MUST_CHANGE),
        ({"pass_must_change": int(NOW) - 1}, STATUS_PASSWORD_EXPIRED),
        ({"workstations": "pc1"}, STATUS_INVALID_WORKSTATION),
    ],
)
def test_forbidden(fields: dict[str, object], status: int) -> None:
    with pytest.raises(NTStatusError) as caught:
        check_account(account(**fields), NOW, "other")
    assert caught.value.status == status


def test_locked_out() -> None:
    with pytest.raises(NTStatusError) as caught:
        check_not_locked_out(account(acct_flags=ACB_NORMAL | ACB_AUTOLOCK))
    assert caught.value.status == STATUS_ACCOUNT_LOCKED_OUT


@pytest.mark.parametrize(("day", "hour"), [(1, 0), (4, 13), (7, 23)])
def test_logon_hours(day: int, hour: int) -> None:
    """2026-11-01 is a Sunday, the first day of the bit field."""
    now = calendar.timegm((2026, 11, day, hour, 30, 0))
    bit = (day - 1) * 24 + hour
    hours = bytearray(21)
    hours[bit // 8] |= 1 << bit % 8
    check_account(account(logon_hours=bytes(hours)), now)
    inverted = bytes(byte ^ 0xFF for byte in hours)
    with pytest.raises(NTStatusError):
        check_account(account(logon_hours=inverted), now)
