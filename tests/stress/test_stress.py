"""The short version of ``python -m tests.stress``, and the check of what smbstatus says."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from tests.servers import server_class
from tests.stress.run import check_json, run


@pytest.mark.slow
def test_ten_clients_for_five_seconds():
    kind = server_class("pysmbd")
    if why := kind.unavailable():
        pytest.skip(why)
    with tempfile.TemporaryDirectory(prefix="stress-") as scratch, kind(Path(scratch) / "server") as server:
        Path(scratch).chmod(0o755)
        outcome = run(server, clients=10, seconds=5)
    assert outcome.problems == []
    assert outcome.tally.requests
    assert outcome.tally.breaks
    assert outcome.status_runs


def test_an_open_without_session_is_found():
    status = {
        "sessions": {"1": {"server_id": {"pid": "10"}}},
        "open_files": {"/a": {"opens": {"10/1": {"server_id": {"pid": "10"}}, "11/2": {"server_id": {"pid": "11"}}}}},
    }
    assert len(check_json(status)) == 1
