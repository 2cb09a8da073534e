"""One server for all interoperability tests of a run."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.load import Load
from tests.servers import Server, server_class


@pytest.fixture(scope="session")
def interop_server() -> Iterator[Server]:
    """A server with a plain share and one that demands encryption."""
    kind = server_class()
    if why := kind.unavailable():
        pytest.skip(why)
    # Not pytest's own directory: the unix user of a client must be able to walk into it.
    with tempfile.TemporaryDirectory(prefix="interop-") as scratch:
        Path(scratch).chmod(0o755)
        shares = {
            "tmp": {"read only": "no", "comment": "scratch space"},
            "sealed": {"read only": "no", "smb encrypt": "required"},
            "readonly": {"read only": "yes", "path": "DIR/tmp"},
        }
        with kind(Path(scratch) / "server", shares=shares) as server:
            yield server


@pytest.fixture
def empty_share(interop_server: Server) -> Path:
    """The directory behind the share ``tmp``, emptied."""
    path = interop_server.share_path("tmp")
    for entry in path.iterdir():
        if entry.is_dir():
            shutil.rmtree(entry)
        else:
            entry.unlink()
    return path


@pytest.fixture(scope="session")
def load() -> Iterator[Load]:
    """The files that go up and come back."""
    with tempfile.TemporaryDirectory(prefix="interop-load-") as scratch:
        yield Load.make(Path(scratch))


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A directory that is gone after the test, unlike pytest's own: what comes back may be large."""
    with tempfile.TemporaryDirectory(prefix="interop-back-") as scratch:
        yield Path(scratch)
