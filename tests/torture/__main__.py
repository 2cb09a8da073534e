"""``python -m tests.torture [--server pysmbd|samba] [SUITE...]``: smbtorture against a server of our own.

Without suites, those of the file ``suites`` run. Ends with "N passed, N failed, N skipped" and exit code 1 if
any test did other than expected (see ``expectations``).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.servers import Server, server_class
from tests.torture import expectations, network, runner
from tests.torture.results import Outcome
from tests.torture.setups import SETUPS, Setup, Setups

_SHARES = {
    "tmp": {"read only": "no"},
    "noperm": {"path": "DIR/private"},
    # Tests of access based enumeration look for a share of this name.
    "hideunread": {"path": "DIR/tmp", "read only": "no", "hide unreadable": "yes"},
}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__)
    parser.add_argument("suites", nargs="*", metavar="SUITE", help="suite, leaf test or shell pattern")
    parser.add_argument("--server", choices=("pysmbd", "samba"), default="pysmbd")
    parser.add_argument("-j", "--jobs", type=int, default=4, help="servers side by side (default: 4)")
    parser.add_argument("--limit", type=float, default=90, help="seconds for one test (default: 90)")
    parser.add_argument("--list", action="store_true", help="only print the names of the tests")
    parser.add_argument("--option", action="append", default=[], help="smb.conf style option for smbtorture")
    parser.add_argument("--global", action="append", default=[], dest="globals", metavar="NAME=VALUE",
                        help="parameter of [global] for the server")
    parser.add_argument("--record", action="store_true", help="with --server samba: write baseline.tsv")
    parser.add_argument("--keep", type=Path, help="directory for the servers' state and logs, kept")
    parser.add_argument("-v", "--verbose", action="store_true", help="print the output of every test")
    return parser.parse_args()


def main() -> int:
    """Run and report."""
    args = _arguments()
    if why := runner.unavailable():
        sys.stdout.write(f"{why}\n")
        return 77
    names = expectations.select(runner.leaf_tests(), args.suites or expectations.in_scope())
    if args.list:
        sys.stdout.write("".join(f"{name}\n" for name in names))
        return 0
    if not names:
        sys.stdout.write("no such test\n")
        return 2
    in_scope = names
    isolated = network.unavailable()
    if isolated is not None:
        names = [name for name in names if name not in expectations.select(names, expectations.BLOCKING)]
        sys.stdout.write(f"{len(in_scope) - len(names)} tests that block connections are left out: {isolated}\n")
    known = expectations.parse_knownfail(expectations.KNOWNFAIL.read_text())
    setups = Setups(SETUPS.read_text())
    baseline = expectations.parse_baseline(expectations.BASELINE.read_text())
    reference = args.server == "samba"
    unexpected: list[str] = []

    def progress(report: runner.Report) -> None:
        outcome = report.result.outcome
        samba = baseline.get(report.name)
        if reference:
            recorded = samba.value if samba else "nothing"
            verdict = expectations.Verdict(samba is not outcome, f"recorded: {recorded}")
        else:
            verdict = expectations.judge(report.name, outcome, known, samba)
        mark = "UNEXPECTED " if verdict.unexpected else ""
        note = " | ".join(part for part in (report.result.reason, verdict.note) if part)
        sys.stdout.write(f"{mark}{outcome.value:7} {report.seconds:5.1f}s {report.name}  {note}\n")
        if args.verbose or (verdict.unexpected and outcome is not Outcome.PASS):
            detail = report.output + ("--- server log\n" + report.server_log if report.server_log else "")
            sys.stdout.write("".join(f"    {line}\n" for line in detail.splitlines()[-60:]))
        sys.stdout.flush()
        if verdict.unexpected:
            unexpected.append(f"{outcome.value}: {report.name} {note}")

    with tempfile.TemporaryDirectory(prefix="torture-") as scratch:
        Path(scratch).chmod(0o755)
        base = args.keep or Path(scratch)
        options = dict(pair.split("=", 1) for pair in args.globals)

        def make_server(directory: str, setup: Setup) -> Server:
            shares = {**_SHARES, "tmp": {**_SHARES["tmp"], **dict(setup.share)}}
            # Beside the server of the job, which has the port that single tests insist on.
            port = None if isolated is not None or setup.wants_server else network.PORT
            return server_class(args.server)(
                base / directory, shares=shares, options={**options, **dict(setup.globals)}, port=port
            )

        reports = runner.run(names, make_server, setups.of, jobs=min(args.jobs, len(names)), limit=args.limit,
                             options=args.option, progress=progress, isolated=isolated is None)
    if reference and args.record:
        baseline.update({report.name: report.result.outcome for report in reports})
        expectations.BASELINE.write_text(expectations.write_baseline(baseline))
    if not args.suites and not reference:
        unexpected += [
            f"knownfail entry matches no test: {entry.pattern.pattern}"
            for entry in known
            if not any(entry.pattern.fullmatch(name) for name in in_scope)
        ]
        unexpected += [f"setup for no test: {pattern}" for pattern in setups.unused(names)]
    if unexpected:
        sys.stdout.write("\nunexpected:\n" + "".join(f"  {line}\n" for line in sorted(unexpected)))
    count = {outcome: sum(report.result.outcome is outcome for report in reports) for outcome in Outcome}
    failed = count[Outcome.FAIL] + count[Outcome.TIMEOUT]
    sys.stdout.write(f"{count[Outcome.PASS]} passed, {failed} failed, {count[Outcome.SKIP]} skipped\n")
    return 1 if unexpected else 0


if __name__ == "__main__":
    sys.exit(main())
