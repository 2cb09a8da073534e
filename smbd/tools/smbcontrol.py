"""smbcontrol: send a message to processes of a running server.

Takes Samba's destinations and commands. Answers are waited for where the command has one; the exit status is 1 if
nobody was there or nobody answered in time.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from messaging.bus import Bus, MessagingError
from messaging.dbwrap.base import DbError
from messaging.msg_types import (
    MSG_DEBUG,
    MSG_DEBUGLEVEL,
    MSG_PING,
    MSG_PONG,
    MSG_RELOAD_CONFIG,
    MSG_REQ_DEBUGLEVEL,
    MSG_SHUTDOWN,
    MSG_SMB_FORCE_TDIS,
    MSG_SMB_KILL_CLIENT_IP,
    MSG_SMB_NUM_CHILDREN,
    MSG_SMB_TELL_NUM_CHILDREN,
)
from messaging.poll_reactor import PollReactor
from messaging.server_id import ServerId, living_processes, new_server_id, parse_server_id
from smbd.config.access import parse_address
from smbd.config.loadparm import ConfigError, load_config
from smbd.config.paths import default_config_file
from smbd.daemons.names import Names
from smbd.log_levels import parse_log_level
from smbd.tools.options import Parser, add_common_options, overrides_of

EXIT_FAILED: Final = 1
DEFAULT_TIMEOUT: Final = 10.0
ALL: Final = "all"


class ControlError(Exception):
    """The command cannot be carried out; the message says why."""


@dataclass(frozen=True, slots=True)
class Command:
    """One message type of smbcontrol.

    Attributes:
        text: what it does, for the help.
        msg_type: the message sent.
        argument: what its only argument is called; empty if it has none.
        check: raises `ValueError` if the argument is no good.
        reply_type: the message that answers; 0 if there is none.
        show: the line to print for an answer.
    """

    text: str
    msg_type: int
    argument: str = ""
    check: Callable[[str], object] | None = None
    reply_type: int = 0
    show: Callable[[str], str] = str


def _check_address(text: str) -> None:
    if parse_address(text) is None:
        raise ValueError(f"{text!r} is not an IP address")


COMMANDS: Final = {
    "debug": Command("Set debuglevel", MSG_DEBUG, "debug-string", parse_log_level),
    "ping": Command(
        "Elicit a response", MSG_PING, reply_type=MSG_PONG, show=lambda pid: f"PONG from pid {pid}"
    ),
    "debuglevel": Command("Display current debuglevels", MSG_REQ_DEBUGLEVEL, reply_type=MSG_DEBUGLEVEL),
    "close-share": Command("Forcibly disconnect a share", MSG_SMB_FORCE_TDIS, "sharename"),
    "kill-client-ip": Command(
        "Forcibly disconnect a client with a specific IP address",
        MSG_SMB_KILL_CLIENT_IP, "IP address", _check_address,
    ),
    "shutdown": Command("Shut down daemon", MSG_SHUTDOWN),
    "reload-config": Command("Force smbd to reload its configuration", MSG_RELOAD_CONFIG),
    "num-children": Command(
        "Print number of smbd child processes", MSG_SMB_TELL_NUM_CHILDREN,
        reply_type=MSG_SMB_NUM_CHILDREN, show=lambda number: f"{number} children",
    ),
}  # fmt: skip


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of smbcontrol's command line."""
    lines = "\n".join(f"  {name:<20} {command.text}" for name, command in COMMANDS.items())
    parser = Parser(
        prog="smbcontrol",
        allow_abbrev=False,
        usage="smbcontrol [OPTION...] <destination> <message-type> <parameters>",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description='<destination> is "smbd", "all", the name of a helper such as "cleanupd", or a process id',
        epilog=f"<message-type> is one of:\n{lines}",
    )
    parser.add_argument(
        "-t", "--timeout", type=float, default=DEFAULT_TIMEOUT, metavar="SECONDS", help="how long to wait for answers"
    )
    add_common_options(parser)
    parser.add_argument("destination", help=argparse.SUPPRESS)
    parser.add_argument("message_type", help=argparse.SUPPRESS)
    parser.add_argument("parameters", nargs="*", help=argparse.SUPPRESS)
    return parser


def find_destinations(lock_directory: str, destination: str) -> list[ServerId] | None:
    """Return the processes meant by a destination; None for all of them.

    Raises:
        ControlError: there is no such process.
    """
    if destination == ALL:
        return None
    names = Names(lock_directory)
    try:
        wanted = parse_server_id(destination)
    except ValueError:
        found = names.lookup(destination)
        if found is None:
            raise ControlError(f"Can't find pid for destination '{destination}'") from None
        return [found.server_id]
    speaker = names.speaker_for(wanted.pid)
    if speaker is not None:
        return [speaker]
    if all(peer.pid != wanted.pid for peer in living_processes(lock_directory)):
        raise ControlError(f"no process {destination} of a server in {lock_directory}")
    return [wanted]


class Session:
    """One run of smbcontrol.

    Args:
        lock_directory: of the server.
        timeout: seconds to wait for answers.
        output: where lines go.
    """

    def __init__(self, lock_directory: str, timeout: float, output: Callable[[str], object] = print) -> None:
        self._reactor = PollReactor()
        self._bus = Bus(lock_directory, new_server_id(), self._reactor)
        self._timeout = timeout
        self._output = output
        self._answers = 0

    def send(self, destinations: list[ServerId] | None, command: Command, argument: str) -> bool:
        """Send a command and show the answers; False if nobody was reached, or nobody answered."""
        if command.reply_type:
            self._bus.register(command.reply_type, lambda _source, payload: self._show(command, payload))
        payload = argument.encode()
        if destinations is None:
            sent = self._bus.broadcast(command.msg_type, payload)
        else:
            for destination in destinations:
                self._bus.send(destination, command.msg_type, payload)
            sent = len(destinations)
        if not sent or not command.reply_type:
            return sent > 0
        deadline = time.monotonic() + self._timeout
        while self._answers < sent and (left := deadline - time.monotonic()) > 0:
            self._reactor.run_once(left)
        if not self._answers:
            self._output("No replies received")
        return self._answers > 0

    def _show(self, command: Command, payload: bytes) -> None:
        self._answers += 1
        self._output(command.show(payload.decode("utf-8", "replace")))

    def close(self) -> None:
        """Leave the bus, when what was sent has left."""
        self._bus.close()


def _argument_of(name: str, command: Command, parameters: Sequence[str]) -> str:
    usage = f"Usage: smbcontrol <dest> {name}" + (f" <{command.argument}>" if command.argument else "")
    if len(parameters) != bool(command.argument):
        raise ControlError(usage)
    argument = parameters[0] if parameters else ""
    if command.check is not None:
        try:
            command.check(argument)
        except ValueError as error:
            raise ControlError(f"{error}\n{usage}") from error
    return argument


def main(argv: Sequence[str] | None = None) -> int:
    """Run smbcontrol; return its exit code."""
    options = make_parser().parse_args(argv)
    command = COMMANDS.get(options.message_type)
    try:
        if command is None:
            raise ControlError(f"smbcontrol: unknown command '{options.message_type}'")  # noqa: TRY301
        argument = _argument_of(options.message_type, command, options.parameters)
        config = load_config(options.configfile or default_config_file(), overrides_of(options))
        lock_directory = config.globals.lock_directory
        destinations = find_destinations(lock_directory, options.destination)
        session = Session(lock_directory, options.timeout)
        try:
            return 0 if session.send(destinations, command, argument) else EXIT_FAILED
        finally:
            session.close()
    except (ControlError, ConfigError, DbError, MessagingError, OSError) as error:
        print(error, file=sys.stderr)
        return EXIT_FAILED


if __name__ == "__main__":
    sys.exit(main())
