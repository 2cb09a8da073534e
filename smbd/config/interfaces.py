"""`interfaces` and `bind interfaces only`: which networks to serve and which addresses to listen on."""

from __future__ import annotations

import fnmatch
import ipaddress
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from smbd.config.ifaddrs import (
    IFF_BROADCAST,
    IPAddress,
    LocalAddress,
    interface_has_rss,
    interface_speed,
    local_addresses,
)
from smbd.config.interface_entries import RSS, InterfaceOptions, parse_entry
from smbd.config.loadparm import Config

# What Windows clients take a link of unknown speed for.
DEFAULT_SPEED: Final = 1_000_000_000

_IPV4_ANY: Final = "0.0.0.0"  # noqa: S104 - the default of a server
_IPV6_ANY: Final = "::"


@dataclass(frozen=True, slots=True)
class Interface:
    """One address to serve.

    Attributes:
        name: the interface that has it; empty if none has it now.
        address: the address.
        prefix_length: the size of its network.
        if_index: the number of the interface, as clients are told it.
        speed: bit/s.
        capabilities: "RSS" and "RDMA", where the interface has them.
    """

    name: str
    address: IPAddress
    prefix_length: int
    if_index: int = 0
    speed: int = DEFAULT_SPEED
    capabilities: frozenset[str] = frozenset()

    @property
    def network(self) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
        """The network the address is in."""
        return ipaddress.ip_network((self.address, self.prefix_length), strict=False)


def served_interfaces(entries: Sequence[str], local: Sequence[LocalAddress] | None = None) -> list[Interface]:
    """The addresses that entries of `interfaces` mean; without entries all but the loopback's.

    Entries that mean nothing on this machine are left out: an interface may come later.

    Args:
        entries: the value of the parameter.
        local: the addresses of this machine, if known already.
    """
    if local is None:
        local = local_addresses()
    if not entries:
        return [
            _interface(item, InterfaceOptions())
            for item in local
            if not item.is_loopback and item.flags & IFF_BROADCAST and not item.address.is_link_local
        ]
    found: dict[IPAddress, Interface] = {}
    for entry in entries:
        pattern, options = parse_entry(entry)
        for interface in _match(pattern, options, local):
            found.setdefault(interface.address, interface)
    return list(found.values())


def _match(pattern: str, options: InterfaceOptions, local: Sequence[LocalAddress]) -> list[Interface]:
    by_name = [item for item in local if fnmatch.fnmatchcase(item.name, pattern)]
    if by_name:
        return [_interface(item, options) for item in by_name if not item.address.is_link_local]
    try:
        wanted = ipaddress.ip_interface(pattern)
    except ValueError:
        return []
    for item in local:
        if item.address == wanted.ip:
            return [_interface(item, options)]
    # A network rather than an address: every address within it. `ADDRESS` alone is a network of one.
    return [_interface(item, options) for item in local if item.address in wanted.network]


def _interface(item: LocalAddress, options: InterfaceOptions) -> Interface:
    speed = interface_speed(item.name) or DEFAULT_SPEED if options.speed is None else options.speed
    capabilities = options.capabilities
    if capabilities is None:
        capabilities = frozenset({RSS} if interface_has_rss(item.name) else ())
    index = socket.if_nametoindex(item.name) if options.if_index is None else options.if_index
    return Interface(item.name, item.address, item.prefix_length, index, speed, capabilities)


def listen_addresses(
    config: Config, local: Sequence[LocalAddress] | None = None
) -> list[tuple[socket.AddressFamily, str]]:
    """The addresses to bind listening sockets to.

    `bind interfaces only` chooses the addresses of `interfaces`, or `server addresses` where given;
    otherwise it is the wildcard address of both families. An IPv6 socket is to be IPv6 only.
    """
    params = config.globals
    if not params.bind_interfaces_only:
        wildcard = [(socket.AF_INET, _IPV4_ANY)]
        if socket.has_ipv6 and Path("/proc/net/if_inet6").exists():
            wildcard.append((socket.AF_INET6, _IPV6_ANY))
        return wildcard
    named = [_family(address) for address in params.server_addresses]
    chosen = [pair for pair in named if pair is not None]
    if chosen:
        return chosen
    return [
        (socket.AF_INET if item.address.version == 4 else socket.AF_INET6, str(item.address))
        for item in served_interfaces(params.interfaces, local)
    ]


def _family(address: str) -> tuple[socket.AddressFamily, str] | None:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return None
    return (socket.AF_INET if parsed.version == 4 else socket.AF_INET6), str(parsed)
