"""What smb.conf says about shares, users and hosts, seen by clients of a server of its own."""

import os
import tempfile
from pathlib import Path

import pytest

from smbd.wire.constants import (
    SMB2_CREATE,
    SMB2_DIALECT_202,
    SMB2_DIALECT_210,
    SMB2_DIALECT_302,
    SMB2_DIALECT_311,
    SMB2_NEGOTIATE,
    SMB2_PREAUTH_INTEGRITY_CAPABILITIES,
)
from smbd.wire.create import CreateRequest
from smbd.wire.negotiate import NegotiateRequest
from smbd.wire.negotiate_contexts import NegotiateContext, PreauthIntegrityCapabilities
from tests.servers import ALICE, PASSWORD, server_class, unix_user_exists
from tests.smbxcli import Connection, Offer, Protection, Session, StatusError, Transport
from vfs.access import FILE_READ_ATTRIBUTES
from vfs.constants import FILE_ATTRIBUTE_HIDDEN, FILE_CREATE, FileBasicInformation
from vfs.ntstatus import (
    STATUS_ACCESS_DENIED,
    STATUS_BAD_NETWORK_NAME,
    STATUS_INSUFFICIENT_RESOURCES,
    STATUS_LOGON_FAILURE,
    STATUS_NOT_SUPPORTED,
    STATUS_OBJECT_NAME_NOT_FOUND,
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs several unix users"),
    pytest.mark.skipif(not unix_user_exists(ALICE), reason="needs the unix user alice"),
]
PREAUTH = [NegotiateContext(SMB2_PREAUTH_INTEGRITY_CAPABILITIES, PreauthIntegrityCapabilities([1]).pack())]
ROOT = "root"
GUEST = "nobody"


@pytest.fixture(scope="module")
def scratch():
    with tempfile.TemporaryDirectory(prefix="share-parameters-") as directory:
        Path(directory).chmod(0o755)  # other users have to get through
        yield Path(directory)


@pytest.fixture(scope="module")
def server(scratch):
    kind = server_class()
    if kind.name != "pysmbd":
        pytest.skip("pysmbd's own parameters")
    outside = scratch / "outside"
    outside.mkdir()
    (outside / "secret").write_text("secret")
    rw = {"read only": "no"}
    shares = {
        "plain": rw,
        "alices": {**rw, "valid users": ALICE},
        "grouped": {**rw, "valid users": f"@{ALICE}"},
        "notalice": {**rw, "invalid users": ALICE},
        "readers": {**rw, "read list": ALICE},
        "writers": {"read only": "yes", "write list": ALICE},
        "admins": {**rw, "admin users": ALICE},
        "forced": {**rw, "force user": GUEST},
        "denied": {**rw, "hosts deny": "127.0.0.1"},
        "allowed": {**rw, "hosts allow": "127.0.0.0/8", "hosts deny": "ALL"},
        "guests": {**rw, "guest ok": "yes"},
        "gone": {**rw, "available": "no"},
        "single": {**rw, "max connections": "1"},
        "sealed": {**rw, "smb encrypt": "required"},
        "masked": {**rw, "create mask": "0640", "force create mode": "0040", "directory mask": "0750"},
        "vetoed": {**rw, "veto files": "/*.exe/secret*/", "hide files": "/*.tmp/", "hide dot files": "yes"},
        "links": rw,
        "wide": {**rw, "wide links": "yes"},
        "nolinks": {**rw, "follow symlinks": "no"},
        "sensitive": {**rw, "case sensitive": "yes"},
        "perhost": {**rw, "path": "DIR/%I-%U"},
    }
    users = {ALICE: PASSWORD, ROOT: PASSWORD}
    mapping = scratch / "users.map"
    mapping.write_text(f"{ALICE} = boss\n")
    options = {
        "map to guest": "bad user",
        "guest account": GUEST,
        "username map": str(mapping),
        "server min protocol": "SMB2_10",
        "server max protocol": "SMB3_02",
    }
    running = kind(scratch / "server", shares=shares, users=users, options=options)
    with running:
        for name in ("links", "wide", "nolinks"):
            root = running.share_path(name)
            (root / "inside").write_text("inside")
            (root / "good").symlink_to("inside")
            (root / "bad").symlink_to(outside)
        yield running
        running.check_alive()


@pytest.fixture
def login(server):
    opened = []

    def make(user=ALICE, password=PASSWORD, **offer):
        connection = Connection.open("127.0.0.1", server.port, Offer(**offer))
        opened.append(connection)
        return Session.login(connection, user, password)

    yield make
    for connection in opened:
        connection.close()


def refusal(session, share):
    with pytest.raises(StatusError) as caught:
        session.tree_connect(share)
    return caught.value.status


def writable(tree):
    try:
        tree.put("probe", b"x")
        tree.delete("probe")
    except StatusError as error:
        return error.status
    return True


@pytest.mark.parametrize(
    ("user", "share", "status"),
    [
        (ALICE, "alices", None),
        (ROOT, "alices", STATUS_ACCESS_DENIED),
        (ALICE, "grouped", None),
        (ROOT, "grouped", STATUS_ACCESS_DENIED),
        (ALICE, "notalice", STATUS_ACCESS_DENIED),
        (ROOT, "notalice", None),
        (ALICE, "denied", STATUS_ACCESS_DENIED),
        (ALICE, "allowed", None),
        (ALICE, "gone", STATUS_BAD_NETWORK_NAME),
        (ALICE, "nowhere", STATUS_BAD_NETWORK_NAME),
    ],
)
def test_who_may_connect(login, user, share, status):
    session = login(user)
    if status is None:
        session.tree_connect(share)
    else:
        assert refusal(session, share) == status


def test_who_may_write(login):
    assert writable(login().tree_connect("plain")) is True
    assert writable(login().tree_connect("readers")) == STATUS_ACCESS_DENIED
    assert writable(login(ROOT).tree_connect("readers")) is True
    assert writable(login().tree_connect("writers")) is True
    assert writable(login(ROOT).tree_connect("writers")) == STATUS_ACCESS_DENIED


@pytest.mark.parametrize(("share", "writer", "reader"), [("readers", ROOT, ALICE), ("writers", ALICE, ROOT)])
def test_who_may_write_after_another_authentication(login, share, writer, reader):
    """The user of today counts, and what is open stays as it was opened."""
    session = login(writer)
    tree = session.tree_connect(share)
    with tree.create("kept", disposition=FILE_CREATE) as kept:
        session.authenticate(reader, PASSWORD)
        assert writable(tree) == STATUS_ACCESS_DENIED
        assert kept.write(b"still") == 5
        session.authenticate(writer, PASSWORD)
        assert writable(tree) is True
    tree.delete("kept")
    session = login(reader)
    tree = session.tree_connect(share)
    assert writable(tree) == STATUS_ACCESS_DENIED
    session.authenticate(writer, PASSWORD)
    assert writable(tree) is True


def owner_of_new_file(server, session, share):
    session.tree_connect(share).put("owned", b"x")
    path = server.share_path(share) / "owned"
    owner = path.owner()
    path.unlink()
    return owner


def test_as_whom_files_are_made(server, login):
    assert owner_of_new_file(server, login(), "plain") == ALICE
    assert owner_of_new_file(server, login(), "forced") == GUEST
    assert owner_of_new_file(server, login(), "admins") == ROOT


def test_an_unknown_user_is_a_guest_and_a_wrong_password_is_refused(server, login):
    stranger = login("stranger", "whatever")
    assert owner_of_new_file(server, stranger, "guests") == GUEST
    assert refusal(stranger, "plain") == STATUS_ACCESS_DENIED
    with pytest.raises(StatusError) as caught:
        login(ALICE, "wrong")
    assert caught.value.status == STATUS_LOGON_FAILURE


def test_the_username_map_renames(server, login):
    assert owner_of_new_file(server, login("boss"), "plain") == ALICE


def test_a_full_share_takes_nobody_else(login):
    first = login()
    tree = first.tree_connect("single")
    assert refusal(login(), "single") == STATUS_INSUFFICIENT_RESOURCES
    tree.disconnect()
    login().tree_connect("single")


def test_a_share_that_demands_encryption(login):
    session = login()
    tree = session.tree_connect("sealed")
    body = CreateRequest("x", desired_access=FILE_READ_ATTRIBUTES)
    assert tree.send(SMB2_CREATE, body, protection=Protection.SIGN).recv().status == STATUS_ACCESS_DENIED
    assert refusal(login(dialects=[SMB2_DIALECT_210]), "sealed") == STATUS_ACCESS_DENIED


def test_the_dialects_of_the_configuration(server):
    agreed = Connection.open("127.0.0.1", server.port, Offer())
    assert agreed.agreement.dialect == SMB2_DIALECT_302
    agreed.close()
    for dialect in (SMB2_DIALECT_202, SMB2_DIALECT_311):
        with Connection(Transport.connect("127.0.0.1", server.port)) as raw:
            answer = raw.send(
                SMB2_NEGOTIATE, NegotiateRequest([dialect], client_guid=bytes(range(16)), contexts=PREAUTH)
            )
            assert answer.recv().status == STATUS_NOT_SUPPORTED


def test_masks(server, login):
    tree = login().tree_connect("masked")
    tree.put("file", b"x")
    tree.mkdir("directory")
    root = server.share_path("masked")
    assert (root / "file").stat().st_mode & 0o777 == 0o640
    assert (root / "directory").stat().st_mode & 0o777 == 0o750


def test_veto_and_hide(server, login):
    root = server.share_path("vetoed")
    for name in ("virus.exe", "SECRET.txt", "x.tmp", ".dot", "open"):
        (root / name).write_text("x")
        (root / name).chmod(0o666)
    tree = login().tree_connect("vetoed")
    with tree.create("", options=1) as directory:
        assert set(directory.names()) - {".", ".."} == {"x.tmp", ".dot", "open"}
    with pytest.raises(StatusError) as caught:
        tree.create("virus.exe")
    assert caught.value.status == STATUS_OBJECT_NAME_NOT_FOUND
    with pytest.raises(StatusError):
        tree.create("new.exe", disposition=FILE_CREATE)
    for name, hidden in (("x.tmp", True), (".dot", True), ("open", False)):
        with tree.create(name, access=FILE_READ_ATTRIBUTES) as file:
            attributes = int.from_bytes(file.query_info(FileBasicInformation)[32:36], "little")
            assert bool(attributes & FILE_ATTRIBUTE_HIDDEN) == hidden


def test_symbolic_links(login):
    session = login()
    assert session.tree_connect("links").get("good") == b"inside"
    with pytest.raises(StatusError):
        session.tree_connect("links").get("bad\\secret")
    assert session.tree_connect("wide").get("bad\\secret") == b"secret"
    with pytest.raises(StatusError):
        session.tree_connect("nolinks").get("good")
    assert session.tree_connect("nolinks").get("inside") == b"inside"


def test_case(login):
    session = login()
    tree = session.tree_connect("plain")
    tree.put("MixedCase", b"x")
    assert tree.get("mixedcase") == b"x"
    tree.delete("MIXEDCASE")
    tree = session.tree_connect("sensitive")
    tree.put("MixedCase", b"x")
    with pytest.raises(StatusError):
        tree.get("mixedcase")
    tree.delete("MixedCase")


def test_variables_in_a_path(server, login):
    directory = Path(server.directory) / f"127.0.0.1-{ALICE}"
    directory.mkdir()
    directory.chmod(0o777)
    login().tree_connect("perhost").put("here", b"x")
    assert (directory / "here").read_bytes() == b"x"
