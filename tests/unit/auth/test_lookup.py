"""Names and SIDs, SIDs and ids: each way and back."""

from __future__ import annotations

from pathlib import Path

import pytest

from smbd.auth.context import AuthContext
from smbd.auth.lookup import SID_TYPE_ALIAS, SID_TYPE_DOMAIN, SID_TYPE_GROUP, SID_TYPE_USER, SID_TYPE_WELL_KNOWN_GROUP
from tests.unit.auth.support import DOMAIN_SID, make_context
from vfs.sid import Sid


@pytest.fixture
def context(tmp_path: Path) -> AuthContext:
    return make_context(tmp_path)


@pytest.mark.parametrize(
    ("name", "sid", "kind", "full_name"),
    [
        ("Everyone", "S-1-1-0", SID_TYPE_WELL_KNOWN_GROUP, ("", "Everyone")),
        ("nt authority\\system", "S-1-5-18", SID_TYPE_WELL_KNOWN_GROUP, ("NT AUTHORITY", "SYSTEM")),
        ("SYSTEM", "S-1-5-18", SID_TYPE_WELL_KNOWN_GROUP, ("NT AUTHORITY", "SYSTEM")),
        ("BUILTIN\\Administrators", "S-1-5-32-544", SID_TYPE_ALIAS, ("BUILTIN", "Administrators")),
        ("BUILTIN", "S-1-5-32", SID_TYPE_DOMAIN, ("BUILTIN", "")),
        ("testsrv", f"{DOMAIN_SID}", SID_TYPE_DOMAIN, ("TESTSRV", "")),
        ("daemon", f"{DOMAIN_SID}-1000", SID_TYPE_USER, ("TESTSRV", "daemon")),
        ("TESTSRV\\DAEMON", f"{DOMAIN_SID}-1000", SID_TYPE_USER, ("TESTSRV", "daemon")),
        ("daemon@testsrv", f"{DOMAIN_SID}-1000", SID_TYPE_USER, ("TESTSRV", "daemon")),
        ("TESTSRV\\Domain Users", f"{DOMAIN_SID}-513", SID_TYPE_GROUP, ("TESTSRV", "Domain Users")),
        ("Unix User\\root", "S-1-22-1-0", SID_TYPE_USER, ("Unix User", "root")),
        ("root", "S-1-22-1-0", SID_TYPE_USER, ("Unix User", "root")),
        ("Unix Group\\daemon", "S-1-22-2-1", SID_TYPE_ALIAS, ("Unix Group", "daemon")),
    ],
)
def test_both_ways(context: AuthContext, name: str, sid: str, kind: int, full_name: tuple[str, str]) -> None:
    found = context.lookup.lookup_name(name)
    assert found is not None
    assert (str(found.sid), found.type, (found.domain, found.name)) == (sid, kind, full_name)
    assert context.lookup.lookup_sid(Sid(sid)) == found


@pytest.mark.parametrize("name", ["", "\\", "x\\", "no-such-name", "OTHER\\daemon", "a\\b\\c", "a@b@c", "\0"])
def test_unknown_names(context: AuthContext, name: str) -> None:
    assert context.lookup.lookup_name(name) is None


@pytest.mark.parametrize(
    "sid", ["S-1-5-21-9-9-9-1000", f"{DOMAIN_SID}-4000", "S-1-22-1-4294967295", "S-1-22-2-4294967295"]
)
def test_unknown_sids(context: AuthContext, sid: str) -> None:
    assert context.lookup.lookup_sid(Sid(sid)) is None


def test_many(context: AuthContext) -> None:
    names = [found.name if found else None for found in context.lookup.lookup_names(["Everyone", "?", "root"])]
    assert names == ["Everyone", None, "root"]
    assert [bool(found) for found in context.lookup.lookup_sids([Sid("S-1-1-0"), Sid("S-1-9-9")])] == [True, False]


def test_guest_has_a_name_without_an_account(context: AuthContext) -> None:
    found = context.lookup.lookup_sid(DOMAIN_SID.child(501))
    assert found is not None
    assert found.name == "nobody"


def test_idmap(context: AuthContext) -> None:
    idmap = context.idmap
    assert idmap.uid_to_sid(1) == DOMAIN_SID.child(1000)  # daemon has an account
    assert str(idmap.uid_to_sid(0)) == "S-1-22-1-0"
    assert str(idmap.uid_to_sid(4_000_000_000)) == "S-1-22-1-4000000000"
    assert str(idmap.gid_to_sid(7)) == "S-1-22-2-7"
    for _ in range(2):  # the second time from the cache
        assert idmap.sid_to_uid(DOMAIN_SID.child(1000)) == 1
        assert idmap.sid_to_uid(DOMAIN_SID.child(4000)) is None
    assert idmap.sid_to_uid(Sid("S-1-22-1-77")) == 77
    assert idmap.sid_to_uid(Sid("S-1-1-0")) is None
    assert idmap.sid_to_gid(Sid("S-1-22-2-77")) == 77
    assert idmap.sid_to_gid(DOMAIN_SID.child(513)) is None


def test_idmap_forgets(context: AuthContext) -> None:
    idmap = context.idmap
    assert idmap.uid_to_sid(1) == DOMAIN_SID.child(1000)
    context.passdb.delete("daemon")
    assert idmap.uid_to_sid(1) == DOMAIN_SID.child(1000)
    idmap.clear()
    assert str(idmap.uid_to_sid(1)) == "S-1-22-1-1"
