"""testparm: check a configuration file and show what it means.

The flags, the messages on standard error and the dump on standard output are those of Samba's testparm, with
the file and line added to every message about a line.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Sequence

import smbd
from smbd.config.access import host_allowed
from smbd.config.checks import check_config, server_role
from smbd.config.dump import (
    UnknownNameError,
    dump_config,
    dump_globals,
    dump_section,
    list_parameters,
    parameter_text,
    section_named,
)
from smbd.config.loadparm import Config, ConfigError, load_config
from smbd.config.paths import default_config_file


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool; returns the exit status: 0, or 1 if anything is an error."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.show_all_parameters:
        print("\n".join(list_parameters()))
        return 0
    if options.client_name and not options.client_address:
        _tell("ERROR: You must specify both a machine name and an IP address.")
        return 1
    path = options.config_file or default_config_file()
    _tell(f"Load smb config files from {path}")
    try:
        config = load_config(path, options.option)
    except ConfigError as error:
        for problem in error.problems:
            _tell(f"ERROR: {problem}")
        _tell("Error loading services.")
        return 1
    for warning in config.warnings:
        _tell(f"WARNING: {warning}")
    _tell("Loaded services file OK.")
    _tell(_weak_crypto())
    _tell("")
    try:
        return _show(config, options)
    except UnknownNameError as error:
        _tell(str(error))
        return 1


def _show(config: Config, options: argparse.Namespace) -> int:
    """Everything after loading; returns the exit status."""
    if options.parameter_name:
        section = section_named(config, options.section_name or "global")
        print(parameter_text(config, section, options.parameter_name))
        return 0
    failed = False
    if not options.skip_logic_checks:
        for finding in check_config(config):
            failed |= finding.is_error
            _tell(f"{finding}\n")
    if options.section_name:
        section = section_named(config, options.section_name)
        if section is None:
            print("\n".join(dump_globals(config, verbose=options.verbose)))
        else:
            print("\n".join(dump_section(config, section)))
        return int(failed)
    _tell(f"Server role: {server_role(config)}\n")
    if options.client_address:
        _check_host(config, options.client_name, options.client_address)
        return int(failed)
    if not options.suppress_prompt:
        _tell("Press enter to see a dump of your service definitions")
        sys.stdin.readline()
    print("\n".join(dump_config(config, verbose=options.verbose)))
    return int(failed)


def _check_host(config: Config, name: str, address: str) -> None:
    """Say for each section whether `hosts allow` and `hosts deny` admit the host."""
    for section in config.sections():
        allowed = host_allowed(section.hosts_allow, section.hosts_deny, address, name)
        verb = "Allow" if allowed else "Deny"
        _tell(f"{verb} connection from {name} ({address}) to {section.name}")


def _weak_crypto() -> str:
    """Whether the cryptography library still offers what NTLM is made of."""
    try:
        hashlib.new("md5", usedforsecurity=True)  # noqa: S324 - only to see whether it is there
    except ValueError:
        return "Weak crypto is disallowed by OpenSSL (e.g. NTLM as a compatibility fallback)"
    return "Weak crypto is allowed by OpenSSL (e.g. NTLM as a compatibility fallback)"


def _tell(message: str) -> None:
    print(message, file=sys.stderr)


def _name_and_value(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form name=value")
    return name.strip(), value.strip()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="testparm", description="Check a configuration file.")
    parser.add_argument("-s", "--suppress-prompt", action="store_true", help="do not wait for enter")
    parser.add_argument("-v", "--verbose", action="store_true", help="show defaults too")
    parser.add_argument("-l", "--skip-logic-checks", action="store_true", help="skip the global checks")
    parser.add_argument(
        "--show-all-parameters", action="store_true", help="show all parameters with their types and words"
    )
    parser.add_argument("--parameter-name", metavar="NAME", help="show this parameter only")
    parser.add_argument("--section-name", metavar="NAME", help="show this section only")
    parser.add_argument("-d", "--debuglevel", metavar="LEVEL", help="accepted for Samba's sake")
    parser.add_argument(
        "--option",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        type=_name_and_value,
        help="set a parameter as if it were in the file; may be repeated",
    )
    parser.add_argument("-V", "--version", action="version", version=f"Version {smbd.__version__}")
    parser.add_argument("config_file", nargs="?", metavar="config-file")
    parser.add_argument("client_name", nargs="?", default="", metavar="host-name")
    parser.add_argument("client_address", nargs="?", default="", metavar="host-ip")
    return parser


if __name__ == "__main__":
    sys.exit(main())
