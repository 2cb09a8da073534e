"""`hosts allow` and `hosts deny`: which hosts may connect.

The lists work as in the TCP wrapper's hosts_access(5) files, which is where Samba has them from. An entry is

* ``ALL``, or ``LOCAL`` (a host name without a dot),
* a name, a domain beginning with a dot, or a name with wildcards,
* an address; a prefix of one ending in a dot, ``150.203.``; or a network, ``150.203.0.0/16`` or
  ``150.203.0.0/255.255.0.0``, ``2001:db8::/32``,
* ``EXCEPT``, which takes everything that follows out of what went before; it does not nest.

The order of decision is Samba's: a loopback address is refused only when `hosts deny` names it and
`hosts allow` does not; then `hosts allow` admits, `hosts deny` refuses, and a host that is in neither list is
admitted if there is only a deny list (or none).
"""

from __future__ import annotations

import fnmatch
import ipaddress
from collections.abc import Sequence
from typing import Final

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address

EXCEPT: Final = "EXCEPT"


def host_allowed(allow: Sequence[str], deny: Sequence[str], address: str, name: str = "") -> bool:
    """Whether a host may connect.

    Args:
        allow: the entries of `hosts allow`.
        deny: the entries of `hosts deny`.
        address: the host's address. An IPv4 address mapped into IPv6 counts as IPv4.
        name: the host's name, if it was looked up; entries that are names match nothing without it.
    """
    if not allow and not deny:
        return True
    client = parse_address(address)
    if client is not None and client.is_loopback:
        # Tools of the administrator come from here: shut out only by name, and allow overrules.
        return not _listed(deny, client, name) or _listed(allow, client, name)
    if allow and not deny:
        return _listed(allow, client, name)
    if deny and not allow:
        return not _listed(deny, client, name)
    return _listed(allow, client, name) or not _listed(deny, client, name)


def needs_host_name(*lists: Sequence[str]) -> bool:
    """Whether any entry can only be decided with the host's name: then it is worth a look-up."""
    return any(_is_name(entry) for entries in lists for entry in entries)


def parse_address(text: str) -> _Address | None:
    """An address without its zone, IPv4 if it is IPv4 mapped into IPv6; None if it is not an address."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def _listed(entries: Sequence[str], client: _Address | None, name: str) -> bool:
    """Whether a list names the host, and none of the entries after the first EXCEPT does."""
    words = [entry.upper() for entry in entries]
    end = words.index(EXCEPT) if EXCEPT in words else len(words)
    if not any(_matches(entry, client, name) for entry in entries[:end]):
        return False
    return not any(_matches(entry, client, name) for entry in entries[end + 1 :])


def _matches(entry: str, client: _Address | None, name: str) -> bool:
    word = entry.upper()
    if word == "ALL":
        return True
    if word == "LOCAL":
        return bool(name) and "." not in name
    if client is not None:
        if "/" in entry:
            return _in_network(entry, client)
        if entry.endswith(".") and entry[0].isdigit():
            return str(client).startswith(entry)
        exact = parse_address(entry.strip("[]"))
        if exact is not None:
            return exact == client
    if not name or not _is_name(entry):
        return False
    folded = name.lower()
    if entry.startswith("."):
        return folded.endswith(entry.lower())
    return fnmatch.fnmatchcase(folded, entry.lower())


def _in_network(entry: str, client: _Address) -> bool:
    try:
        network = ipaddress.ip_network(entry.replace("[", "").replace("]", ""), strict=False)
    except ValueError:
        return False
    return client.version == network.version and client in network


def _is_name(entry: str) -> bool:
    """Whether an entry is a host name or domain, rather than a key word, a network or an address."""
    if entry.upper() in {"ALL", "LOCAL", EXCEPT} or "/" in entry:
        return False
    return not entry[:1].isdigit() if entry.endswith(".") else parse_address(entry.strip("[]")) is None
