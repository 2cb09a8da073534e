"""The command ``smbd``: Samba's options, the start of the server, errors in plain words."""

from __future__ import annotations

import argparse
import os
import platform
import resource
import sys
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import smbd
from messaging.bus import MessagingError
from messaging.dbwrap.base import DbError
from smbd import log
from smbd.auth.passdb import Passdb, PassdbError
from smbd.config import paths
from smbd.config.loadparm import Config, ConfigError
from smbd.confsource import ConfigSource
from smbd.daemonise import Readiness, daemonise
from smbd.listen import ListenError
from smbd.log_levels import parse_log_level
from smbd.parent import Parent
from smbd.pidfile import PidFile, PidFileBusyError
from smbd.successor import TAKE_OVER
from smbd.tools.options import Parser, add_common_options, overrides_of
from smbd.xsrv.databases import Databases, open_databases

EXIT_FAILED: Final = 1

#: Descriptors that a worker needs besides its clients' open files.
_SPARE_DESCRIPTORS: Final = 256
_FILETIME_EPOCH: Final = 116_444_736_000_000_000
_START_ERRORS: Final = (
    ConfigError, DbError, ListenError, MessagingError, PassdbError, PidFileBusyError, OSError,
)  # fmt: skip


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of smbd's command line."""
    parser = Parser(prog="smbd", description="SMB2/SMB3 file server", allow_abbrev=False)
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("-D", "--daemon", action="store_true", help="become a daemon (default)")
    mode.add_argument("-F", "--foreground", action="store_true", help="stay in the foreground")
    mode.add_argument(
        "-i", "--interactive", action="store_true",
        help="stay in the foreground, log to standard output, serve one connection",
    )  # fmt: skip
    parser.add_argument("-p", "--port", action="append", metavar="PORTS", help="listen on these ports")
    parser.add_argument(
        TAKE_OVER, action="store_true",
        help="listen beside the server that runs, stop that, and go on in its place",
    )  # fmt: skip
    parser.add_argument("--no-process-group", action="store_true", help="stay in the caller's process group")
    parser.add_argument("-b", "--build-options", action="store_true", help="print how smbd was built")
    add_common_options(parser)
    return parser


def _source(options: argparse.Namespace) -> ConfigSource:
    overrides = overrides_of(options)
    if options.port:
        overrides.append(("smb ports", " ".join(options.port)))
    if options.log_basename:
        directory = Path(options.log_basename).absolute()
        overrides.append(("log file", str(directory / f"log.{log.PARENT_NAME}")))
    stdout = options.debug_stdout or options.interactive
    path = str(Path(options.configfile or paths.default_config_file()).absolute())
    return ConfigSource(path, tuple(overrides), log.STDOUT if stdout else log.FILE)


def _build_options(config: Config) -> str:
    params = config.globals
    directories = {
        "CONFIGFILE": config.path,
        "LOGFILE": params.log_file or f"{paths.LOG_DIRECTORY}/log.{log.PARENT_NAME}",
        "LOCKDIR": params.lock_directory,
        "STATEDIR": params.state_directory,
        "CACHEDIR": params.cache_directory,
        "PIDDIR": params.pid_directory,
        "PRIVATE_DIR": params.private_dir,
    }
    return "\n".join((
        "Build environment:",
        f"   Version:    {smbd.__version__}",
        f"   Python:     {platform.python_version()}",
        f"   Platform:   {platform.platform()}",
        "",
        "Paths:",
        *(f"   {name}: {value}" for name, value in directories.items()),
        "",
    ))


def _prepare_directories(config: Config, source: ConfigSource) -> None:
    params = config.globals
    for directory in (params.lock_directory, params.pid_directory, params.state_directory, params.cache_directory):
        Path(directory).mkdir(mode=0o755, parents=True, exist_ok=True)
    Path(params.private_dir).mkdir(mode=0o700, parents=True, exist_ok=True)
    log_path = source.log_options(config).path
    Path(log_path).parent.mkdir(mode=0o755, parents=True, exist_ok=True)


def _raise_descriptor_limit(config: Config) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = config.globals.max_open_files + _SPARE_DESCRIPTORS
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _server_guid(config: Config) -> bytes:
    """ServerGuid of [MS-SMB2] 3.3.3: the same after a restart, so that clients know the server again."""
    return uuid.uuid5(uuid.NAMESPACE_DNS, config.globals.netbios_name.lower()).bytes_le


def _open_state(config: Config) -> tuple[Databases, Passdb]:
    databases = open_databases(config.globals.lock_directory)
    databases.join(smbd.__version__)
    if config.globals.persistent_handles:
        databases.keep_persistent(config.globals.state_directory)
    return databases, Passdb.open(config.globals.private_dir)


def _serve(options: argparse.Namespace, source: ConfigSource, config: Config, readiness: Readiness) -> int:
    _prepare_directories(config, source)
    log.configure(source.log_options(config))
    _raise_descriptor_limit(config)
    databases, passdb = _open_state(config)
    parent = Parent(
        source,
        config,
        databases,
        passdb,
        server_guid=_server_guid(config),
        start_time=time.time_ns() // 100 + _FILETIME_EPOCH,
        interactive=options.interactive,
    )
    parent.start(PidFile(f"{config.globals.pid_directory}/smbd.pid"), take_over=options.take_over)
    readiness.ready()
    return parent.run()


def _own_process_group(options: argparse.Namespace) -> None:
    # Not in a terminal: its Control-C goes to the group in the foreground, and is to reach us.
    if not options.no_process_group and not sys.stdin.isatty():
        try:
            os.setpgid(0, 0)
        except PermissionError:
            pass  # leader of a session already


def _explain(error: BaseException) -> None:
    _tell(*(error.problems if isinstance(error, ConfigError) else [error]))


def _tell(*messages: object) -> None:
    for message in messages:
        sys.stderr.write(f"smbd: {message}\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run smbd; return its exit code."""
    options = make_parser().parse_args(argv)
    source = _source(options)
    try:
        config = source.load()
        if options.build_options:
            sys.stdout.write(_build_options(config))
            return 0
        parse_log_level(config.globals.log_level)
    except (ConfigError, ValueError) as error:
        _explain(error)
        return EXIT_FAILED
    _tell(*config.warnings)
    os.umask(0)  # the modes of what clients create are a matter of smb.conf
    try:
        if options.foreground or options.interactive:
            _own_process_group(options)
            readiness = Readiness()
        else:
            readiness = daemonise()
        return _serve(options, source, config, readiness)
    except _START_ERRORS as error:
        _explain(error)
        return EXIT_FAILED


if __name__ == "__main__":
    sys.exit(main())
