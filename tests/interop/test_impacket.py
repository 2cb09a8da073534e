"""The impacket client, which implements the protocol by itself."""

from __future__ import annotations

import io

import pytest

from tests.interop.load import FULL, digest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800 if FULL else 120),
    pytest.mark.filterwarnings("ignore"),  # the library's own deprecations
]


@pytest.fixture(params=[0x0202, 0x0210, 0x0300, 0x0311], ids=["2.0.2", "2.1", "3.0", "3.1.1"])
def client(interop_server, request):
    smbconnection = pytest.importorskip("impacket.smbconnection")
    connection = smbconnection.SMBConnection(
        "127.0.0.1", "127.0.0.1", sess_port=interop_server.port, preferredDialect=request.param
    )
    connection.login(interop_server.user, interop_server.password)
    yield connection
    connection.close()


def test_round_trip(client, empty_share, load, tmp_path):
    with load.big.open("rb") as source:
        client.putFile("tmp", "big.bin", source.read)
    assert digest(empty_share / "big.bin") == digest(load.big)
    with (tmp_path / "back").open("wb") as target:
        client.getFile("tmp", "BIG.bin", target.write)
    assert digest(tmp_path / "back") == digest(load.big)


def test_directories(client, empty_share):
    client.createDirectory("tmp", "dir")
    client.putFile("tmp", r"dir\a", io.BytesIO(b"hello").read)
    client.rename("tmp", r"dir\a", r"dir\b")
    assert {entry.get_longname() for entry in client.listPath("tmp", r"dir\*")} == {".", "..", "b"}
    (entry,) = client.listPath("tmp", r"dir\b")
    assert entry.get_filesize() == 5
    client.deleteFile("tmp", r"dir\b")
    client.deleteDirectory("tmp", "dir")
    assert list(empty_share.iterdir()) == []


def test_listing_of_shares(client):
    names = {share["shi1_netname"].rstrip("\0") for share in client.listShares()}
    assert {"tmp", "sealed", "IPC$"} <= names


def test_logoff_ends_the_session(client):
    client.logoff()
    with pytest.raises(Exception, match=r"STATUS_|closed|reset|Broken|reading from remote"):
        client.listPath("tmp", "*")
