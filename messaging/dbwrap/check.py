"""Verifying a database: its structure, and that each record is one that this release can read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from messaging.dbwrap.base import Db, DbError
from messaging.records import RecordError

MAX_PROBLEMS: Final = 100
"""Problems listed one by one: a database of another release has one per record."""


class CheckReport(msgspec.Struct):
    """What `dbcheck` found.

    Attributes:
        name: the database.
        records: how many records it has.
        bad: how many of them cannot be decoded.
        problems: one line each, at most `MAX_PROBLEMS` of them.
    """

    name: str
    records: int
    bad: int
    problems: list[str]

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems

    def lines(self) -> list[str]:
        """Return the report as text."""
        left_out = self.bad - MAX_PROBLEMS
        return [
            *self.problems,
            *([f"{self.name}: {left_out} more"] if left_out > 0 else []),
            f"{self.name}: {self.records} records, {'ok' if self.ok else f'{self.bad} bad'}",
        ]


def dbcheck(
    db: Db,
    decode: Callable[[bytes], object],
    decode_key: Callable[[bytes], object] | None = None,
    *,
    describe_key: Callable[[bytes], str] = bytes.hex,
) -> CheckReport:
    """Check `db` and decode each of its records.

    Args:
        db: the database; a watched one as `WatchedDb`, so that watchers do not count as value.
        decode: usually `messaging.records.RecordCodec.decode`; raises for a bad value.
        decode_key: raises for a bad key.
        describe_key: how a key is named in the report.
    """
    report = CheckReport(db.name, 0, 0, [])
    try:
        report.problems.extend(db.check())
        for key, value in db.traverse_read():
            report.records += 1
            try:
                if decode_key is not None:
                    decode_key(key)
                decode(value)
            except Exception as error:  # noqa: BLE001 - whatever a decoder raises is the finding
                report.bad += 1
                if report.bad <= MAX_PROBLEMS:
                    report.problems.append(f"{db.name}: {describe_key(key)}: {error}")
    except (DbError, RecordError) as error:
        report.problems.append(f"{db.name}: {error}")
    return report
