"""The network interfaces of this machine and their addresses, from getifaddrs(3).

The standard library lists interfaces but not their addresses, hence the C library call.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import ipaddress
import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

# <net/if.h>
IFF_UP: Final = 0x1
IFF_BROADCAST: Final = 0x2
IFF_LOOPBACK: Final = 0x8

_SYS_NET: Final = Path("/sys/class/net")


class _IfAddrs(ctypes.Structure):
    pass


# A structure that points to itself gets its fields after it has a name.
_IfAddrs._fields_ = [
    ("ifa_next", ctypes.POINTER(_IfAddrs)),
    ("ifa_name", ctypes.c_char_p),
    ("ifa_flags", ctypes.c_uint),
    ("ifa_addr", ctypes.c_void_p),
    ("ifa_netmask", ctypes.c_void_p),
    ("ifa_ifu", ctypes.c_void_p),
    ("ifa_data", ctypes.c_void_p),
]


@dataclass(frozen=True, slots=True)
class LocalAddress:
    """One address of one interface."""

    name: str
    flags: int
    address: IPAddress
    prefix_length: int

    @property
    def is_loopback(self) -> bool:
        """Whether the interface is the loopback."""
        return bool(self.flags & IFF_LOOPBACK)


def local_addresses() -> list[LocalAddress]:
    """All IPv4 and IPv6 addresses of interfaces that are up.

    Raises:
        OSError: if the kernel does not tell.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    head = ctypes.POINTER(_IfAddrs)()
    if libc.getifaddrs(ctypes.byref(head)) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    found = []
    try:
        for item in _chain(head):
            if not item.ifa_addr or not item.ifa_flags & IFF_UP:
                continue
            address = _sockaddr_address(item.ifa_addr)
            if address is not None:
                prefix = _prefix_length(item.ifa_netmask, address)
                found.append(LocalAddress(os.fsdecode(item.ifa_name), item.ifa_flags, address, prefix))
    finally:
        libc.freeifaddrs(head)
    return found


def _chain(head: ctypes._Pointer[_IfAddrs]) -> Iterator[_IfAddrs]:
    entry: ctypes._Pointer[_IfAddrs] | None = head
    while entry:
        item = entry.contents
        yield item
        entry = item.ifa_next


def interface_speed(name: str) -> int:
    """The speed of an interface in bit/s as its driver reports it; 0 if it does not."""
    try:
        megabits = int((_SYS_NET / name / "speed").read_text())
    except (OSError, ValueError):
        return 0
    return max(megabits, 0) * 1_000_000


def interface_has_rss(name: str) -> bool:
    """Whether an interface spreads its receive load over several queues (receive side scaling)."""
    try:
        return len(list((_SYS_NET / name / "queues").glob("rx-*"))) > 1
    except OSError:
        return False


def _sockaddr_address(pointer: int) -> IPAddress | None:
    """The address in a struct sockaddr_in or sockaddr_in6."""
    family = ctypes.cast(pointer, ctypes.POINTER(ctypes.c_uint16)).contents.value
    if family == socket.AF_INET:
        return ipaddress.IPv4Address(ctypes.string_at(pointer + 4, 4))
    if family == socket.AF_INET6:
        return ipaddress.IPv6Address(ctypes.string_at(pointer + 8, 16))
    return None


def _prefix_length(pointer: int | None, address: IPAddress) -> int:
    if not pointer:
        return address.max_prefixlen
    # The family of a netmask may be left zero, so that of the address says how long it is.
    offset, length = (4, 4) if address.version == 4 else (8, 16)
    mask = int.from_bytes(ctypes.string_at(pointer + offset, length), "big")
    return mask.bit_count()
