"""``python -m tests.fuzz [--requests N] [--seed S]``: damaged requests against a server of our own."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

from tests.fuzz.fuzzer import Fuzzer, HealthError, summary
from tests.servers import server_class

#: No damaged request may fill the disk; the logs rotate long before.
FILE_SIZE_LIMIT = 32 << 20
OPTIONS = {"max log size": "15000"}


def main() -> int:
    """Run and report."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--requests", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().getrandbits(32))
    parser.add_argument("--server", choices=("pysmbd", "samba"), default="pysmbd")
    args = parser.parse_args()
    if why := server_class(args.server).unavailable():
        sys.stdout.write(f"{why}\n")
        return 77
    sys.stdout.write(f"seed {args.seed}\n")
    sys.stdout.flush()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="fuzz-") as scratch:
        Path(scratch).chmod(0o755)
        server = server_class(args.server)(
            Path(scratch) / "server", options=OPTIONS, file_size_limit=FILE_SIZE_LIMIT
        )
        server.start()
        fuzzer = Fuzzer(server, args.seed)
        try:
            fuzzer.run(args.requests)
        except HealthError as error:
            sys.stdout.write(f"{summary(fuzzer, began)}\nFAILED: {error}\n")
            return 1
        finally:
            server.stop()
    sys.stdout.write(f"{summary(fuzzer, began)}\nall processes alive, memory flat, no unexpected traceback\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
