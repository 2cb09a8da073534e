"""What a worker has of its own while its client does nothing."""

from __future__ import annotations

import contextlib

import pytest

from tests import procstat
from tests.process.smbd_support import logged_in, running_server

pytestmark = pytest.mark.slow

#: Bytes; 4.8 MiB when this was written, 7.6 MiB without the rehearsal.
_MOST = 5.4 * 1024 * 1024


def test_an_idle_worker_shares_most_of_its_memory_with_the_others():
    with running_server() as server, contextlib.ExitStack() as stack:
        for _ in range(4):
            stack.enter_context(logged_in(server)).tree_connect("tmp")
        workers = server.worker_pids()
        assert len(workers) == 4
        assert max(procstat.memory(pid).uss for pid in workers) < _MOST
