"""Who may use a share, and as whom."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from smbd.auth.context import AuthContext
from smbd.auth.policy import SharePolicy, share_access, share_session
from smbd.auth.session_info import SessionInfo
from smbd.auth.token import build_guest_token, build_token
from smbd.auth.unix_user import find_user, process_user
from smbd.auth.user_list import user_in_list
from smbd.config.loadparm import ShareParams
from tests.unit.auth.support import DOMAIN_SID, make_context
from vfs.ntstatus import STATUS_ACCESS_DENIED, STATUS_BAD_NETWORK_NAME, NTStatusError
from vfs.sid import SID_BUILTIN_ADMINISTRATORS, unix_group_sid
from vfs.token import SE_ALL_PRIVILEGES


def session(*, guest: bool = False, as_root: bool = True) -> SessionInfo:
    unix = find_user("daemon") if as_root else process_user()
    assert unix is not None
    token = build_guest_token(unix, DOMAIN_SID) if guest else build_token(unix, DOMAIN_SID, DOMAIN_SID.child(1000))
    return SessionInfo(
        user_name="daemon", domain="TESTSRV", token=token, unix_name=unix.name, group_ids=unix.groups, is_guest=guest
    )


def context_with_share(directory: Path, text: str, *, as_root: bool = True) -> tuple[AuthContext, ShareParams]:
    context = make_context(directory, f"[data]\npath = /tmp\n{text}", as_root=as_root)
    share = context.config.share("data")
    assert share is not None
    return context, share


@pytest.mark.parametrize(
    "name",
    [
        "daemon", "DAEMON", r"TESTSRV\daemon", r"testsrv\DAEMON", "@daemon", "+daemon", "&+daemon", "+&daemon",
        f"{DOMAIN_SID}-1000", "S-1-1-0", "Everyone", r"Unix User\daemon", "@Domain Users",
        r"+TESTSRV\daemon", "Authenticated Users",
    ],
)  # fmt: skip
def test_listed(tmp_path: Path, name: str) -> None:
    assert user_in_list(make_context(tmp_path), session(), ["nobody-else", name])


@pytest.mark.parametrize(
    "name",
    ["root", "@root", "&daemon", "@no-such-group", "", "@", r"OTHER\daemon", "S-1-5-18", "S-nonsense", "Guests", "&\0"],
)
def test_not_listed(tmp_path: Path, name: str) -> None:
    assert not user_in_list(make_context(tmp_path), session(), [name])


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        ("", True),
        ("valid users = daemon", True),
        ("valid users = root", False),
        ("valid users = @daemon, root", True),
        ("invalid users = @daemon", False),
        ("valid users = daemon\ninvalid users = daemon", False),
        ("invalid users = root", True),
    ],
)
def test_may_connect(tmp_path: Path, text: str, allowed: bool) -> None:
    context, share = context_with_share(tmp_path, text)
    assert SharePolicy(context, session(), share).may_connect() == allowed
    if not allowed:
        with pytest.raises(NTStatusError) as caught:
            share_access(context, session(), share)
        assert caught.value.status == STATUS_ACCESS_DENIED


def test_guests_need_guest_ok(tmp_path: Path) -> None:
    context, share = context_with_share(tmp_path, "")
    assert not SharePolicy(context, session(guest=True), share).may_connect()
    context, share = context_with_share(tmp_path, "guest ok = yes")
    assert SharePolicy(context, session(guest=True), share).may_connect()


@pytest.mark.parametrize(
    ("text", "read_only"),
    [
        ("", True),
        ("read only = no", False),
        ("read only = no\nread list = daemon", True),
        ("write list = @daemon", False),
        ("write list = root", True),
        ("read list = daemon\nwrite list = daemon", False),
    ],
)
def test_read_only(tmp_path: Path, text: str, read_only: bool) -> None:
    context, share = context_with_share(tmp_path, text)
    assert share_access(context, session(), share).read_only == read_only


def test_names_are_expanded(tmp_path: Path) -> None:
    context, share = context_with_share(tmp_path, "valid users = %S")
    assert not SharePolicy(context, session(), share).may_connect()
    assert SharePolicy(context, session(), share, lambda name: name.replace("%S", "daemon")).may_connect()


def test_nothing_forced_changes_nothing(tmp_path: Path) -> None:
    context, share = context_with_share(tmp_path, "")
    user = session()
    assert share_session(context, user, share) is user


def test_force_user(tmp_path: Path) -> None:
    context, share = context_with_share(tmp_path, "force user = nobody")
    user = session()
    changed = share_session(context, user, share)
    assert changed.token.uid == 65534
    assert changed.unix_name == "nobody"
    assert changed.user_name == "daemon"
    assert user.token.uid == 1


def test_force_group(tmp_path: Path) -> None:
    context, share = context_with_share(tmp_path, "force group = sys")
    token = share_session(context, session(), share).token
    assert (token.uid, token.gid, token.groups[0]) == (1, 3, 3)
    assert token.has_sid(unix_group_sid(3))
    assert token.primary_group_sid == unix_group_sid(3)
    for text, gid in (("+sys", 1), ("+daemon", 1)):
        context, share = context_with_share(tmp_path, f"force group = {text}")
        assert share_session(context, session(), share).token.gid == gid


def test_admin_users(tmp_path: Path) -> None:
    context, share = context_with_share(tmp_path, "admin users = daemon\nforce user = nobody")
    token = share_session(context, session(), share).token
    assert token.uid == 0
    assert token.has_sid(SID_BUILTIN_ADMINISTRATORS)
    assert token.privileges == SE_ALL_PRIVILEGES


def test_guest_only(tmp_path: Path) -> None:
    context, share = context_with_share(tmp_path, "guest ok = yes\nguest only = yes")
    changed = share_session(context, session(), share)
    assert changed.token.uid == 65534
    assert changed.token.is_guest
    assert changed.is_guest


@pytest.mark.parametrize("text", ["force user = no-such-user", "force group = no-such-group"])
def test_misconfigured(tmp_path: Path, text: str) -> None:
    context, share = context_with_share(tmp_path, text)
    with pytest.raises(NTStatusError) as caught:
        share_session(context, session(), share)
    assert caught.value.status == STATUS_BAD_NETWORK_NAME


def test_without_root_the_credentials_stay(tmp_path: Path) -> None:
    text = "force user = nobody\nforce group = sys\nadmin users = daemon\nguest ok = yes"
    context, share = context_with_share(tmp_path, text, as_root=False)
    token = share_session(context, session(as_root=False), share).token
    assert (token.uid, token.gid) == (os.geteuid(), os.getegid())
    assert token.privileges == SE_ALL_PRIVILEGES
