"""The smbprotocol client library, signed and encrypted."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from types import ModuleType
from typing import NamedTuple

import pytest

from tests.interop.load import FULL, digest, digests

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800 if FULL else 120),
    pytest.mark.filterwarnings("ignore"),  # the library's own deprecations
]

_HOST = "127.0.0.1"
_ROOT = rf"\\{_HOST}\tmp"


class Client(NamedTuple):
    """The library's os-like module and the keywords that every call of it wants."""

    os: ModuleType
    where: dict[str, object]


@pytest.fixture(params=[False, True], ids=["signed", "encrypted"])
def client(interop_server, request) -> Iterator[Client]:
    smbclient = pytest.importorskip("smbclient")
    where = {"port": interop_server.port, "connection_cache": {}}
    smbclient.register_session(
        _HOST, username=interop_server.user, password=interop_server.password, encrypt=request.param, **where
    )
    yield Client(smbclient, where)
    smbclient.reset_connection_cache(connection_cache=where["connection_cache"])


def test_round_trip(client, empty_share, load, tmp_path):
    with load.big.open("rb") as source, client.os.open_file(rf"{_ROOT}\big", "wb", **client.where) as target:
        shutil.copyfileobj(source, target, 1 << 20)
    assert digest(empty_share / "big") == digest(load.big)
    with client.os.open_file(rf"{_ROOT}\big", "rb", **client.where) as source:
        with (tmp_path / "back").open("wb") as target:
            shutil.copyfileobj(source, target, 1 << 20)
    assert digest(tmp_path / "back") == digest(load.big)


def test_tree(client, empty_share, load):
    for path in sorted(load.tree.rglob("*")):
        name = rf"{_ROOT}\{path.relative_to(load.tree)}".replace("/", "\\")
        if path.is_dir():
            client.os.mkdir(name, **client.where)
        else:
            with client.os.open_file(name, "wb", **client.where) as target:
                target.write(path.read_bytes())
    assert digests(empty_share) == digests(load.tree)
    found = {
        rf"{folder}\{file}".removeprefix(_ROOT + "\\").replace("\\", "/")
        for folder, _, files in client.os.walk(_ROOT, **client.where)
        for file in files
    }
    assert found == set(digests(load.tree))


def test_names_and_attributes(client, empty_share):
    client.os.mkdir(rf"{_ROOT}\dir", **client.where)
    with client.os.open_file(rf"{_ROOT}\dir\a", "w", **client.where) as target:
        target.write("hello")
    client.os.rename(rf"{_ROOT}\dir\a", rf"{_ROOT}\dir\b", **client.where)
    assert client.os.stat(rf"{_ROOT}\DIR\B", **client.where).st_size == 5
    client.os.utime(rf"{_ROOT}\dir\b", times=(1_000_000_000, 1_200_000_000), **client.where)
    assert (empty_share / "dir" / "b").stat().st_mtime == 1_200_000_000
    assert [entry.name for entry in client.os.scandir(rf"{_ROOT}\dir", **client.where)] == ["b"]
    client.os.remove(rf"{_ROOT}\dir\b", **client.where)
    client.os.rmdir(rf"{_ROOT}\dir", **client.where)
    assert list(empty_share.iterdir()) == []


def test_missing_file(client, empty_share):
    with pytest.raises(OSError, match="No such file"):
        client.os.open_file(rf"{_ROOT}\missing", "rb", **client.where)
