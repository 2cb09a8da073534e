"""Global parameters about listening, who may connect, and how long connections last."""

from __future__ import annotations

from smbd.config.interface_entries import InterfaceListType
from smbd.config.registry import ACCEPTED, GLOBAL, KNOWN, Param, ParameterSet
from smbd.config.values import BOOL, COUNT, INT, PORTS, SIZE, STRING, TRANSPORTS, WORDS


class NetworkParams(ParameterSet, scope=GLOBAL):
    """Sockets, interfaces and limits of connections."""

    interfaces = Param[list[str]](
        InterfaceListType(),
        [],
        """Network interfaces to serve: interface names (with wildcards, such as eth*), addresses, or
        addresses with a netmask. An entry may be followed by options in double quotes:
        "eth0;speed=1000000000,capability=RSS,if_index=2". Empty means all interfaces that are up.""",
    )
    bind_interfaces_only = Param(
        BOOL, False, "Listen on the addresses of `interfaces` only, instead of on the wildcard address."
    )
    server_addresses = Param[list[str]](
        WORDS,
        [],
        """Listen on these addresses only, whatever `interfaces` says. Without effect unless
        `bind interfaces only` is on.""",
        since="4.18",
    )
    smb_ports = Param[list[int]](
        PORTS,
        [445, 139],
        """TCP ports to listen on. Newer configurations say `server smb transports` instead, which wins when
        both are given.""",
    )
    server_smb_transports = Param[list[str]](
        TRANSPORTS,
        ["tcp", "nbt"],
        """Transports to listen on: `tcp` (port 445) or `tcp:PORT` for SMB directly over TCP, `nbt` (port
        139) or `nbt:PORT` for the NetBIOS session service. A bare number is a tcp port, except that 139
        is nbt.""",
        since="4.23",
    )
    socket_options = Param(
        STRING,
        "TCP_NODELAY",
        "Socket options set on each connection, such as TCP_NODELAY, SO_KEEPALIVE or SO_RCVBUF=65536.",
        status=KNOWN,
    )
    hostname_lookups = Param(
        BOOL,
        False,
        """Look up the name of each client's address, so that %M and host names in `hosts allow` work.
        Costs a DNS query per connection.""",
    )
    deadtime = Param(
        INT,
        10080,
        """Minutes after which a connection without open files and without traffic is closed; 0 never
        closes.""",
    )
    keepalive = Param(
        INT,
        300,
        "Seconds between TCP keep-alive probes, which detect clients that vanished; 0 sends none.",
    )
    max_smbd_processes = Param(
        COUNT,
        0,
        "The greatest number of worker processes, that is of client connections; 0 sets no limit.",
    )
    max_open_files = Param(COUNT, 16424, "The greatest number of files that one client may hold open.")
    name_resolve_order = Param[list[str]](
        WORDS,
        ["lmhosts", "wins", "host", "bcast"],
        "The ways to find the address of a NetBIOS name. The server itself resolves by DNS only.",
        status=ACCEPTED,
    )
    min_receivefile_size = Param(SIZE, 0, "Large writes always take the direct path here.", status=ACCEPTED)
    multicast_dns_register = Param(
        BOOL,
        True,
        """Announce the server by multicast DNS. Use the Avahi service file that comes with the server
        instead.""",
        status=KNOWN,
    )
    disable_netbios = Param(
        BOOL,
        False,
        "There is no NetBIOS name service here to disable; run nmbd of Samba if one is needed.",
        status=ACCEPTED,
    )
