"""pdbedit: list and edit accounts, with Samba's flags and layouts."""

from __future__ import annotations

import argparse
import getpass
import logging
import sys
import time
from collections.abc import Sequence
from typing import Any, Final

from smbd.auth.account_flags import ACB_ACCOUNT_TYPES, ACB_NORMAL, parse_flags
from smbd.auth.account_text import format_line, format_smbpasswd, format_verbose
from smbd.auth.admin import AccountAdmin, AdminError
from smbd.auth.passdb import ALL_HOURS, NEVER, SamAccount
from smbd.auth.password import NT_HASH_LENGTH
from smbd.tools.log_level import python_level
from vfs.sid import Sid, SidError

EXIT_FAILURE: Final = 255
EXIT_USAGE: Final = 1

_SETTABLE: Final = parse_flags("[NDHLX]")
_SEPARATOR: Final = "---------------"

# Options that replace a text of the account, by the account's field.
_TEXT_FIELDS: Final = ("full_name", "home_dir", "dir_drive", "logon_script", "profile_path", "comment")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool; returns the exit status, 255 when something failed as with Samba's."""
    parser = _parser()
    options = parser.parse_args(arguments)
    logging.basicConfig(level=python_level(options.debug_level), format="%(message)s")
    name = options.user or options.name
    change = _is_change(options)
    if not (options.list or options.create or options.delete or change or name):
        parser.print_help(sys.stderr)
        return EXIT_USAGE
    try:
        admin = AccountAdmin.open(options.config_file, options.option)
        if options.delete:
            _delete(admin, _required(name))
        elif options.create:
            _create(admin, _required(name), options)
        elif change:
            _modify(admin, _required(name), options)
        else:
            _list(admin, name, options)
    except AdminError as error:
        print(error, file=sys.stderr)
        return EXIT_FAILURE
    return 0


def _required(name: str | None) -> str:
    if not name:
        raise AdminError("Username not specified! (use -u option)")
    return name


def _is_change(options: argparse.Namespace) -> bool:
    texts = any(getattr(options, field) is not None for field in _TEXT_FIELDS)
    others = options.acct_flags, options.kickoff, options.nt_hash
    return (
        options.modify
        or texts
        or any(value is not None for value in others)
        or options.reset_bad_count
        or options.reset_hours
    )


def _list(admin: AccountAdmin, name: str | None, options: argparse.Namespace) -> None:
    accounts = list(admin.passdb.accounts()) if name is None else [_find(admin, name)]
    for account in accounts:
        # A single account asked for by name is always shown in full unless a list was asked for.
        if options.verbose or not options.list:
            if name is None:
                print(_SEPARATOR)
            print(format_verbose(account, admin.passdb, admin.domain))
        elif options.smbpasswd_style:
            print(format_smbpasswd(account))
        else:
            print(format_line(account))


def _find(admin: AccountAdmin, name: str) -> SamAccount:
    account = admin.passdb.get(name)
    if account is None:
        raise AdminError("Username not found!")
    return account


def _delete(admin: AccountAdmin, name: str) -> None:
    if admin.passdb.get(name) is None:
        raise AdminError(f"user {name} does not exist in the passdb")
    admin.passdb.delete(name)


def _create(admin: AccountAdmin, name: str, options: argparse.Namespace) -> None:
    if admin.passdb.get(name) is not None:
        raise AdminError("Unable to add user! (does it already exist?)")
    account = SamAccount(username=name)
    if options.sid is not None:
        account.rid = _rid(admin, options.sid)
    _apply(account, options)
    if options.nt_hash is None:
        account.set_password(_new_password(options))
    admin.add(account)
    print(format_verbose(account, admin.passdb, admin.domain))


def _modify(admin: AccountAdmin, name: str, options: argparse.Namespace) -> None:
    account = _find(admin, name)
    _apply(account, options)
    admin.passdb.update(account)
    print(format_verbose(account, admin.passdb, admin.domain))


def _apply(account: SamAccount, options: argparse.Namespace) -> None:
    for field in _TEXT_FIELDS:
        value = getattr(options, field)
        if value is not None:
            setattr(account, field, value)
    if options.acct_flags is not None:
        account.acct_flags = account.acct_flags & ACB_ACCOUNT_TYPES | _flags(options.acct_flags)
    if options.kickoff is not None:
        account.kickoff_time = _time(options.kickoff, options.time_format)
    if options.nt_hash is not None:
        account.nt_hash = _hash(options.nt_hash)
        account.pass_last_set = account.pass_can_change = int(time.time())
    if options.reset_bad_count:
        account.bad_password_count = account.bad_password_time = 0
    if options.reset_hours:
        account.logon_hours = ALL_HOURS


def _flags(text: str) -> int:
    try:
        flags = parse_flags(text) & ~ACB_NORMAL  # which it has already
    except ValueError as error:
        raise AdminError(str(error)) from None
    if flags & ~_SETTABLE:
        raise AdminError("Can only set [NDHLX] flags")
    return flags


def _time(text: str, time_format: str | None) -> int:
    if text == "never":
        return NEVER
    try:
        return int(time.mktime(time.strptime(text, time_format))) if time_format else int(text)
    except (ValueError, OverflowError):
        raise AdminError("Failed to parse kickoff time") from None


def _hash(text: str) -> bytes:
    try:
        value = bytes.fromhex(text)
    except ValueError:
        value = b""
    if len(value) != NT_HASH_LENGTH:
        raise AdminError("Invalid hash")
    return value


def _rid(admin: AccountAdmin, text: str) -> int:
    try:
        if not text.upper().startswith("S-"):
            return int(text)
        sid = Sid(text)
    except (ValueError, SidError):
        raise AdminError(f"Not a SID or relative id: {text}") from None
    if not sid.in_domain(admin.passdb.domain_sid()):
        raise AdminError(f"{sid} is not of this server's domain {admin.passdb.domain_sid()}")
    return sid.rid


def _new_password(options: argparse.Namespace) -> str:
    if options.stdin:
        first, second = (sys.stdin.readline().rstrip("\n") for _ in range(2))
    else:
        first = getpass.getpass("new password:")
        second = getpass.getpass("retype new password:")
    if first != second:
        raise AdminError("Passwords do not match!")
    return first


def _setting(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"not name=value: {text!r}")
    return name.strip(), value.strip()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="pdbedit", description="List and edit SMB accounts.", add_help=False)
    parser.add_argument("-?", "--help", action="help", help="show this help message")
    flag = parser.add_argument

    def text(*names: str, **details: Any) -> None:
        parser.add_argument(*names, metavar="STRING", **details)

    flag("-L", "--list", action="store_true", help="list all users")
    flag("-v", "--verbose", action="store_true", help="be verbose")
    flag("-w", "--smbpasswd-style", action="store_true", help="give output in smbpasswd style")
    flag("-u", "--user", metavar="USER", help="use username")
    flag("-a", "--create", action="store_true", help="create user")
    flag("-r", "--modify", action="store_true", help="modify user")
    flag("-x", "--delete", action="store_true", help="delete user")
    text("-f", "--fullname", dest="full_name", help="set full name")
    text("-h", "--homedir", dest="home_dir", help="set home directory")
    text("-D", "--drive", dest="dir_drive", help="set home drive")
    text("-S", "--script", dest="logon_script", help="set logon script")
    text("-p", "--profile", dest="profile_path", help="set profile path")
    text("-N", "--account-desc", dest="comment", help="set account description")
    text("-U", "--user-sid", "--user SID", dest="sid", help="set user SID or RID of a new user")
    text("-c", "--account-control", dest="acct_flags", help="set account flags, such as [DX]")
    text("-K", "--kickoff-time", dest="kickoff", help="set the kickoff time (seconds or never)")
    text("--time-format", help="the time format for time parameters")
    flag("-z", "--bad-password-count-reset", dest="reset_bad_count", action="store_true",
         help="reset bad password count")  # fmt: skip
    flag("-Z", "--logon-hours-reset", dest="reset_hours", action="store_true", help="reset logon hours")
    text("--set-nt-hash", dest="nt_hash", help="set password from nt-hash")
    flag("-t", "--password-from-stdin", dest="stdin", action="store_true",
         help="get password from standard in")  # fmt: skip
    flag("-d", "--debuglevel", dest="debug_level", type=int, default=0, metavar="LEVEL", help="set debug level")
    flag("-s", "--configfile", dest="config_file", metavar="CONFIGFILE", help="use alternative configuration file")
    flag("--option", type=_setting, action="append", default=[], metavar="name=value",
         help="set smb.conf option from command line")  # fmt: skip
    flag("name", nargs="?", metavar="USER", help="the same as -u")
    return parser


if __name__ == "__main__":
    sys.exit(main())
