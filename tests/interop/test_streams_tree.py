"""A tree with named streams moves between Samba and pysmbd: each reads what the other wrote."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import PysmbdServer, SambaServer, Server

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("smbclient") is None, reason="smbclient is not installed"),
]

SMALL = bytes(range(256)) * 2
LARGE = os.urandom(1 << 20)


@pytest.fixture
def tree() -> Iterator[Path]:
    for kind in (SambaServer, PysmbdServer):
        if why := kind.unavailable():
            pytest.skip(why)
    with tempfile.TemporaryDirectory(prefix="streams-") as scratch:
        Path(scratch).chmod(0o755)
        share = Path(scratch) / "tree"
        share.mkdir()
        share.chmod(0o777)
        yield share


def serve(kind: type[Server], tree: Path) -> Server:
    # Without acl_xattr: the accounts of two servers have different SIDs.
    return kind(
        Path(tempfile.mkdtemp(dir=tree.parent)) / "server",
        shares={"tmp": {"path": str(tree), "read only": "no"}},
        options={"vfs objects": "streams_xattr"},
    )


def run(server: Server, script: str) -> str:
    command = ["smbclient", "//127.0.0.1/tmp", "-p", str(server.port), "-U", server.credentials, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    assert "NT_STATUS" not in done.stdout + done.stderr, done.stdout + done.stderr
    return done.stdout


def put(server: Server, data: bytes, name: str) -> None:
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        run(server, f'put {file.name} "{name}"')


def get(server: Server, name: str) -> bytes:
    with tempfile.TemporaryDirectory() as scratch:
        run(server, f'get "{name}" {scratch}/back')
        return (Path(scratch) / "back").read_bytes()


def streams(server: Server, name: str) -> set[str]:
    return {line for line in run(server, f'allinfo "{name}"').splitlines() if line.startswith("stream:")}


@pytest.mark.parametrize("kinds", [(SambaServer, PysmbdServer), (PysmbdServer, SambaServer)])
def test_streams_of_one_server_at_the_other(tree: Path, kinds: tuple[type[Server], type[Server]]) -> None:
    first, second = kinds
    names = ("file:Zone.Identifier", "file:Gr\u00fcn", "dir:on a directory")
    with serve(first, tree) as server:
        run(server, "mkdir dir")
        put(server, b"base", "file")
        for name in names:
            put(server, SMALL, name)
        put(server, b"", "file:empty")
        listed = streams(server, "file"), streams(server, "dir")
    with serve(second, tree) as server:
        assert (streams(server, "file"), streams(server, "dir")) == listed
        for name in names:
            assert get(server, name.swapcase()) == SMALL
            put(server, SMALL[:100], name)
        put(server, b"full", "file:empty")
    with serve(first, tree) as server:
        assert [get(server, name) for name in names] == [SMALL[:100]] * len(names)
        assert get(server, "file") == b"base"
        assert "stream: [:empty:$DATA], 4 bytes" in streams(server, "file")


def test_large_streams(tree: Path) -> None:
    with serve(PysmbdServer, tree) as server:
        put(server, LARGE, "file:large")
        assert get(server, "file:large") == LARGE
        assert ".pysmbd.streams" not in run(server, "ls")
        run(server, "rm file")
        assert list((tree / ".pysmbd.streams").iterdir()) == []
