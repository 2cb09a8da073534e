"""The short version of ``python -m tests.model``: the server compared with the model, with and without kills."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.model.clients import Clients
from tests.model.compare import Comparison
from tests.model.steps import AckLease, Cancel, Close, Create, Rename
from tests.servers import Server, server_class
from vfs.constants import FILE_OPEN_IF, FILE_OVERWRITE_IF

pytestmark = pytest.mark.slow

ALL_DATA = 0x10003


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    kind = server_class("pysmbd")
    if why := kind.unavailable():
        pytest.skip(why)
    with tempfile.TemporaryDirectory(prefix="model-") as scratch, kind(Path(scratch) / "server") as running:
        Path(scratch).chmod(0o755)
        yield running
        logs = "".join(running.logs().values())
        assert "InternalError" not in logs
        assert "LockOrderError" not in logs


@pytest.fixture(scope="module")
def comparison(server) -> Iterator[Comparison]:
    clients = Clients(server)
    yield Comparison(clients)
    clients.close()


@pytest.mark.parametrize("seed", range(5))
def test_random_steps(comparison, seed):
    comparison.episode(seed, 300)


@pytest.mark.parametrize("seed", range(3))
def test_random_steps_and_kills(comparison, seed):
    comparison.episode(seed, 300, kill=True)


def check(comparison, *steps):
    difference = comparison.replay(steps)
    assert difference is None, f"\n{difference}"


def test_two_waiters_that_stay_blocked_come_to_rest(comparison):
    """They woke each other for ever once."""
    check(
        comparison,
        Create(1, 1, "f", 2, 7, FILE_OPEN_IF, False, 0xFF, 1, 7),
        Create(2, 0, "f", 3, 7, FILE_OPEN_IF),
        Create(3, 2, "f", ALL_DATA, 7, FILE_OVERWRITE_IF),
        Create(4, 3, "f", 1, 1, FILE_OPEN_IF),
        Cancel(5, 0, 2),
        Create(6, 0, "f", 0x80, 7, FILE_OPEN_IF),
        Close(7, 0, 6),
        AckLease(8, 1, 1, 3),
        AckLease(9, 1, 1, 1),
    )


def test_a_rename_waits_for_who_has_the_target_open_now(comparison):
    """It waited for the file that had the name when it was asked for."""
    check(
        comparison,
        Create(1, 0, "f", ALL_DATA, 7, FILE_OPEN_IF),
        Create(2, 1, "g", ALL_DATA, 7, FILE_OPEN_IF, False, 0xFF, 2, 7),
        Rename(3, 0, 1, "g", replace=True),
        Rename(4, 1, 2, "h", replace=True),
    )
