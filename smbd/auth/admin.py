"""What smbpasswd and pdbedit share: opening the accounts that a configuration names, and making new ones."""

from __future__ import annotations

import os
from collections.abc import Sequence

from messaging.dbwrap.base import DbError
from smbd.auth.passdb import DOMAIN_USER_RID_GUEST, Passdb, PassdbError, SamAccount
from smbd.auth.unix_user import find_user
from smbd.config.loadparm import Config, ConfigError, load_config
from smbd.config.paths import default_config_file


class AdminError(Exception):
    """A tool cannot do what it was asked to; the text is for the administrator."""


class AccountAdmin:
    """The accounts of one configuration, opened for administration."""

    def __init__(self, config: Config, passdb: Passdb) -> None:
        self.config = config
        self.passdb = passdb

    @classmethod
    def open(cls, path: str | None = None, overrides: Sequence[tuple[str, str]] = ()) -> AccountAdmin:
        """Load a configuration (None: the usual file) and open its accounts.

        Raises:
            AdminError: one of them cannot be used.
        """
        try:
            config = load_config(path or default_config_file(), overrides)
        except ConfigError as error:
            raise AdminError("\n".join(str(problem) for problem in error.problems)) from error
        try:
            return cls(config, Passdb.open(config.globals.private_dir))
        except (PassdbError, DbError) as error:
            raise AdminError(str(error)) from error

    @property
    def domain(self) -> str:
        """The name of the account domain."""
        return self.config.globals.netbios_name.upper()

    def find(self, name: str) -> SamAccount:
        """Return an account.

        Raises:
            AdminError: there is none of that name.
        """
        account = self.passdb.get(name)
        if account is None:
            raise AdminError(f"Failed to find entry for user {name}.")
        return account

    def add(self, account: SamAccount) -> None:
        """Store a new account of a Unix user.

        As root every account needs its Unix user: files are accessed as that. An ordinary user's server
        accesses all files as its own user, so there any name will do.

        Raises:
            AdminError: there is no such Unix user, or there is such an account already.
        """
        unix = find_user(account.username)
        if unix is None and os.geteuid() == 0:
            raise AdminError(f"Failed to add entry for user {account.username}: there is no such Unix user.")
        if unix is not None:
            account.username = unix.name
            account.full_name = account.full_name or unix.full_name
        if account.username == self.config.globals.guest_account:
            account.rid = DOMAIN_USER_RID_GUEST
        try:
            self.passdb.add(account)
        except PassdbError as error:
            raise AdminError(f"Failed to add entry for user {account.username}: {error}.") from error
