"""The options that all of Samba's programs have in common."""

from __future__ import annotations

import argparse
import sys
from typing import Final, NoReturn

import smbd

EXIT_USAGE: Final = 1


class Parser(argparse.ArgumentParser):
    """Ends with 1 after a mistake, as Samba's programs do."""

    def error(self, message: str) -> NoReturn:
        """Tell the mistake and end the program."""
        self.print_usage(sys.stderr)
        self.exit(EXIT_USAGE, f"{self.prog}: {message}\n")


def parse_setting(text: str) -> tuple[str, str]:
    """Read the argument of ``--option``.

    Raises:
        argparse.ArgumentTypeError: it is not of the form name=value.
    """
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form name=value")
    return name.strip(), value.strip()


def add_common_options(parser: argparse.ArgumentParser) -> None:
    """Add ``-s -d -l --option --debug-stdout -V``."""
    parser.add_argument("-s", "--configfile", metavar="FILE", help="use this configuration file")
    parser.add_argument("-d", "--debuglevel", metavar="LEVEL", help="set the log level")
    parser.add_argument("-l", "--log-basename", metavar="DIR", help="directory of the log files")
    parser.add_argument(
        "--option", action="append", type=parse_setting, default=[], metavar="NAME=VALUE",
        help="set a parameter of smb.conf",
    )  # fmt: skip
    parser.add_argument("--debug-stdout", action="store_true", help="send the log to standard output")
    parser.add_argument("-V", "--version", action="version", version=f"Version {smbd.__version__}")


def overrides_of(options: argparse.Namespace) -> list[tuple[str, str]]:
    """Return the parameters of smb.conf that the common options set."""
    overrides: list[tuple[str, str]] = list(options.option)
    if options.debuglevel is not None:
        overrides.append(("log level", options.debuglevel))
    return overrides
