"""``python -m tests.model --steps 50000 [--seed N] [--kill]``: the server compared with the model, step by step.

Ends with exit code 1 and the shortest sequence of steps found if they differ.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from tests.model.clients import Clients
from tests.model.compare import Comparison, Difference
from tests.servers import Server, server_class

_CONTEXT: Final = 25


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.model", description=__doc__)
    parser.add_argument("--steps", type=int, default=50000)
    parser.add_argument("--episode", type=int, default=300, help="steps until everything is closed (default: 300)")
    parser.add_argument("--seed", type=int, default=None, help="of the first episode (default: random)")
    parser.add_argument("--kill", action="store_true", help="kill workers now and then")
    parser.add_argument("--keep-going", action="store_true", help="report differences and go on")
    parser.add_argument("--shrink", type=float, default=60, help="seconds to look for a shorter sequence")
    return parser.parse_args()


def _run(args: argparse.Namespace, server: Server, seed: int) -> int:
    clients = Clients(server)
    comparison = Comparison(clients)
    differences = 0
    began = time.monotonic()
    while comparison.steps_done < args.steps:
        try:
            comparison.episode(seed, min(args.episode, args.steps - comparison.steps_done), kill=args.kill)
        except Difference as found:
            differences += 1
            sys.stdout.write(f"difference with --seed {seed} after {len(found.done)} steps\n{found.what()}\n")
            shortest = comparison.shrink(found, args.shrink)
            sys.stdout.write(f"{shortest}\n")
            sys.stdout.flush()
            if not args.keep_going:
                break
        seed += 1
    seconds = time.monotonic() - began
    clients.close()
    sys.stdout.write(f"{comparison.steps_done} steps in {seconds:.0f} s, {differences} differences\n")
    return differences


def main() -> int:
    """Run and report."""
    args = _arguments()
    seed = random.randrange(1 << 30) if args.seed is None else args.seed
    sys.stdout.write(f"seed {seed}\n")
    sys.stdout.flush()
    with tempfile.TemporaryDirectory(prefix="model-") as scratch:
        Path(scratch).chmod(0o755)
        with server_class("pysmbd")(Path(scratch) / "server") as server:
            differences = _run(args, server, seed)
            errors = [entry for text in server.logs().values() for entry in _errors(text)]
    for entry in errors[:5]:
        sys.stdout.write(f"log: {entry}\n")
    return 1 if differences or errors else 0


def _errors(log: str) -> list[str]:
    """What was logged of errors that must not be, with the lines that follow."""
    lines = log.splitlines()
    return [
        "\n     ".join(lines[at : at + _CONTEXT])
        for at, line in enumerate(lines)
        if any(word in line for word in ("InternalError", "LockOrderError"))
    ]


if __name__ == "__main__":
    sys.exit(main())
