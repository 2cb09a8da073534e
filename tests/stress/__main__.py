"""``python -m tests.stress --clients 50 --seconds 60 [--server samba]``: many clients at one file and one directory.

Without ``--server`` both servers are measured, and the ratio is printed. Ends with exit code 1 if anything is wrong.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.servers import SERVERS, server_class
from tests.stress.run import Outcome, run


def main() -> int:
    """Run and report."""
    parser = argparse.ArgumentParser(prog="python -m tests.stress", description=__doc__)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--server", choices=sorted(SERVERS), action="append")
    args = parser.parse_args()
    outcomes: dict[str, Outcome] = {}
    for name in args.server or ("pysmbd", "samba"):
        kind = server_class(name)
        if why := kind.unavailable():
            sys.stdout.write(f"{name}: {why}\n")
            continue
        with tempfile.TemporaryDirectory(prefix="stress-") as scratch:
            Path(scratch).chmod(0o755)
            with kind(Path(scratch) / name) as server:
                outcome = outcomes[name] = run(server, args.clients, args.seconds)
        sys.stdout.write(outcome.line(name) + "\n")
        sys.stdout.write("".join(f"  PROBLEM {one}\n" for one in outcome.problems[:40]))
        sys.stdout.flush()
    if len(outcomes) == 2:
        ours, theirs = outcomes["pysmbd"].tally.requests, outcomes["samba"].tally.requests
        sys.stdout.write(f"pysmbd does {ours / max(theirs, 1):.2f} times what Samba does\n")
    return 1 if "pysmbd" in outcomes and outcomes["pysmbd"].problems else 0


if __name__ == "__main__":
    sys.exit(main())
