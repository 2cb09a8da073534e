"""The decision on a logon: whose account, and who the session then is."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import os
from pathlib import Path

import pytest

from smbd.auth.account_flags import ACB_AUTOLOCK, ACB_DISABLED, ACB_PWNOTREQ
from smbd.auth.context import AuthContext
from smbd.auth.logon import NtlmLogon, ntlm_logon
from smbd.auth.password import nt_hash, ntowfv2, verify_ntlmv2
from tests.unit.auth.support import DOMAIN_SID, NOW, PASSWORD, make_context
from vfs.ntstatus import (
    STATUS_ACCOUNT_DISABLED,
    STATUS_ACCOUNT_LOCKED_OUT,
    STATUS_LOGON_FAILURE,
    NTStatusError,
)
from vfs.sid import (
    SID_AUTHENTICATED_USERS,
    SID_BUILTIN_ADMINISTRATORS,
    SID_NETWORK,
    SID_WORLD,
    unix_group_sid,
    unix_user_sid,
)

CHALLENGE = bytes.fromhex("0123456789abcdef")


def logon(user: str, password: str = PASSWORD, domain: str = "DOM") -> NtlmLogon:
    key = ntowfv2(nt_hash(password), user, domain)
    blob = b"\1\1" + bytes(26) + bytes(4)
    proof = hmac.digest(key, CHALLENGE + blob, "md5")
    return NtlmLogon(user, domain, "PC", CHALLENGE, proof + blob, b"")


def status_of(context: AuthContext, request: NtlmLogon) -> int:
    with pytest.raises(NTStatusError) as caught:
        ntlm_logon(context, request)
    return caught.value.status


def test_published_vector() -> None:
    """[MS-NLMP] 4.2.4: User, Domain, Password."""
    key = ntowfv2(nt_hash("Password"), "User", "Domain")
    assert key.hex() == "0c868a403bfd7a93a3001ef22ef02e3f"
    temp = bytes.fromhex(
        "01010000000000000000000000000000aaaaaaaaaaaaaaaa0000000002000c0044006f006d00610069006e00"
        "01000c005300650072007600650072000000000000000000"
    )
    proof = bytes.fromhex("68cd0ab851e51c96aabc927bebef6a1c")
    session_base_key = verify_ntlmv2(key, CHALLENGE, proof + temp)
    assert session_base_key is not None
    assert session_base_key.hex() == "8de40ccadbc14a82f15cb0ad0de95ca3"
    assert verify_ntlmv2(key, CHALLENGE, bytes(16) + temp) is None


def test_upper_case_is_that_of_windows() -> None:
    upper = ntowfv2(nt_hash("x"), "STRA\u00dfE\u00c4", "d")
    assert ntowfv2(nt_hash("x"), "stra\u00dfe\u00e4", "d") == upper
    assert ntowfv2(nt_hash("x"), "STRASSE\u00c4", "d") != upper


@pytest.mark.parametrize("user", ["daemon", "Daemon"])
def test_session(tmp_path: Path, user: str) -> None:
    context = make_context(tmp_path)
    result = ntlm_logon(context, logon(user))
    info = result.session_info
    assert len(result.session_base_key) == hashlib.md5().digest_size
    assert (info.user_name, info.domain, info.unix_name) == ("daemon", "TESTSRV", "daemon")
    assert (info.requested_name, info.requested_domain, info.workstation) == (user, "DOM", "PC")
    assert info.logon_time == NOW
    token = info.token
    assert token.user_sid == DOMAIN_SID.child(1000)
    assert (token.uid, token.gid) == (1, 1)
    for sid in (
        unix_user_sid(1), unix_group_sid(1), DOMAIN_SID.child(513), SID_WORLD, SID_NETWORK,
        SID_AUTHENTICATED_USERS,
    ):  # fmt: skip
        assert token.has_sid(sid)
    assert not token.is_administrator


def test_root_is_administrator(tmp_path: Path) -> None:
    token = ntlm_logon(make_context(tmp_path, users=("root",)), logon("root")).session_info.token
    assert token.uid == 0
    assert token.has_sid(SID_BUILTIN_ADMINISTRATORS)


def test_all_as_one_user_without_root(tmp_path: Path) -> None:
    context = make_context(tmp_path, users=("daemon", "no-unix-user"), as_root=False)
    for name in ("daemon", "no-unix-user"):
        info = ntlm_logon(context, logon(name)).session_info
        assert info.user_name == name
        assert (info.token.uid, info.token.gid) == (os.geteuid(), os.getegid())


def test_account_without_unix_user(tmp_path: Path) -> None:
    context = make_context(tmp_path, users=("no-unix-user",))
    assert status_of(context, logon("no-unix-user")) == STATUS_LOGON_FAILURE


def test_restrictions_are_told_only_to_who_knows_the_password(tmp_path: Path) -> None:
    context = make_context(tmp_path)
    account = context.passdb.get("daemon")
    assert account is not None
    account.acct_flags |= ACB_DISABLED
    context.passdb.update(account)
    assert status_of(context, logon("daemon")) == STATUS_ACCOUNT_DISABLED
    assert status_of(context, logon("daemon", "wrong")) == STATUS_LOGON_FAILURE
    assert status_of(context, logon("nosuch")) == STATUS_LOGON_FAILURE
    account.acct_flags |= ACB_AUTOLOCK
    context.passdb.update(account)
    assert status_of(context, logon("daemon", "wrong")) == STATUS_ACCOUNT_LOCKED_OUT


def test_no_password(tmp_path: Path) -> None:
    for text, accepted in (("", False), ("null passwords = yes", True)):
        context = make_context(tmp_path, text)
        account = context.passdb.get("daemon")
        assert account is not None
        account.nt_hash = b""
        account.acct_flags |= ACB_PWNOTREQ
        context.passdb.update(account)
        assert status_of(context, logon("daemon", "guess")) == STATUS_LOGON_FAILURE
        if accepted:
            assert ntlm_logon(context, logon("daemon", "")).session_info.user_name == "daemon"
        else:
            assert status_of(context, logon("daemon", "")) == STATUS_LOGON_FAILURE


@pytest.mark.parametrize("response", [b"", bytes(16), bytes(24), bytes(43), bytes(44)])
def test_other_responses(tmp_path: Path, response: bytes) -> None:
    request = NtlmLogon("daemon", "", "", CHALLENGE, response, bytes(24))
    assert status_of(make_context(tmp_path), request) == STATUS_LOGON_FAILURE


def test_ntlm_disabled(tmp_path: Path) -> None:
    assert status_of(make_context(tmp_path, "ntlm auth = disabled"), logon("daemon")) == STATUS_LOGON_FAILURE


def test_missing_guest_account(tmp_path: Path) -> None:
    context = make_context(tmp_path, "guest account = no-unix-user\nmap to guest = Bad User")
    assert status_of(context, logon("nosuch")) == STATUS_LOGON_FAILURE


def test_user_name_map(tmp_path: Path) -> None:
    """The client proves the password of the mapped account with the name that it sent."""
    (tmp_path / "map").write_text('daemon = "John Smith" jsmith\n')
    context = make_context(tmp_path, f"username map = {tmp_path}/map")
    for name in ("John Smith", "JSMITH"):
        info = ntlm_logon(context, logon(name)).session_info
        assert (info.user_name, info.requested_name) == ("daemon", name)


def test_audit(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "smbd.auth.audit")
    caplog.set_level(logging.INFO, "smbd.auth.json_audit")
    context = make_context(tmp_path)
    ntlm_logon(context, logon("DAEMON"))
    status_of(context, logon("nosuch\ud800"))
    first, second = (
        json.loads(record.getMessage()) for record in caplog.records if record.name == "smbd.auth.json_audit"
    )
    texts = [record.getMessage() for record in caplog.records if record.name == "smbd.auth.audit"]
    assert len(texts) == 2
    assert r"user [DOM]\[DAEMON]" in texts[0]
    assert r"became [TESTSRV]\[daemon]" in texts[0]
    assert "NT_STATUS_NO_SUCH_USER" in texts[1]
    good, bad = first["Authentication"], second["Authentication"]
    assert (good["eventId"], good["status"], good["becameAccount"]) == (4624, "NT_STATUS_SUCCESS", "daemon")
    assert (good["clientAccount"], good["clientDomain"]) == ("DAEMON", "DOM")
    assert good["becameSid"] == f"{DOMAIN_SID}-1000"
    assert (bad["eventId"], bad["status"], bad["becameAccount"]) == (4625, "NT_STATUS_NO_SUCH_USER", None)
    assert bad["passwordType"] == "NTLMv2"
