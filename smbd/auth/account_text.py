"""How an account is printed: pdbedit's three layouts, which scripts parse."""

from __future__ import annotations

import time
from typing import Final

from smbd.auth.account_flags import ACB_PWNOTREQ, format_flags
from smbd.auth.passdb import DOMAIN_USER_RID_GUEST, NEVER, Passdb, SamAccount
from smbd.auth.unix_user import find_user

# What a uid of -1 looks like, for accounts without a Unix user.
_NO_UID: Final = 0xFFFFFFFF
_NO_HASH: Final = "X" * 32
_NO_PASSWORD: Final = "NO PASSWORD".ljust(32, "X")
_TIME: Final = "%a, %d %b %Y %H:%M:%S %Z"


def format_line(account: SamAccount) -> str:
    """``name:uid:full name``."""
    return f"{account.username}:{_uid(account)}:{account.full_name}"


def format_smbpasswd(account: SamAccount) -> str:
    """The line of an smbpasswd file: name, uid, LM hash (never kept), NT hash, flags, time of last change."""
    lm_hash = _NO_PASSWORD if account.acct_flags & ACB_PWNOTREQ else _NO_HASH
    nt_hash = account.nt_hash.hex().upper() or _NO_HASH
    flags = format_flags(account.acct_flags)
    changed = f"LCT-{account.pass_last_set & _NO_UID:08X}"
    return f"{account.username}:{_uid(account)}:{lm_hash}:{nt_hash}:{flags}:{changed}:"


def format_verbose(account: SamAccount, passdb: Passdb, domain: str) -> str:
    """All fields, one on a line."""
    guest = account.rid == DOMAIN_USER_RID_GUEST
    home = account.home_dir or ("" if guest else f"\\\\{domain}\\{account.username}")
    profile = account.profile_path or ("" if guest else f"\\\\{domain}\\{account.username}\\profile")
    rows = (
        ("Unix username:", account.username),
        ("NT username:", ""),
        ("Account Flags:", format_flags(account.acct_flags)),
        ("User SID:", str(passdb.sid(account))),
        ("Primary Group SID:", str(passdb.domain_sid().child(account.group_rid))),
        ("Full Name:", account.full_name),
        ("Home Directory:", home),
        ("HomeDir Drive:", account.dir_drive),
        ("Logon Script:", account.logon_script),
        ("Profile Path:", profile),
        ("Domain:", domain),
        ("Account desc:", account.comment),
        ("Workstations:", account.workstations),
        ("Munged dial:", account.munged_dial),
        ("Logon time:", format_time(account.logon_time)),
        ("Logoff time:", format_time(account.logoff_time)),
        ("Kickoff time:", format_time(account.kickoff_time)),
        ("Password last set:", format_time(account.pass_last_set)),
        ("Password can change:", format_time(account.pass_can_change)),
        ("Password must change:", format_time(account.pass_must_change)),
        ("Last bad password   :", format_time(account.bad_password_time)),
        ("Bad password count  :", str(account.bad_password_count)),
        ("Logon hours         :", account.logon_hours.hex().upper()),
    )
    return "\n".join(f"{label:<22}{value}" for label, value in rows)


def format_time(value: int) -> str:
    """A time in the local zone, or the words for those that are none."""
    if value <= 0:
        return "0"
    return "never" if value >= NEVER else time.strftime(_TIME, time.localtime(value))


def _uid(account: SamAccount) -> int:
    unix = find_user(account.username)
    return _NO_UID if unix is None else unix.uid
