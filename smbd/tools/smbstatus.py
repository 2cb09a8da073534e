"""smbstatus: who is connected, to which shares, with which files open.

Takes Samba's flags and prints Samba's tables, or its JSON. Reads the server's databases and changes nothing.
"""

from __future__ import annotations

import argparse
import json
import pwd
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from messaging.dbwrap.base import DbError
from smbd.config.loadparm import ConfigError, load_config
from smbd.config.paths import default_config_file
from smbd.tools import status_json, status_text
from smbd.tools.options import Parser, add_common_options, overrides_of
from smbd.tools.status_collect import Session, Status, StatusUnavailableError, collect

EXIT_FAILED: Final = 1


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of smbstatus's command line."""
    parser = Parser(prog="smbstatus", description="Show the connections of a running smbd", allow_abbrev=False)
    flags = (
        ("-p", "--processes", "show processes only"),
        ("-v", "--verbose", "be verbose"),
        ("-L", "--locks", "show open files only"),
        ("-S", "--shares", "show shares only"),
        ("-N", "--notify", "show change notifications too"),
        ("-b", "--brief", "be brief"),
        ("-B", "--byterange", "include byte-range locks"),
        ("-n", "--numeric", "numeric user and group ids"),
        ("-j", "--json", "print JSON"),
        ("-f", "--fast", "do not check whether processes still exist"),
        ("-P", "--profile", "show profiling data"),
        ("-R", "--profile-rates", "show call rates"),
    )
    for short, long, text in flags:
        parser.add_argument(short, long, action="store_true", help=text)
    parser.add_argument("-u", "--user", metavar="USER", help="show only what this user does")
    parser.add_argument("--resolve-uids", action="store_true", help="show user names in the list of open files")
    add_common_options(parser)
    return parser


def _chosen(options: argparse.Namespace) -> tuple[bool, bool, bool]:
    """Which of processes, shares and open files to show."""
    if options.processes or options.shares or options.locks:
        return options.processes, options.shares, options.locks
    return (True, False, False) if options.brief else (True, True, True)


def _user_filter(name: str) -> Callable[[Session], bool]:
    try:
        uid: int | None = pwd.getpwnam(name).pw_uid
    except KeyError:
        uid = None
    folded = name.lower()
    return lambda session: session.uid == uid or session.user_name.lower() == folded


def _print_text(status: Status, options: argparse.Namespace) -> None:
    processes, shares, locks = _chosen(options)
    lines: list[str] = []
    if processes:
        lines += status_text.sessions_table(status, numeric=options.numeric)
    if shares:
        lines += status_text.tcons_table(status)
    if locks:
        lines += status_text.locks_table(status, resolve_uids=options.resolve_uids)
        lines += status_text.handles_table(status)
        if options.byterange:
            lines += status_text.byte_locks_table(status)
    print("\n".join(lines))


def _print_json(status: Status, options: argparse.Namespace, smb_conf: str) -> None:
    processes, shares, locks = _chosen(options)
    out: dict[str, Any] = status_json.header(smb_conf, datetime.now(UTC))
    if processes:
        out["sessions"] = status_json.sessions(status)
    if shares:
        out["tcons"] = status_json.tcons(status)
    if locks:
        out["open_files"] = status_json.open_files(status)
    if options.byterange and locks:
        out["byte_range_locks"] = status_json.byte_range_locks(status)
    if options.notify:
        out["notifies"] = {}
    print(json.dumps(out))


def main(argv: Sequence[str] | None = None) -> int:
    """Run smbstatus; return its exit code."""
    options = make_parser().parse_args(argv)
    if options.profile or options.profile_rates:
        print("smbstatus: this smbd keeps no profiling data", file=sys.stderr)
        return EXIT_FAILED
    smb_conf = options.configfile or default_config_file()
    try:
        config = load_config(smb_conf, overrides_of(options))
        if options.verbose and not options.json:
            print(f"using configfile = {smb_conf}")
        status = collect(config.globals.lock_directory, fast=options.fast)
    except (ConfigError, DbError, StatusUnavailableError, OSError) as error:
        print(f"smbstatus: {error}", file=sys.stderr)
        return EXIT_FAILED
    if options.user:
        status = status.of_user(_user_filter(options.user))
    if options.json:
        _print_json(status, options, smb_conf)
    else:
        _print_text(status, options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
