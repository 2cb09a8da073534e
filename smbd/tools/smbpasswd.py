"""smbpasswd: set passwords; add, remove, disable and enable accounts.

Flags, prompts and messages are those of Samba's smbpasswd in local mode. There is no remote mode: who may
write the account database may change any password in it, and nobody else gets at it.
"""

from __future__ import annotations

import argparse
import getpass
import logging
import os
import sys
from collections.abc import Sequence

from smbd.auth.account_flags import ACB_DISABLED, ACB_PWNOTREQ
from smbd.auth.admin import AccountAdmin, AdminError
from smbd.auth.passdb import SamAccount
from smbd.auth.unix_user import process_user
from smbd.tools.log_level import python_level


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool; returns the exit status."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=python_level(options.debug_level), format="%(message)s")
    try:
        _run(options)
    except AdminError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _run(options: argparse.Namespace) -> None:
    if options.user is None and os.geteuid() == 0 and options.action is not None:
        raise AdminError("A user name is needed.")
    name = options.user or process_user().name
    admin = AccountAdmin.open(options.config_file)
    if options.action == "delete":
        _delete(admin, name)
    elif options.action == "disable":
        account = admin.find(name)
        account.acct_flags |= ACB_DISABLED
        admin.passdb.update(account)
        print(f"Disabled user {account.username}.")
    elif options.action == "enable":
        _enable(admin, name, options)
    elif options.action == "no_password":
        account = admin.find(name)
        account.acct_flags |= ACB_PWNOTREQ
        account.nt_hash = b""
        admin.passdb.update(account)
        print(f"User {account.username} password set to none.")
    else:
        _set_password(admin, name, options, add=options.action == "add")


def _delete(admin: AccountAdmin, name: str) -> None:
    account = admin.find(name)
    admin.passdb.delete(name)
    print(f"Deleted user {account.username}.")


def _enable(admin: AccountAdmin, name: str, options: argparse.Namespace) -> None:
    account = admin.find(name)
    account.acct_flags &= ~ACB_DISABLED
    if not account.nt_hash and not account.acct_flags & ACB_PWNOTREQ:
        account.set_password(_new_password(options))
    admin.passdb.update(account)
    print(f"Enabled user {account.username}.")


def _set_password(admin: AccountAdmin, name: str, options: argparse.Namespace, *, add: bool) -> None:
    account = admin.passdb.get(name)
    if account is None and not add:
        raise AdminError(f"Failed to find entry for user {name}.")
    password = _new_password(options)
    if account is None:
        account = SamAccount(username=name)
        account.set_password(password)
        admin.add(account)
        print(f"Added user {account.username}.")
        return
    account.set_password(password)
    account.acct_flags &= ~ACB_PWNOTREQ
    admin.passdb.update(account)


def _new_password(options: argparse.Namespace) -> str:
    if options.password is not None:
        return str(options.password)
    if options.stdin:
        first, second = (sys.stdin.readline().rstrip("\n") for _ in range(2))
    else:
        first = getpass.getpass("New SMB password:")
        second = getpass.getpass("Retype new SMB password:")
    if first != second:
        raise AdminError("Mismatch - password unchanged.\nUnable to get new password.")
    return first


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="smbpasswd", description="Change SMB passwords and accounts.")
    parser.add_argument("-L", dest="local", action="store_true", help="local mode (there is no other)")
    parser.add_argument("-s", dest="stdin", action="store_true", help="use stdin for password prompt")
    parser.add_argument("-c", dest="config_file", metavar="FILE", help="use this smb.conf file")
    parser.add_argument("-D", dest="debug_level", metavar="LEVEL", type=int, default=0, help="debug level")
    actions = parser.add_mutually_exclusive_group()
    for flag, action, text in (
        ("-a", "add", "add user"),
        ("-x", "delete", "delete user"),
        ("-d", "disable", "disable user"),
        ("-e", "enable", "enable user"),
        ("-n", "no_password", "set no password"),
    ):
        actions.add_argument(flag, dest="action", action="store_const", const=action, help=text)
    parser.add_argument("user", nargs="?", help="whose account; the caller's if left out")
    parser.add_argument("password", nargs="?", help="the new password (visible to other users of the machine)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
