"""The suites in scope against the server, as one test."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.servers import REPOSITORY, server_class
from tests.torture import runner


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_suites_in_scope():
    why = runner.unavailable() or server_class().unavailable()
    if why:
        pytest.skip(why)
    run = subprocess.run(
        [sys.executable, "-m", "tests.torture", "--server", server_class().name],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
        timeout=1100,
    )
    assert run.returncode == 0, run.stdout[-8000:] + run.stderr
