"""``scripts/bench profile ROW``: which functions of pysmbd a row spends its time in."""

from __future__ import annotations

import pstats
import sys
from pathlib import Path

from tests.bench.lab import Lab, Load
from tests.bench.operations import Operation
from tests.bench.row import Row
from tests.servers import REPOSITORY, PysmbdServer

_SHOWN = 45


class ProfiledServer(PysmbdServer):
    """A server whose workers leave their profiles in its directory."""

    @property
    def profiles(self) -> Path:
        """Where they are; a worker writes as the user it served last."""
        path = self.directory / "profiles"
        path.mkdir(exist_ok=True)
        path.chmod(0o777)
        return path

    def _server_command(self) -> list[str]:
        path = f"PYTHONPATH={REPOSITORY}"
        python = ["/usr/bin/env", path, sys.executable, "-m", "tests.bench.profiled", str(self.profiles)]
        return [*python, "-F", "-s", str(self.conf_path)]


def profile(row: Row, server: ProfiledServer, load: Load) -> None:
    """Run a row on a profiled server and print where the time went.

    The profiler costs more than most functions: read the order, and the number of calls, not the seconds.
    """
    lab = Lab(server, load)
    if isinstance(row, Operation):
        row.narrow()
    row.prepare(lab)
    row.run(lab)
    row.finish(lab)
    lab.wait_idle()
    stats = pstats.Stats(*map(str, server.profiles.glob("*.profile")))
    stats.strip_dirs().sort_stats("tottime").print_stats(_SHOWN)
