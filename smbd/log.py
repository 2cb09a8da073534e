"""Logging as Samba's administrators know it, on the standard library's `logging`.

`configure` puts a `LogOptions` (usually made of a configuration by `options_of`) in force for this process: at the
start, after a fork with the client's own file name, after a reload. No failure to write a log ever reaches the server.
"""

from __future__ import annotations

import logging
import os
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, TextIO

from smbd.config.loadparm import Config
from smbd.config.paths import LOG_DIRECTORY
from smbd.config.substitute import SubstContext, substitute
from smbd.log_levels import CLASSES, LogLevels, class_of, parse_log_level, python_level, samba_level
from smbd.logfile import LogFile

_log = logging.getLogger(__name__)

#: What %m stands for in processes that have no client.
PARENT_NAME: Final = "smbd"
_KIB: Final = 1024
_PACKAGES: Final = ("smbd", "vfs", "messaging")

FILE: Final = "file"
STDOUT: Final = "stdout"
STDERR: Final = "stderr"


@dataclass(frozen=True, slots=True)
class LogOptions:
    """How this process logs.

    Attributes:
        levels: `log level`.
        target: `FILE`, `STDOUT` or `STDERR`.
        path: the file of target `FILE`, all variables replaced.
        max_size: bytes after which the file is rotated, 0 for never.
        timestamp, hires, pid, uid, debug_class, prefix, syslog_format: which parts the header has.
    """

    levels: LogLevels
    target: str = STDERR
    path: str = ""
    max_size: int = 0
    timestamp: bool = True
    hires: bool = True
    pid: bool = False
    uid: bool = False
    debug_class: bool = False
    prefix: bool = False
    syslog_format: bool = False


def path_of(config: Config, context: SubstContext | None = None) -> str:
    """Return the log file of a process; `context` as for `options_of`."""
    path = substitute(config.globals.log_file, context or SubstContext(client_name=PARENT_NAME))
    return path or f"{LOG_DIRECTORY}/log.{PARENT_NAME}"


def options_of(config: Config, context: SubstContext | None = None, *, target: str = FILE) -> LogOptions:
    """Make the log options of a configuration.

    Args:
        config: the configuration.
        context: what the variables in `log file` stand for; None for a process without a client.
        target: where the log goes.
    """
    params = config.globals
    try:
        levels = parse_log_level(params.log_level)
    except ValueError as error:
        levels = LogLevels(default=1)
        _log.warning("log level = %s: %s; taken as 1", params.log_level, error)
    return LogOptions(
        levels=levels,
        target=target,
        path=path_of(config, context),
        max_size=params.max_log_size * _KIB,
        timestamp=params.timestamp_logs,
        hires=params.debug_hires_timestamp,
        pid=params.debug_pid,
        uid=params.debug_uid,
        debug_class=params.debug_class,
        prefix=params.debug_prefix_timestamp,
        syslog_format=params.debug_syslog_format,
    )


class SambaFormatter(logging.Formatter):
    """A header ``[date,  level, pid=...] logger(function)``, then the message indented by two blanks."""

    def __init__(self, options: LogOptions) -> None:
        super().__init__()
        self._options = options
        self._host = socket.gethostname().partition(".")[0]

    def format(self, record: logging.LogRecord) -> str:
        """Return the message with its header and a line end."""
        text = record.getMessage()
        if record.exc_info:
            text += "\n" + self.formatException(record.exc_info)
        options = self._options
        if options.syslog_format:
            date = time.strftime("%b %e %H:%M:%S", time.localtime(record.created))
            return f"{date} {self._host} {PARENT_NAME}[{os.getpid()}]:   {text}\n"
        if not options.timestamp:
            return text + "\n"
        if options.prefix:
            return f"{self._header(record)} {text}\n"
        body = text.replace("\n", "\n  ")
        return f"{self._header(record)} {record.name}({record.funcName})\n  {body}\n"

    def _header(self, record: logging.LogRecord) -> str:
        options = self._options
        date = time.strftime("%Y/%m/%d %H:%M:%S", time.localtime(record.created))
        if options.hires:
            date += f".{int(record.created % 1 * 1_000_000):06d}"
        parts = [f"{date}, {samba_level(record.levelno):2d}"]
        if options.pid:
            parts.append(f"pid={os.getpid()}")
        if options.uid:
            parts.append(f"effective({os.geteuid()}, {os.getegid()})")
            parts.append(f"real({os.getuid()}, {os.getgid()})")
        if options.debug_class:
            parts.append(f"class={class_of(record.name)}")
        return f"[{', '.join(parts)}]"


class LogFileHandler(logging.Handler):
    """Writes to a `LogFile`."""

    def __init__(self, file: LogFile) -> None:
        super().__init__()
        self.file = file

    def emit(self, record: logging.LogRecord) -> None:
        """Write one message; whatever goes wrong stays here."""
        try:
            self.file.write(self.format(record).encode("utf-8", "backslashreplace"))
        except Exception:  # noqa: BLE001 - a message whose arguments do not fit must not end a request
            self.file.lost += 1

    def close(self) -> None:
        """Close the file."""
        self.file.close()
        super().close()


class StreamHandler(logging.Handler):
    """Writes to standard output or standard error; a reader that went away is no error."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream

    def emit(self, record: logging.LogRecord) -> None:
        """Write one message; whatever goes wrong stays here."""
        try:
            self._stream.write(self.format(record))
            self._stream.flush()
        except Exception:  # noqa: BLE001, S110 - see above
            pass


class _State:
    """The logging of this process: there is one, as there is one `logging`."""

    def __init__(self) -> None:
        self.options = LogOptions(LogLevels(default=1))
        self.path_of: Callable[[], str] | None = None
        self.handlers: list[logging.Handler] = []
        self.loggers: set[str] = set()


_state: Final = _State()


def configure(options: LogOptions) -> None:
    """Put log options in force, replacing those before."""
    logging.addLevelName(25, "NOTICE")
    logging.captureWarnings(capture=True)
    old = _state.handlers
    formatter = SambaFormatter(options)
    main = _handler(options.target, options.path, options.max_size, formatter)
    _state.options, _state.path_of = options, None
    _state.handlers = [main]
    _reset_loggers()
    root = logging.getLogger()
    for handler in old:
        root.removeHandler(handler)
    root.addHandler(main)
    _apply_levels(options, formatter)
    for handler in old:
        handler.close()


def path_in_force() -> str:
    """Return the log file of this process, or what it would be."""
    return _options().path


def _options() -> LogOptions:
    """Return what is in force."""
    if _state.path_of is not None:
        _state.options, _state.path_of = replace(_state.options, path=_state.path_of()), None
    return _state.options


def move_to(path_of: Callable[[], str]) -> None:
    """Write to another file from now on, with everything else as it is: for a process just forked.

    The first message asks which one, and opens it: most workers never write one.
    """
    _state.path_of = path_of
    for main in _state.handlers[:1]:
        if isinstance(main, LogFileHandler):
            main.file.move_to(path_of)


def _handler(target: str, path: str, max_size: int, formatter: logging.Formatter) -> logging.Handler:
    handler: logging.Handler
    if target == FILE:
        file = LogFile(path, max_size)
        handler = LogFileHandler(file) if file.is_open else StreamHandler(sys.stderr)
    else:
        handler = StreamHandler(sys.stdout if target == STDOUT else sys.stderr)
    handler.setFormatter(formatter)
    return handler


def _reset_loggers() -> None:
    for name in _state.loggers:
        logger = logging.getLogger(name)
        logger.setLevel(logging.NOTSET)
        logger.propagate = True
        for handler in list(logger.handlers):
            logger.removeHandler(handler)
    _state.loggers.clear()


def _apply_levels(options: LogOptions, formatter: logging.Formatter) -> None:
    levels = options.levels
    # Libraries speak in levels of their own: only our packages follow `log level` below a warning.
    logging.getLogger().setLevel(max(logging.WARNING, python_level(levels.default)))
    for package in _PACKAGES:
        logging.getLogger(package).setLevel(python_level(levels.default))
        _state.loggers.add(package)
    for name in CLASSES:
        if name not in levels.classes and name not in levels.files:
            continue
        for prefix in CLASSES[name]:
            logger = logging.getLogger(prefix)
            logger.setLevel(python_level(levels.level(name)))
            _state.loggers.add(prefix)
            path = levels.files.get(name)
            if path:
                handler = _handler(FILE, path, options.max_size, formatter)
                logger.addHandler(handler)
                logger.propagate = False
                _state.handlers.append(handler)


def set_levels(text: str) -> None:
    """Change the levels of this process, as by smbcontrol's ``debug``.

    Raises:
        ValueError: if `text` is no value of `log level`; nothing is changed.
    """
    configure(replace(_options(), levels=parse_log_level(text)))


def levels_text() -> str:
    """Return the levels in force, as smbcontrol's ``debuglevel`` shows them."""
    return str(_state.options.levels)


def reopen() -> None:
    """Open all log files anew, after log rotation moved them away."""
    for handler in _state.handlers:
        if isinstance(handler, LogFileHandler):
            handler.file.reopen()
