"""`hosts allow` and `hosts deny`."""

from __future__ import annotations

import pytest

from smbd.config.access import host_allowed, needs_host_name, parse_address


@pytest.mark.parametrize(
    ("entry", "address", "name", "matches"),
    [
        ("ALL", "192.0.2.1", "", True),
        ("192.0.2.1", "192.0.2.1", "", True),
        ("192.0.2.1", "192.0.2.10", "", False),
        ("150.203.", "150.203.6.7", "", True),
        ("150.20.", "150.203.6.7", "", False),
        ("150.203.15.0/255.255.255.0", "150.203.15.9", "", True),
        ("150.203.15.0/24", "150.203.16.9", "", False),
        ("150.203.15.7/24", "150.203.15.9", "", True),
        ("2001:db8::/32", "2001:db8:1::5", "", True),
        ("2001:db8::1", "2001:0db8:0::1", "", True),
        ("[2001:db8::]/32", "2001:db8::1", "", True),
        ("2001:db8::/32", "192.0.2.1", "", False),
        ("192.0.2.0/24", "::ffff:192.0.2.7", "", True),
        ("fe80::1", "fe80::1%eth0", "", True),
        ("lapland", "192.0.2.1", "Lapland", True),
        (".example.net", "192.0.2.1", "a.example.net", True),
        (".example.net", "192.0.2.1", "example.net", False),
        ("pc*", "192.0.2.1", "pc17", True),
        ("lapland", "192.0.2.1", "", False),
        ("LOCAL", "192.0.2.1", "host", True),
        ("LOCAL", "192.0.2.1", "host.example.net", False),
        ("LOCAL", "192.0.2.1", "", False),
        ("1.2.3.4/99", "1.2.3.4", "", False),
    ],
)
def test_entries(entry: str, address: str, name: str, matches: bool) -> None:
    assert host_allowed([entry], [], address, name) is matches
    assert host_allowed([], [entry], address, name) is not matches


def test_without_lists_everybody_may_come() -> None:
    assert host_allowed([], [], "192.0.2.1")


def test_allow_goes_before_deny() -> None:
    allow, deny = ["192.0.2."], ["ALL"]
    assert host_allowed(allow, deny, "192.0.2.1")
    assert not host_allowed(allow, deny, "198.51.100.1")
    assert host_allowed(["192.0.2.1"], ["198.51.100.9"], "203.0.113.1")


def test_except_takes_out_of_the_list_before_it() -> None:
    assert host_allowed(["150.203.", "EXCEPT", "150.203.6.66"], [], "150.203.6.1")
    assert not host_allowed(["150.203.", "EXCEPT", "150.203.6.66"], [], "150.203.6.66")
    flat = ["ALL", "except", "192.0.2.", "EXCEPT", "198.51.100.7"]
    assert not host_allowed(flat, [], "192.0.2.7")
    assert not host_allowed(flat, [], "198.51.100.7")
    assert host_allowed(flat, [], "198.51.100.8")


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "127.1.2.3"])
def test_loopback_is_refused_only_by_hosts_deny(address: str) -> None:
    assert host_allowed(["192.0.2.1"], [], address)
    assert not host_allowed([], ["ALL"], address)
    assert not host_allowed(["192.0.2.1"], [address], address)
    assert host_allowed([address], ["ALL"], address)


def test_names_are_looked_up_only_if_an_entry_needs_it() -> None:
    assert not needs_host_name(["192.0.2.1", "10.", "ALL", "10.0.0.0/8", "::1"], [])
    assert needs_host_name([], ["lapland"])
    assert needs_host_name([".example.net"])


def test_what_is_no_address_matches_names_only() -> None:
    assert parse_address("unix socket") is None
    assert not host_allowed(["192.0.2."], [], "unix socket")
