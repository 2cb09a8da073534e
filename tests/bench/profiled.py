"""smbd whose workers write a profile when they end: ``python -m tests.bench.profiled DIRECTORY smbd's arguments``."""

from __future__ import annotations

import cProfile
import os
import sys
import time
from pathlib import Path

from smbd import parent
from smbd.__main__ import main

_run_worker = parent.run_worker
_directory = Path(sys.argv[1])


def _profiled(*args, **kwargs):
    profile = cProfile.Profile(time.thread_time)  # not what the processor did for others
    try:
        return profile.runcall(_run_worker, *args, **kwargs)
    finally:
        profile.dump_stats(_directory / f"{os.getpid()}.profile")


parent.run_worker = _profiled
if __name__ == "__main__":
    sys.exit(main(sys.argv[2:]))
