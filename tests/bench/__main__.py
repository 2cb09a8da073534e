"""``scripts/bench``: the same load on pysmbd and, where it is installed, on Samba, in turn.

Both servers run all the time with the same smb.conf on different ports; the rounds alternate between them,
and the table shows the medians. A ratio above 1 means that pysmbd is the better one.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import platform
import shutil
import sys
import tempfile
from pathlib import Path

from tests.bench import table
from tests.bench.rows import ROWS, Load, Row, Sample
from tests.servers import REPOSITORY, SERVERS, Server

_DOCUMENT = REPOSITORY / "docs" / "PERFORMANCE.md"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help="only these rows (see --list)")
    parser.add_argument("--list", action="store_true", help="print the names of the rows")
    parser.add_argument("--quick", action="store_true", help="small loads, one round: does it run at all?")
    parser.add_argument("--rounds", type=int, help="rounds per row (default: 3, quick: 1)")
    parser.add_argument("--server", choices=sorted(SERVERS), action="append", help="default: both")
    parser.add_argument("--directory", type=Path, help="where servers and files live (default: memory)")
    parser.add_argument("--write", action="store_true", help=f"write the table to {_DOCUMENT.name}")
    return parser.parse_args()


def _memory_directory() -> str | None:
    """A tmpfs that keeps user attributes, so that no disk is measured; None if there is none."""
    with contextlib.suppress(OSError), tempfile.NamedTemporaryFile(dir="/dev/shm") as probe:
        os.setxattr(probe.name, "user.probe", b"1")
        return "/dev/shm"
    return None


def _chosen(names: list[str]) -> list[Row]:
    known = {row.name for row in ROWS}
    if unknown := set(names) - known:
        sys.exit(f"no such row: {', '.join(sorted(unknown))}; there are {', '.join(sorted(known))}")
    return [row for row in ROWS if not names or row.name in names]


def _measure(row: Row, servers: list[Server], load: Load, rounds: int) -> dict[str, list[Sample]]:
    samples: dict[str, list[Sample]] = {server.name: [] for server in servers}
    failed: set[str] = set()
    for number in range(-1, rounds):
        for server in servers:
            if server.name in failed:
                continue
            try:
                if number < 0:
                    row.prepare(server, load)
                else:
                    samples[server.name].append(row.run(server, load))
            except (RuntimeError, OSError) as error:
                failed.add(server.name)
                sys.stderr.write(f"{row.name}: {server.name}: {error}\n{server.log_tail(10)}\n")
    return samples


def main() -> int:
    """Measure, print, write."""
    args = _arguments()
    if args.list:
        sys.stdout.write("".join(f"{row.name:18} {row.title} [{row.unit}]\n" for row in ROWS))
        return 0
    rows = _chosen(args.rows)
    missing = [tool for tool in ("smbclient", "smbtorture") if shutil.which(tool) is None]
    if missing:
        sys.exit(f"{', '.join(missing)} not installed (Debian: smbclient, samba-testsuite)")
    results: dict[Row, dict[str, list[Sample]]] = {}
    broken = False
    with contextlib.ExitStack() as stack:
        base = Path(stack.enter_context(tempfile.TemporaryDirectory(
            prefix="bench-", dir=args.directory or _memory_directory(),
        )))  # fmt: skip
        base.chmod(0o755)
        load = Load(2, 64, 1000, 30, base) if args.quick else Load(5, 1024, 10_000, 200, base)
        servers = []
        for name in args.server or ("pysmbd", "samba"):
            if why := SERVERS[name].unavailable():
                sys.stderr.write(f"without {name}: {why}\n")
                continue
            servers.append(stack.enter_context(SERVERS[name](base / name)))
        rounds = args.rounds or (1 if args.quick else 3)
        for row in rows:
            results[row] = _measure(row, servers, load, rounds)
            broken = broken or any(len(samples) < rounds for samples in results[row].values())
            sys.stdout.write(table.render({row: results[row]}).splitlines()[-1] + "\n")
            sys.stdout.flush()
    text = table.render(results)
    heading = (
        f"{table.today()}, {table.cpu_model()}, {os.cpu_count()} CPUs, Linux {platform.release()}, "
        f"CPython {platform.python_version()}; medians of {rounds} rounds, {load.mebibytes} MiB, "
        f"{load.files:,} files."
    )
    sys.stdout.write(f"\n{heading}\n\n{text}")
    if args.write:
        _DOCUMENT.write_text(table.insert(_DOCUMENT.read_text(), text, heading))
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
