"""``python -m tests.model.objects --steps 100000 [--seed N]``: a server compared with the model of [MS-FSA].

Ends with exit code 1 and the shortest sequence of operations found if they differ.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

import hypothesis
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.model.objects.clients import Clients
from tests.model.objects.machine import CLIENTS, ObjectStoreMachine
from tests.servers import server_class

_STEPS_OF_A_RUN: Final = 40
_RUNS: Final = 200


def compare(clients: Clients, runs: int, seed: int, *, shrink: bool = True) -> None:
    """Do `runs` sequences of operations; with `shrink` look for the shortest that shows a difference.

    Raises:
        AssertionError: server and model differ.
    """
    machine = type("Machine", (ObjectStoreMachine,), {"clients": clients})
    hypothesis.seed(seed)(machine)
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=runs,
            stateful_step_count=_STEPS_OF_A_RUN,
            deadline=None,
            database=None,
            phases=(Phase.generate, *([Phase.shrink] if shrink else [])),
            suppress_health_check=list(HealthCheck),
            report_multiple_bugs=False,
            print_blob=False,
        ),
    )


def main() -> int:
    """Run and report."""
    parser = argparse.ArgumentParser(prog="python -m tests.model.objects", description=__doc__)
    parser.add_argument("--steps", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=None, help="of the first runs (default: random)")
    parser.add_argument("--server", default="pysmbd", help="pysmbd or samba")
    parser.add_argument("--no-shrink", dest="shrink", action="store_false", help="show a difference as it was found")
    args = parser.parse_args()
    seed = random.randrange(1 << 30) if args.seed is None else args.seed
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="model-") as scratch:
        Path(scratch).chmod(0o755)
        with server_class(args.server)(Path(scratch) / "server") as server:
            clients = Clients(server, CLIENTS)
            while clients.steps < args.steps:
                sys.stdout.write(f"seed {seed}: {clients.steps} steps so far\n")
                sys.stdout.flush()
                try:
                    compare(clients, _RUNS, seed, shrink=args.shrink)
                except AssertionError:
                    sys.stdout.write(f"difference with --seed {seed}\n")
                    raise
                seed += 1
            clients.close()
            errors = [line for text in server.logs().values() for line in text.splitlines() if "InternalError" in line]
    sys.stdout.write(f"{clients.steps} steps in {time.monotonic() - began:.0f} s, no difference\n")
    sys.stdout.write("".join(f"log: {line}\n" for line in errors[:5]))
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
