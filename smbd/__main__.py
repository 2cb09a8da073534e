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
from typing import Final, NoReturn

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
from smbd.parent import Parent
from smbd.pidfile import PidFile, PidFileBusyError
from smbd.xsrv.databases import Databases, DatabaseVersionError, open_databases

EXIT_FAILED: Final = 1

#: Descriptors that a worker needs besides its clients' open files.
_SPARE_DESCRIPTORS: Final = 256
_FILETIME_EPOCH: Final = 116_444_736_000_000_000
_START_ERRORS: Final = (
    ConfigError, DatabaseVersionError, DbError, ListenError, MessagingError, PassdbError, PidFileBusyError, OSError,
)  # fmt: skip


class _Parser(argparse.ArgumentParser):
    """Ends with 1 after a mistake, as Samba's programs do."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(EXIT_FAILED, f"{self.prog}: {message}\n")


def _setting(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form name=value")
    return name.strip(), value.strip()


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of smbd's command line."""
    parser = _Parser(prog="smbd", description="SMB2/SMB3 file server", allow_abbrev=False)
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("-D", "--daemon", action="store_true", help="become a daemon (default)")
    mode.add_argument("-F", "--foreground", action="store_true", help="stay in the foreground")
    mode.add_argument(
        "-i", "--interactive", action="store_true",
        help="stay in the foreground, log to standard output, serve one connection",
    )  # fmt: skip
    parser.add_argument("-s", "--configfile", metavar="FILE", help="use this configuration file")
    parser.add_argument("-p", "--port", action="append", metavar="PORTS", help="listen on these ports")
    parser.add_argument("-d", "--debuglevel", metavar="LEVEL", help="set the log level")
    parser.add_argument("-l", "--log-basename", metavar="DIR", help="directory of the log files")
    parser.add_argument(
        "--option", action="append", type=_setting, default=[], metavar="NAME=VALUE",
        help="set a parameter of smb.conf",
    )  # fmt: skip
    parser.add_argument("--debug-stdout", action="store_true", help="send the log to standard output")
    parser.add_argument("--no-process-group", action="store_true", help="stay in the caller's process group")
    parser.add_argument("-b", "--build-options", action="store_true", help="print how smbd was built")
    parser.add_argument("-V", "--version", action="version", version=f"Version {smbd.__version__}")
    return parser


def _source(options: argparse.Namespace) -> ConfigSource:
    overrides = list(options.option)
    if options.debuglevel is not None:
        overrides.append(("log level", options.debuglevel))
    if options.port:
        overrides.append(("smb ports", " ".join(options.port)))
    if options.log_basename:
        directory = os.path.abspath(options.log_basename)
        overrides.append(("log file", os.path.join(directory, f"log.{log.PARENT_NAME}")))
    stdout = options.debug_stdout or options.interactive
    path = os.path.abspath(options.configfile or paths.default_config_file())
    return ConfigSource(path, tuple(overrides), log.STDOUT if stdout else log.FILE)


def _print_build_options(config: Config) -> None:
    params = config.globals
    print(f"Build environment:\n   Version:    {smbd.__version__}\n   Python:     {platform.python_version()}")
    print(f"   Platform:   {platform.platform()}\n\nPaths:")
    for name, value in (
        ("CONFIGFILE", config.path),
        ("LOGFILE", params.log_file or os.path.join(paths.LOG_DIRECTORY, f"log.{log.PARENT_NAME}")),
        ("LOCKDIR", params.lock_directory),
        ("STATEDIR", params.state_directory),
        ("CACHEDIR", params.cache_directory),
        ("PIDDIR", params.pid_directory),
        ("PRIVATE_DIR", params.private_dir),
    ):
        print(f"   {name}: {value}")


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
    if soft not in {resource.RLIM_INFINITY} and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _server_guid(config: Config) -> bytes:
    """ServerGuid of [MS-SMB2] 3.3.3: the same after a restart, so that clients know the server again."""
    return uuid.uuid5(uuid.NAMESPACE_DNS, config.globals.netbios_name.lower()).bytes_le


def _open_state(config: Config) -> tuple[Databases, Passdb]:
    databases = open_databases(config.globals.lock_directory)
    databases.check_version(smbd.__version__)
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
    parent.start(PidFile(os.path.join(config.globals.pid_directory, "smbd.pid")))
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
    problems = error.problems if isinstance(error, ConfigError) else [error]
    for problem in problems:
        print(f"smbd: {problem}", file=sys.stderr)


def main(argv: Sequence[str] | None = None) -> int:
    """Run smbd; return its exit code."""
    options = make_parser().parse_args(argv)
    source = _source(options)
    try:
        config = source.load()
        if options.build_options:
            _print_build_options(config)
            return 0
        log.parse_log_level(config.globals.log_level)
    except (ConfigError, ValueError) as error:
        _explain(error)
        return EXIT_FAILED
    for warning in config.warnings:
        print(f"smbd: {warning}", file=sys.stderr)
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
