"""The short version of ``python -m tests.model.objects``."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from tests.model.objects.__main__ import compare
from tests.model.objects.clients import Clients
from tests.servers import server_class

pytestmark = pytest.mark.slow


def test_the_server_does_what_the_model_does() -> None:
    kind = server_class("pysmbd")
    if why := kind.unavailable():
        pytest.skip(why)
    with tempfile.TemporaryDirectory(prefix="model-") as scratch:
        Path(scratch).chmod(0o755)
        with kind(Path(scratch) / "server") as server:
            clients = Clients(server)
            compare(clients, 40, seed=1, shrink=False)
            clients.close()
            assert clients.steps > 500
            assert "InternalError" not in "".join(server.logs().values())
