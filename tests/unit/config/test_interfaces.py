"""`interfaces` and the addresses to listen on."""

from __future__ import annotations

import ipaddress
import socket

import pytest

from smbd.config.ifaddrs import (
    IFF_BROADCAST,
    IFF_LOOPBACK,
    IFF_UP,
    LocalAddress,
    interface_has_rss,
    interface_speed,
    local_addresses,
)
from smbd.config.interface_entries import InterfaceOptions, parse_entry
from smbd.config.interfaces import DEFAULT_SPEED, listen_addresses, served_interfaces
from smbd.config.loadparm import ConfigError, load_config


def local(name: str, address: str, prefix: int, flags: int = IFF_UP | IFF_BROADCAST) -> LocalAddress:
    return LocalAddress(name, flags, ipaddress.ip_address(address), prefix)


LOCAL = [
    local("lo", "127.0.0.1", 8, IFF_UP | IFF_LOOPBACK),
    local("lo", "::1", 128, IFF_UP | IFF_LOOPBACK),
    local("lo", "192.0.2.5", 24),
    local("lo", "2001:db8::5", 64),
    local("lo", "fe80::5", 64),
    local("lo", "198.51.100.5", 24),
]


def addresses(*entries: str) -> list[str]:
    return [str(item.address) for item in served_interfaces(entries, LOCAL)]


def test_by_default_all_but_loopback_and_link_local() -> None:
    assert addresses() == ["192.0.2.5", "2001:db8::5", "198.51.100.5"]


def test_names_addresses_and_networks() -> None:
    assert addresses("l*") == ["127.0.0.1", "::1", "192.0.2.5", "2001:db8::5", "198.51.100.5"]
    assert addresses("192.0.2.5") == ["192.0.2.5"]
    assert addresses("192.0.2.5/24") == ["192.0.2.5"]
    assert addresses("192.0.2.0/24", "2001:db8::/32") == ["192.0.2.5", "2001:db8::5"]
    assert addresses("eth9", "203.0.113.1") == []
    assert addresses("192.0.2.5", "192.0.2.0/255.255.255.0") == ["192.0.2.5"]


def test_options_are_kept() -> None:
    (interface,) = served_interfaces(["192.0.2.5;speed=10,capability=RSS,capability=rdma,if_index=77"], LOCAL)
    assert interface.speed == 10
    assert interface.capabilities == {"RSS", "RDMA"}
    assert interface.if_index == 77
    assert str(interface.network) == "192.0.2.0/24"


def test_what_is_not_given_comes_from_the_system() -> None:
    (interface,) = served_interfaces(["127.0.0.1"], LOCAL)
    assert interface.speed == DEFAULT_SPEED
    assert interface.if_index == socket.if_nametoindex("lo")


@pytest.mark.parametrize("entry", ["eth0;speed=fast", "eth0;colour=red", "eth0;capability=X"])
def test_unknown_options_are_a_mistake_in_the_file(entry: str) -> None:
    with pytest.raises(ValueError, match="speed=NUMBER"):
        parse_entry(entry)
    with pytest.raises(ConfigError):
        load_config("", [("interfaces", f'"{entry}"')])


def test_an_entry_without_options() -> None:
    assert parse_entry("eth0") == ("eth0", InterfaceOptions())


def test_the_wildcard_is_listened_on_unless_bound() -> None:
    wildcard = listen_addresses(load_config("", [("interfaces", "192.0.2.5")]), LOCAL)
    assert (socket.AF_INET, "0.0.0.0") in wildcard
    assert all(address in {"0.0.0.0", "::"} for _, address in wildcard)


def test_bound_to_the_interfaces() -> None:
    config = load_config("", [("interfaces", "192.0.2.5 ::1"), ("bind interfaces only", "yes")])
    assert listen_addresses(config, LOCAL) == [(socket.AF_INET, "192.0.2.5"), (socket.AF_INET6, "::1")]


def test_bound_to_server_addresses() -> None:
    config = load_config("", [("server addresses", "203.0.113.9 junk ::2"), ("bind interfaces only", "yes")])
    assert listen_addresses(config, LOCAL) == [(socket.AF_INET, "203.0.113.9"), (socket.AF_INET6, "::2")]


def test_this_machine_has_a_loopback() -> None:
    found = {str(item.address): item for item in local_addresses()}
    assert found["127.0.0.1"].is_loopback
    assert found["127.0.0.1"].prefix_length == 8


def test_interfaces_that_tell_nothing() -> None:
    assert interface_speed("none such") == 0
    assert interface_has_rss("none such") is False
