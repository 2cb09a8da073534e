"""dbcheck: verify the databases of a server, running or not.

The structure of each file, that every record is one that this release reads, and that the records agree with
what lives: no open, lock
or session of a process that is gone. Changes nothing. Exit code 0 if all is well, 1 if not.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from typing import Final

from messaging.dbwrap.base import DbError
from messaging.dbwrap.check import CheckReport, dbcheck
from messaging.dbwrap.journal import Journal
from messaging.dbwrap.watch import WatchedDb
from messaging.records import RecordError
from messaging.server_id import ServerId
from smbd.config.loadparm import ConfigError, load_config
from smbd.config.paths import default_config_file
from smbd.tools.options import Parser, add_common_options, overrides_of
from smbd.xsrv.app_instance import APP_INSTANCE_CODEC
from smbd.xsrv.databases import Databases, open_databases
from smbd.xsrv.persistent import HANDLE_CODEC, JOURNAL_NAME
from smbd.xsrv.records import CLIENT_CODEC, OPEN_CODEC, SESSION_CODEC, TCON_CODEC
from smbd.xsrv.replay_index import REPLAY_CODEC
from vfs.file_id import FileId
from vfs.locking.brlock import BRLOCK_CODEC
from vfs.locking.lease import LEASE_CODEC
from vfs.locking.stored import LOCKING_CODEC

EXIT_OK: Final = 0
EXIT_BAD: Final = 1


def reports(databases: Databases) -> Iterator[CheckReport]:
    """Check one database after the other: structure, keys and records."""
    yield dbcheck(databases.clients, CLIENT_CODEC.decode)
    yield dbcheck(databases.sessions.db, SESSION_CODEC.decode)
    yield dbcheck(databases.tcons.db, TCON_CODEC.decode)
    yield dbcheck(databases.opens.db, OPEN_CODEC.decode)
    yield dbcheck(databases.app_instances.db, APP_INSTANCE_CODEC.decode)
    yield dbcheck(databases.replays.db, REPLAY_CODEC.decode)
    yield dbcheck(WatchedDb(databases.locking), LOCKING_CODEC.decode, FileId.from_key)
    yield dbcheck(WatchedDb(databases.brlock), BRLOCK_CODEC.decode, FileId.from_key)
    yield dbcheck(databases.leases, LEASE_CODEC.decode)
    if databases.persistent is not None:
        yield _check_journal(databases.persistent.journal)


def _check_journal(journal: Journal) -> CheckReport:
    report = CheckReport(JOURNAL_NAME, 0, 0, journal.check())
    for key, value in journal.read().items():
        report.records += 1
        try:
            HANDLE_CODEC.decode(value)
        except RecordError as error:
            report.bad += 1
            report.problems.append(f"{JOURNAL_NAME}: {key.hex()}: {error}")
    return report


def stale(databases: Databases) -> Iterator[str]:
    """Yield what belongs to processes that are gone, and opens and locks that exclude each other."""

    def gone(owner: ServerId) -> bool:
        return not owner.is_disconnected() and not databases.is_alive(owner)

    for number, session in databases.sessions.items():
        yield from (
            f"session {number:#x}: {one.server_id} is gone" for one in session.channels if gone(one.server_id)
        )
    for number, tcon in databases.tcons.items():
        if gone(tcon.server_id):
            yield f"tree connect {number:#x}: {tcon.server_id} is gone"
    for number, opened in databases.opens.items():
        if gone(opened.server_id):
            yield f"open {number:#x}: {opened.server_id} is gone"
        away = opened.persistent and opened.server_id.is_disconnected()
        if away and databases.replays.find(opened.client_guid, opened.create_guid) is None:
            yield f"open {number:#x}: persistent, but its create is not known"
    persistent = databases.persistent
    if persistent is not None:
        kept = {int.from_bytes(key, "big") for key in persistent.journal.read()}
        yield from (
            f"open {number:#x}: persistent, but not on disk"
            for number, opened in databases.opens.items()
            if opened.persistent and opened.server_id.is_disconnected() and number not in kept
        )
    yield from databases.share_modes.check()
    yield from databases.byte_locks.check()


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of dbcheck's command line."""
    parser = Parser(prog="dbcheck", description="Verify the databases of smbd", allow_abbrev=False)
    add_common_options(parser)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program and return its exit code."""
    options = make_parser().parse_args(arguments)
    try:
        config = load_config(options.configfile or default_config_file(), overrides_of(options))
        databases = open_databases(config.globals.lock_directory, read_only=True)
        if config.globals.persistent_handles:
            databases.keep_persistent(config.globals.state_directory)
    except (ConfigError, OSError, DbError) as error:
        print(f"dbcheck: {error}", file=sys.stderr)
        return EXIT_BAD
    sound = True
    for report in reports(databases):
        print("\n".join(report.lines()))
        sound = sound and report.ok
    for problem in stale(databases):
        print(problem)
        sound = False
    return EXIT_OK if sound else EXIT_BAD
