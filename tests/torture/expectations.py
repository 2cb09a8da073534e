"""What is expected of which test: the suites in scope, the known failures, and what Samba itself passes.

Policy: every entry of ``knownfail`` has a reason; a failure without an entry fails the run, and so does a
pass with one, so that the list only ever shrinks knowingly. A test that Samba passes may not be skipped.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.torture.results import Outcome

_HERE = Path(__file__).parent
BASELINE = _HERE / "baseline.tsv"
KNOWNFAIL = _HERE / "knownfail"
SUITES = _HERE / "suites"
#: Tests that block connections, or want the port 445: only in a network of their own.
BLOCKING = (
    "smb2.multichannel.leases.test[24]",
    "smb2.multichannel.oplocks.test[23]*",
    "smb2.multichannel.bugs",
    "smb2.replay.dhv2-pending3*",
)


class ExpectationError(ValueError):
    """One of the expectation files is malformed."""


class KnownFailure(NamedTuple):
    """Tests that are known to fail, and why."""

    pattern: re.Pattern[str]
    reason: str


def _entries(text: str) -> Iterable[str]:
    for line in text.splitlines():
        stripped = line.strip()
        if stripped and not stripped.startswith("#"):
            yield stripped


def parse_knownfail(text: str) -> list[KnownFailure]:
    """Read ``REGEXP # REASON`` lines.

    Raises:
        ExpectationError: an entry has no reason or its expression does not compile.
    """
    known = []
    for line in _entries(text):
        expression, separator, reason = line.partition(" # ")
        if not separator or not reason.strip():
            raise ExpectationError(f"knownfail entry without a reason: {line}")
        try:
            known.append(KnownFailure(re.compile(expression.strip()), reason.strip()))
        except re.error as error:
            raise ExpectationError(f"knownfail entry {line}: {error}") from error
    return known


def parse_baseline(text: str) -> dict[str, Outcome]:
    """Read ``NAME<tab>OUTCOME`` lines."""
    return {name: Outcome(outcome) for name, outcome in (line.split("\t") for line in _entries(text))}


def write_baseline(outcomes: dict[str, Outcome]) -> str:
    """The text that ``parse_baseline`` reads."""
    return "".join(f"{name}\t{outcomes[name].value}\n" for name in sorted(outcomes))


def select(names: Iterable[str], patterns: Sequence[str]) -> list[str]:
    """The leaf tests that a list of suites names, in order of name.

    A pattern is a suite (``smb2.dir``), a leaf, or a shell pattern; with ``!`` in front it takes tests out.
    """
    chosen: set[str] = set()
    every = sorted(names)
    for pattern in patterns:
        bare = pattern.removeprefix("!")
        hits = {
            name
            for name in every
            if fnmatch.fnmatchcase(name, bare) or fnmatch.fnmatchcase(name, f"{bare}.*")
        }
        chosen = chosen - hits if pattern.startswith("!") else chosen | hits
    return sorted(chosen)


def in_scope() -> list[str]:
    """The patterns of the ``suites`` file."""
    return list(_entries(SUITES.read_text()))


class Verdict(NamedTuple):
    """How an outcome compares with what was expected."""

    unexpected: bool
    note: str = ""


def judge(name: str, outcome: Outcome, known: Sequence[KnownFailure], samba: Outcome | None) -> Verdict:
    """Compare an outcome with the expectations.

    Args:
        name: the leaf test.
        outcome: what it did.
        known: the known failures.
        samba: what it does against Samba, if recorded.
    """
    entry = next((failure for failure in known if failure.pattern.fullmatch(name)), None)
    if outcome is Outcome.PASS:
        return Verdict(entry is not None, "passes, but is listed in knownfail" if entry else "")
    if entry is not None:
        return Verdict(unexpected=False, note=entry.reason)
    if outcome is Outcome.SKIP:
        missing = samba is Outcome.PASS
        return Verdict(missing, "is skipped, but Samba passes it" if missing else "")
    return Verdict(unexpected=True, note=f"Samba: {samba.value}" if samba else "")
