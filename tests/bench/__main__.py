"""``scripts/bench``: the same load on pysmbd and, where it is installed, on Samba, in turn.

Both servers run all the time with the same smb.conf on different ports; the rounds alternate between them, and the
tables show the medians. A ratio is pysmbd to Samba, of time per operation: lower is better.

    scripts/bench [--quick]       every row (see --list)
    scripts/bench open 'read-*'   some of them
    scripts/bench profile open    in which functions pysmbd spends the time of a row
    scripts/bench scale [PLOT]    cost per operation against the number of connections, openers, files
"""

from __future__ import annotations

import argparse
import contextlib
import fnmatch
import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.bench import table
from tests.bench.lab import Lab, Load, choose_processor
from tests.bench.profiling import ProfiledServer, profile
from tests.bench.row import Row, Sample
from tests.bench.rows import ROWS
from tests.bench.scale import scale
from tests.servers import REPOSITORY, SERVERS, Server
from tests.smbxcli import SmbxError

_DOCUMENT = REPOSITORY / "docs" / "PERFORMANCE.md"
_SHARES = {"tmp": {"read only": "no"}, "ca": {"read only": "no", "continuous availability": "yes"}}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("rows", nargs="*", metavar="ROW", help="only these rows; * and ? stand for any characters")
    parser.add_argument("--list", action="store_true", help="print the names of the rows")
    parser.add_argument("--quick", action="store_true", help="small loads, one round: roughly, in two minutes")
    parser.add_argument("--rounds", type=int, help="rounds per row (default: 5, quick: 1)")
    parser.add_argument("--seconds", type=float, help="of each measurement (default: 0.4, quick: 0.07)")
    parser.add_argument("--server", choices=sorted(SERVERS), action="append", help="default: both")
    parser.add_argument("--directory", type=Path, help="where servers and files live (default: memory)")
    parser.add_argument("--write", action="store_true", help=f"into {_DOCUMENT.name}, plots beside it")
    return parser.parse_intermixed_args()


def _memory_directory() -> str | None:
    """A tmpfs that keeps user attributes, so that no disk is measured; None if there is none."""
    with contextlib.suppress(OSError), tempfile.NamedTemporaryFile(dir="/dev/shm") as probe:
        os.setxattr(probe.name, "user.probe", b"1")
        return "/dev/shm"
    return None


def choose(names: list[str]) -> list[Row]:
    """The rows that names or patterns mean."""
    if wrong := [name for name in names if not any(fnmatch.fnmatch(row.name, name) for row in ROWS)]:
        sys.exit(f"no such row: {', '.join(wrong)}; see scripts/bench --list")
    return [row for row in ROWS if not names or any(fnmatch.fnmatch(row.name, name) for name in names)]


def make_load(scratch: Path, seconds: float | None, *, quick: bool) -> Load:
    """How much load to make."""
    if quick:
        return Load(seconds or 0.07, 64, 10_000, 2_000, 1_000, 10, (10, 30), 100, 100, scratch)
    return Load(seconds or 0.4, 1024, 100_000, 10_000, 4_000, 100, (200, 1000), 500, 1000, scratch)


@contextlib.contextmanager
def laboratory(
    kinds: Sequence[type[Server]], directory: Path | None, seconds: float | None, *, quick: bool
) -> Iterator[list[Lab]]:
    """Running servers, each in a directory of its own."""
    cpus = os.sched_getaffinity(0)
    choose_processor()
    with contextlib.ExitStack() as stack:
        base = Path(stack.enter_context(tempfile.TemporaryDirectory(
            prefix="bench-", dir=directory or _memory_directory(),
        )))  # fmt: skip
        base.chmod(0o755)
        load = make_load(base, seconds, quick=quick)
        labs = []
        for kind in kinds:
            if why := kind.unavailable():
                sys.stderr.write(f"without {kind.name}: {why}\n")
                continue
            server = kind(base / kind.name, shares=_SHARES, options={"max open files": "50000"})
            labs.append(Lab(stack.enter_context(server), load))
        yield labs
        os.sched_setaffinity(0, cpus)


def measure(row: Row, labs: list[Lab], rounds: int) -> dict[str, list[Sample]]:
    """Let the servers take turns; who fails is left out from then on."""
    samples: dict[str, list[Sample]] = {}
    able = []
    for lab in labs:
        if row.only is None or lab.server.name in row.only:
            samples[lab.server.name] = []
            able.append(lab)
    prepared = []
    for number in range(-1, min(rounds, row.most_rounds)):
        for lab in list(able):
            try:
                if number < 0:
                    prepared.append(lab)
                    row.prepare(lab)
                else:
                    samples[lab.server.name].append(row.run(lab))
            except (RuntimeError, OSError, SmbxError) as error:
                able.remove(lab)
                sys.stderr.write(f"{row.name}: {lab.server.name}: {error}\n{lab.server.log_tail(5)}\n")
    for lab in prepared:
        row.finish(lab)
    return samples


def main() -> int:
    """Measure, print, write."""
    args = _arguments()
    if args.list:
        sys.stdout.write("".join(f"{row.name:22} {row.group}: {row.title}\n" for row in ROWS))
        return 0
    if args.rows[:1] == ["profile"]:
        with laboratory([ProfiledServer], args.directory, args.seconds or 2, quick=True) as (lab,):
            for row in choose(args.rows[1:]):
                profile(row, lab.server, lab.load)
        return 0
    rounds = args.rounds or (1 if args.quick else 5)
    servers = [SERVERS[name] for name in args.server or ("pysmbd", "samba")]
    if args.rows[:1] == ["scale"]:
        with laboratory(servers, args.directory, args.seconds, quick=args.quick) as labs:
            scale(labs, args.rows[1:], rounds, _DOCUMENT.parent / "plots" if args.write else None)
        return 0
    rows = choose(args.rows)
    missing = [tool for tool in ("smbclient", "smbtorture") if shutil.which(tool) is None]
    if missing:
        sys.exit(f"{', '.join(missing)} not installed (Debian: smbclient, samba-testsuite)")
    results: dict[Row, dict[str, list[Sample]]] = {}
    began = time.monotonic()
    busy = os.getloadavg()[0]
    with laboratory(servers, args.directory, args.seconds, quick=args.quick) as labs:
        load = labs[0].load
        for row in rows:
            results[row] = measure(row, labs, rounds)
            sys.stdout.write(table.line(row, results[row]) + "\n")
            sys.stdout.flush()
    text = table.render(results)
    heading = (
        f"{table.today()}, {table.cpu_model()}, {os.cpu_count()} CPUs, Linux {platform.release()}, "
        f"CPython {platform.python_version()}; medians of {rounds} rounds of {load.seconds:g} s, big file "
        f"{load.mebibytes:,} MiB, big directory {load.many:,} files; load average of the machine before: {busy:.1f}."
    )
    sys.stdout.write(f"\n{heading}\n\n{text}\n({time.monotonic() - began:.0f} s)\n")
    if args.write:
        document = _DOCUMENT.read_text()
        everything = len(rows) == len(ROWS)
        document = table.insert(document, text, heading) if everything else table.update(document, results)
        _DOCUMENT.write_text(document)
    complete = all(all(by_server.values()) for by_server in results.values())
    return 0 if complete else 1


if __name__ == "__main__":
    sys.exit(main())
