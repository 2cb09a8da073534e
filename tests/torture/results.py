"""Read what smbtorture prints.

smbtorture reports in a text form of the subunit protocol, mixed with whatever a test prints by itself::

    test: rw1
    time: 2024-01-01 00:00:00.000000
    failure: rw1 [
    ../../source4/torture/smb2/read_write.c:95: status was ..., expected ...
    ]

One leaf test can report several times; a crash or a lost connection may leave no report at all.
"""

from __future__ import annotations

import enum
import re
from typing import NamedTuple

_REPORT = re.compile(r"^(success|successful|failure|error|skip|xfail|uxsuccess): (.*?)( \[)?$")


class Outcome(enum.Enum):
    """The result of one leaf test."""

    PASS = "pass"
    FAIL = "fail"
    SKIP = "skip"
    TIMEOUT = "timeout"


class Result(NamedTuple):
    """An outcome and why."""

    outcome: Outcome
    reason: str = ""


_OUTCOMES = {
    "success": Outcome.PASS,
    "successful": Outcome.PASS,
    "xfail": Outcome.PASS,
    "skip": Outcome.SKIP,
    "failure": Outcome.FAIL,
    "error": Outcome.FAIL,
    "uxsuccess": Outcome.FAIL,
}


def parse(output: str, returncode: int | None) -> Result:
    """Judge one run of smbtorture with one leaf test.

    A pass needs at least one report of success, no other report than success or skip, and exit code 0: a test
    that says nothing has not passed.

    Args:
        output: its standard output.
        returncode: its exit code; None if it was stopped at its time limit.
    """
    reports: list[Result] = []
    lines = iter(output.splitlines())
    for line in lines:
        match = _REPORT.match(line)
        if match is None:
            continue
        kind, _name, bracket = match.groups()
        reason = []
        if bracket:
            for more in lines:
                if more.strip() == "]":
                    break
                reason.append(more.strip())
        reports.append(Result(_OUTCOMES[kind], " ".join(reason)))
    failed = [report for report in reports if report.outcome is Outcome.FAIL]
    if failed:
        return failed[0]
    if returncode is None:
        return Result(Outcome.TIMEOUT, "stopped at the time limit")
    if returncode:
        return Result(Outcome.FAIL, f"exit code {returncode}: {_last_line(output)}")
    if any(report.outcome is Outcome.PASS for report in reports):
        return Result(Outcome.PASS)
    if reports:
        return reports[0]
    return Result(Outcome.FAIL, f"no result reported: {_last_line(output)}")


def _last_line(output: str) -> str:
    lines = [line for line in output.splitlines() if line.strip() and not line.startswith("time: ")]
    return lines[-1].strip() if lines else "no output"
