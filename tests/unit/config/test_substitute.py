"""The %-variables."""

from __future__ import annotations

import os

import pytest

from smbd.config.substitute import SubstContext, has_variables, substitute

CONTEXT = SubstContext(
    user="bob",
    group="staff",
    session_user="Bob",
    session_group="users",
    share="data",
    path="/srv/data",
    home="/home/bob",
    client_name="pc17",
    client_dns="pc17.example.net",
    client_ip="192.0.2.1",
    client_arch="Win10",
    server_name="FILES",
    server_ip="2001:db8::1",
    dialect="SMB3_11",
    domain="WORKGROUP",
    nis_server="nis",
    process_id=42,
    version="9.9",
)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("%u", "bob"),
        ("%g", "staff"),
        ("%U", "Bob"),
        ("%G", "users"),
        ("%S", "data"),
        ("%P", "/srv/data"),
        ("%H", "/home/bob"),
        ("%m", "pc17"),
        ("%M", "pc17.example.net"),
        ("%I", "192.0.2.1"),
        ("%i", "2001:db8::1"),
        ("%j", "192_0_2_1"),
        ("%J", "2001_db8__1"),
        ("%a", "Win10"),
        ("%L", "FILES"),
        ("%R", "SMB3_11"),
        ("%D", "WORKGROUP"),
        ("%N", "nis"),
        ("%d", "42"),
        ("%v", "9.9"),
        ("%w", "\\"),
        ("%%", "%%"),
        ("%z", "%z"),
        ("100%", "100%"),
    ],
)
def test_variables(variable: str, value: str) -> None:
    assert substitute(f"<{variable}>", CONTEXT) == f"<{value}>"


def test_time_and_host_are_those_of_the_server() -> None:
    host, time, file_time = substitute("%h|%T|%t", SubstContext()).split("|")
    assert host == os.uname().nodename
    assert len(time) == 19
    assert "/" not in file_time


def test_the_environment_is_at_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYSMBD_TEST", "here %u")
    assert substitute("%$(PYSMBD_TEST)/%$(PYSMBD_NOT_SET)", CONTEXT) == "here %u/"


def test_what_is_not_known_yet_stays() -> None:
    assert substitute("/var/log/log.%m.%U", SubstContext(client_name="pc")) == "/var/log/log.pc.%U"


def test_the_address_stands_in_for_an_unknown_client_name() -> None:
    context = SubstContext(client_ip="192.0.2.1")
    assert substitute("%m %M", context) == "192.0.2.1 192.0.2.1"


@pytest.mark.parametrize("evil", ["../../etc/passwd", "..", "a/b", "a\\b", "/etc/passwd", "a\0b", "x\ny"])
def test_names_of_the_client_cannot_lead_out_of_a_directory(evil: str) -> None:
    context = SubstContext(
        client_name=evil,
        client_dns=evil,
        session_user=evil,
        user=evil,
        server_name=evil,
        client_arch=evil,
        domain=evil,
    )
    for variable in "mMUuLaD":
        value = substitute(f"%{variable}", context)
        assert value not in {"", ".", ".."}
        assert not set(value) & set("/\\\0\n")
        assert not value.startswith(".")


def test_a_user_name_keeps_letters_of_all_scripts() -> None:
    assert substitute("%U", SubstContext(session_user="Jürgen")) == "Jürgen"


def test_a_value_is_not_looked_at_again() -> None:
    assert substitute("%S", SubstContext(share="%u", user="root")) == "%u"


def test_has_variables() -> None:
    assert has_variables("a%mb")
    assert has_variables("%$(HOME)")
    assert not has_variables("100% sure")
