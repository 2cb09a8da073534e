"""Global parameters about the server's name, its directories and its processes."""

from __future__ import annotations

import socket

from smbd.config import paths
from smbd.config.enums import PROFILING_LEVEL, SERVER_ROLE
from smbd.config.registry import ACCEPTED, GLOBAL, KNOWN, Param, ParameterSet
from smbd.config.values import BOOL, INT, STRING, UPPER_STRING, WORDS


def _host_name() -> str:
    """The NetBIOS name a machine has by default: the first label of its host name, at most 15 characters."""
    return socket.gethostname().split(".")[0].upper()[:15]


class ServerParams(ParameterSet, scope=GLOBAL):
    """Identity, directories, include mechanics and helpers."""

    netbios_name = Param(
        UPPER_STRING,
        _host_name(),
        "The name under which clients know the server: the host name unless set. Also %L.",
    )
    netbios_aliases = Param[list[str]](
        WORDS, [], "Further names the server answers to; %L is the one that the client used.", status=KNOWN
    )
    workgroup = Param(UPPER_STRING, "WORKGROUP", "The workgroup shown to clients.")
    realm = Param(STRING, "", "The Kerberos realm of the server.", status=KNOWN)
    server_string = Param(
        STRING,
        "pysmbd %v",
        """The comment shown beside the server's name. Differs from Samba's default, which names Samba.""",
    )
    server_role = Param(
        SERVER_ROLE,
        "auto",
        """What the server is within a domain. Only the stand-alone server is implemented: it decides logons
        by its own account database.""",
    )
    config_file = Param(
        STRING, "", "Read the whole configuration from this file instead, if it exists. May hold %-variables."
    )
    lock_directory = Param(
        STRING,
        paths.RUN_DIRECTORY,
        "Where the databases live that do not outlast the server.",
        synonyms=("lock dir",),
    )
    pid_directory = Param(STRING, paths.RUN_DIRECTORY, "Where the pid file is put.")
    state_directory = Param(STRING, paths.STATE_DIRECTORY, "Where state lives that must outlast a reboot.")
    cache_directory = Param(STRING, paths.CACHE_DIRECTORY, "Where state lives that can be made again.")
    private_dir = Param(
        STRING,
        paths.PRIVATE_DIRECTORY,
        "Where accounts and secrets are stored; only root may read it.",
        synonyms=("private directory",),
    )
    ncalrpc_dir = Param(
        STRING, f"{paths.RUN_DIRECTORY}/ncalrpc", "Where sockets for local RPC callers are.", status=KNOWN
    )
    smbd_profiling_level = Param(PROFILING_LEVEL, "off", "Whether counters are kept of each operation.", status=KNOWN)
    clustering = Param(BOOL, False, "Keep the shared databases in CTDB and serve as a cluster node.", status=KNOWN)
    change_notify = Param(BOOL, True, "Tell clients when a directory they watch changes.")
    kernel_change_notify = Param(
        BOOL, True, "Let change notification also see what local programs do to the files."
    )
    kernel_change_notify_directories = Param(
        INT,
        65536,
        """How many directories notifyd lets the kernel watch at most because clients watch what is above them. Each
        takes about one KiB of kernel memory; /proc/sys/fs/inotify/max_user_watches is another limit.""",
    )
    panic_action = Param(
        STRING,
        "",
        "A command to run when a worker dies by a programming error; %d is its process id.",
        status=KNOWN,
    )
    preload_modules = Param[list[str]](WORDS, [], "Modules are Python and loaded on use.", status=ACCEPTED)
    unix_charset = Param(
        STRING, "UTF-8", "The character set of file names on disk. Always UTF-8 here.", status=ACCEPTED
    )
    dos_charset = Param(STRING, "CP850", "Only SMB1 clients use it, and SMB1 is not served.", status=ACCEPTED)
