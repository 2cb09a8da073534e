"""A short fuzz run, the same one every time."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import pytest

from tests.fuzz.__main__ import FILE_SIZE_LIMIT, OPTIONS
from tests.fuzz.fuzzer import Fuzzer, summary
from tests.servers import server_class


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_damaged_requests_do_no_harm():
    kind = server_class()
    if why := kind.unavailable():
        pytest.skip(why)
    with tempfile.TemporaryDirectory(prefix="fuzz-") as scratch:
        Path(scratch).chmod(0o755)
        with kind(Path(scratch) / "server", options=OPTIONS, file_size_limit=FILE_SIZE_LIMIT) as server:
            began = time.monotonic()
            fuzzer = Fuzzer(server, seed=1)
            fuzzer.run(5000)
            sys.stdout.write(summary(fuzzer, began))
