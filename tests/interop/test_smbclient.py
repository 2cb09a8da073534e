"""Samba's smbclient over every dialect, signed and encrypted."""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import NamedTuple

import pytest

from tests.interop.load import FULL, digest, digests
from tests.servers import Server

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800 if FULL else 120),
    pytest.mark.skipif(shutil.which("smbclient") is None, reason="smbclient is not installed"),
]


class Way(NamedTuple):
    dialect: str
    protection: str


WAYS = [
    Way("SMB2_02", "off"),
    Way("SMB2_10", "off"),
    Way("SMB3_00", "off"),
    Way("SMB3_02", "off"),
    Way("SMB3_11", "off"),
    Way("SMB2_02", "sign"),
    Way("SMB2_10", "sign"),
    Way("SMB3_00", "sign"),
    Way("SMB3_11", "sign"),
    Way("SMB3_00", "encrypt"),
    Way("SMB3_11", "encrypt"),
]
MODERN = Way("SMB3_11", "off")


def arguments(server: Server, way: Way = MODERN, *, share: str = "tmp", user: str | None = None) -> list[str]:
    account = user or server.user
    return [
        "smbclient",
        f"//127.0.0.1/{share}",
        "-p",
        str(server.port),
        "-U",
        f"{account}%{server.users.get(account, 'wrong')}",
        f"--option=client min protocol={way.dialect}",
        f"--option=client max protocol={way.dialect}",
        f"--client-protection={way.protection}",
    ]


def run(command: list[str], script: str = "") -> str:
    done = subprocess.run(
        [*command, *(["-c", script] if script else [])],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        timeout=1700,
    )
    return f"{done.stdout}{done.stderr}[exit {done.returncode}]"


def ok(command: list[str], script: str = "") -> str:
    output = run(command, script)
    assert output.endswith("[exit 0]"), output
    assert "NT_STATUS_" not in output, output
    return output


@pytest.mark.parametrize("way", WAYS, ids="-".join)
def test_big_file_goes_up_and_comes_back(interop_server, empty_share, load, tmp_path, way):
    ok(arguments(interop_server, way), f"put {load.big} big.bin; get big.bin {tmp_path}/back.bin")
    assert digest(empty_share / "big.bin") == digest(load.big)
    assert digest(tmp_path / "back.bin") == digest(load.big)
    (tmp_path / "back.bin").unlink()


@pytest.mark.parametrize("way", WAYS, ids="-".join)
def test_tree_goes_up_and_comes_back(interop_server, empty_share, load, tmp_path, way):
    client = arguments(interop_server, way)
    ok(client, f"recurse; prompt; mkdir up; cd up; lcd {load.tree}; mput *")
    assert digests(empty_share / "up") == digests(load.tree)
    ok(client, f"recurse; prompt; cd up; lcd {tmp_path}; mget *")
    assert digests(tmp_path) == digests(load.tree)
    ok(client, "deltree up")
    assert list(empty_share.iterdir()) == []


@pytest.mark.parametrize("way", WAYS, ids="-".join)
def test_everyday_commands(interop_server, empty_share, load, way):
    (empty_share.parent / "small.txt").write_bytes(b"hello")
    source = empty_share.parent / "small.txt"
    client = arguments(interop_server, way)
    listing = ok(
        client,
        f"mkdir dir; put {source} dir\\a.txt; rename dir\\a.txt dir\\B.txt; ls dir\\*; "
        "allinfo dir\\B.txt; du; volume",
    )
    assert re.search(r"^  B\.txt +A +5 ", listing, re.MULTILINE), listing
    assert (empty_share / "dir" / "B.txt").read_bytes() == b"hello"
    ok(client, "del dir\\b.TXT; rmdir dir")
    assert list(empty_share.iterdir()) == []


def test_names_are_found_in_any_case(interop_server, empty_share):
    (empty_share / "MiXeD").mkdir(mode=0o777)
    (empty_share / "MiXeD" / "ReadMe.TXT").write_bytes(b"text")
    listing = ok(arguments(interop_server), "ls mixed\\readme.txt")
    assert "ReadMe.TXT" in listing


def test_attributes_can_be_set(interop_server, empty_share):
    source = empty_share.parent / "small.txt"
    source.write_bytes(b"hello")
    client = arguments(interop_server)
    listing = ok(client, f"put {source} a.txt; setmode a.txt +rh; ls")
    assert re.search(r"^  a\.txt +AHR +5 ", listing, re.MULTILINE), listing
    ok(client, "setmode a.txt -rh; del a.txt")


def test_appending_and_truncating(interop_server, empty_share):
    source = empty_share.parent / "small.txt"
    source.write_bytes(b"x" * 100_000)
    client = arguments(interop_server)
    ok(client, f"put {source} a.txt")
    source.write_bytes(b"short")
    ok(client, f"put {source} a.txt")
    assert (empty_share / "a.txt").read_bytes() == b"short"


def test_hardlink(interop_server, empty_share):
    source = empty_share.parent / "small.txt"
    source.write_bytes(b"hello")
    ok(arguments(interop_server), f"put {source} a.txt; hardlink a.txt b.txt")
    assert (empty_share / "b.txt").stat().st_nlink == 2


def test_listing_of_shares(interop_server):
    command = arguments(interop_server)
    output = ok(["smbclient", "-L", "127.0.0.1", *command[2:]])
    assert re.search(r"tmp +Disk +scratch space", output), output
    assert re.search(r"IPC\$ +IPC", output), output


def test_share_that_demands_encryption(interop_server, load):
    source = load.big
    ok(arguments(interop_server, Way("SMB3_11", "encrypt"), share="sealed"), f"put {source} x; del x")
    old = arguments(interop_server, Way("SMB2_10", "off"), share="sealed")
    assert "NT_STATUS_ACCESS_DENIED" in run(old, "ls")


def test_read_only_share(interop_server, empty_share, load):
    (empty_share / "there").write_bytes(b"x")
    client = arguments(interop_server, share="readonly")
    ok(client, "get there /dev/null")
    for script in (f"put {load.big} new", "del there", "mkdir new", "rename there gone"):
        assert "NT_STATUS_" in run(client, script), script
    assert [entry.name for entry in empty_share.iterdir()] == ["there"]


def test_wrong_password(interop_server):
    command = arguments(interop_server)
    command[command.index("-U") + 1] = f"{interop_server.user}%wrong"
    assert "NT_STATUS_LOGON_FAILURE" in run(command, "ls")


def test_unknown_share(interop_server):
    assert "NT_STATUS_BAD_NETWORK_NAME" in run(arguments(interop_server, share="nonsense"), "ls")


def test_two_clients_at_once(interop_server, empty_share, load, tmp_path):
    users = list(interop_server.users)[:2]
    if len(users) < 2:
        pytest.skip("there is only one account")
    processes = []
    for user in users:
        (tmp_path / user).mkdir()
        script = (
            f"mkdir {user}; cd {user}; put {load.big} big; recurse; prompt; lcd {load.tree}; mput *; "
            f"lcd {tmp_path}/{user}; mget *"
        )
        processes.append(
            subprocess.Popen(
                [*arguments(interop_server, user=user), "-c", script],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
        )
    expected = {**digests(load.tree), "big": digest(load.big)}
    for user, process in zip(users, processes, strict=True):
        output, _ = process.communicate(timeout=1700)
        assert process.returncode == 0, output.decode()
        assert digests(empty_share / user) == expected
        assert digests(tmp_path / user) == expected
        assert {path.owner() for path in (empty_share / user).iterdir()} == {user}
