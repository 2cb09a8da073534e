"""The account database: in memory, in its file, and the files it refuses."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from messaging.dbwrap.memory import MemoryDb
from messaging.records import RecordVersionError
from smbd.auth.account_flags import ACB_DISABLED
from smbd.auth.passdb import FILE_NAME, FIRST_RID, Passdb, PassdbError, SamAccount
from smbd.auth.password import nt_hash
from smbd.auth.secrets import Secrets
from tests.unit.auth.support import DOMAIN_SID, make_passdb
from vfs.sid import Sid


def test_names_are_found_in_any_case() -> None:
    passdb = make_passdb("Alice")
    for spelling in ("alice", "ALICE", "Alice"):
        account = passdb.get(spelling)
        assert account is not None
        assert account.username == "Alice"
    for unknown in ("bob", "", "x" * 10_000):
        assert passdb.get(unknown) is None


def test_by_rid_and_sid() -> None:
    passdb = make_passdb("alice", "bob")
    account = passdb.by_sid(Sid(f"{DOMAIN_SID}-{FIRST_RID + 1}"))
    assert account is not None
    assert account.username == "bob"
    assert passdb.sid(account) == DOMAIN_SID.child(FIRST_RID + 1)
    assert passdb.by_sid(DOMAIN_SID) is None
    assert passdb.by_sid(Sid(f"S-1-5-21-9-9-9-{FIRST_RID}")) is None
    assert passdb.by_rid(5) is None


def test_relative_ids_are_not_used_again() -> None:
    passdb = make_passdb("alice", "bob")
    passdb.delete("BOB")
    carol = SamAccount(username="carol")
    passdb.add(carol)
    assert carol.rid == FIRST_RID + 2
    assert passdb.by_rid(FIRST_RID + 1) is None
    assert [account.username for account in passdb.accounts()] == ["alice", "carol"]


def test_given_relative_id_is_skipped_by_the_counter() -> None:
    passdb = make_passdb()
    passdb.add(SamAccount(username="guest", rid=501))
    passdb.add(SamAccount(username="early", rid=FIRST_RID))
    next_one = SamAccount(username="next")
    passdb.add(next_one)
    assert next_one.rid == FIRST_RID + 1
    with pytest.raises(PassdbError, match="relative id 501"):
        passdb.add(SamAccount(username="other", rid=501))


def test_update() -> None:
    passdb = make_passdb("alice")
    account = passdb.get("alice")
    assert account is not None
    account.acct_flags |= ACB_DISABLED
    account.comment = "äöü"
    passdb.update(account)
    again = passdb.get("alice")
    assert again == account
    assert again is not None
    assert again.disabled
    account.rid = 7777
    with pytest.raises(PassdbError, match="another relative id"):
        passdb.update(account)


def test_refusals() -> None:
    passdb = make_passdb("alice")
    with pytest.raises(PassdbError, match="already"):
        passdb.add(SamAccount(username="ALICE"))
    with pytest.raises(PassdbError, match="no account"):
        passdb.update(SamAccount(username="bob"))
    with pytest.raises(PassdbError, match="no account"):
        passdb.delete("bob")
    for name in ("", "a\0b", "x" * 300):
        with pytest.raises(PassdbError, match="not a usable"):
            passdb.add(SamAccount(username=name))


def test_unknown_record_version_is_refused() -> None:
    db = MemoryDb()
    passdb = Passdb(db, DOMAIN_SID)
    db.store(b"USER_alice", b"\x63rest")
    with pytest.raises(RecordVersionError):
        passdb.get("alice")


def test_nt_hash() -> None:
    assert nt_hash("Password").hex() == "a4f49c406510bdcab6824ee7c30fd852"  # [MS-NLMP] 4.2.2.1.2
    assert nt_hash("").hex() == "31d6cfe0d16ae931b73c59d7e0c089c0"


def test_file_is_private_and_keeps(tmp_path: Path) -> None:
    directory = tmp_path / "private"
    passdb = Passdb.open(str(directory))
    passdb.add(SamAccount(username="alice"))
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert stat.S_IMODE((directory / FILE_NAME).stat().st_mode) == 0o600
    again = Passdb.open(str(directory))
    assert again.get("alice") is not None
    assert again.domain_sid() == passdb.domain_sid()
    assert str(passdb.domain_sid()).startswith("S-1-5-21-")


def test_domain_sid_is_made_once() -> None:
    secrets = Secrets(MemoryDb())
    assert secrets.domain_sid() == secrets.domain_sid()
    assert Secrets(MemoryDb()).domain_sid() != secrets.domain_sid()


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o602])
def test_readable_file_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / FILE_NAME
    path.touch()
    path.chmod(mode)
    with pytest.raises(PassdbError, match=f"{mode:04o}"):
        Passdb.open(str(tmp_path))


def test_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").touch(0o600)
    (tmp_path / FILE_NAME).symlink_to("elsewhere")
    with pytest.raises(PassdbError, match="not a regular file"):
        Passdb.open(str(tmp_path))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_strangers_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / FILE_NAME
    path.touch(0o600)
    os.chown(path, 1, 1)
    os.seteuid(2)
    try:
        tmp_path_access = os.access(tmp_path, os.X_OK, effective_ids=True)
        if tmp_path_access:
            with pytest.raises(PassdbError, match="belongs to user 1"):
                Passdb.open(str(tmp_path))
    finally:
        os.seteuid(0)
