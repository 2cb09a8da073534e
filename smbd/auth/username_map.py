r"""The `username map` file: which Unix user a client's user name means.

    # comment
    unixname = windowsname "name with blanks" DOMAIN\name @unixgroup
    !unixname = name        stop here if this line matched
    guest = *               everybody

Without the exclamation mark later lines go on and the last that matches wins, as in Samba.
"""

from __future__ import annotations

import grp
import logging
import pwd
import shlex
from pathlib import Path
from typing import NamedTuple

_log = logging.getLogger(__name__)


class _Line(NamedTuple):
    unix_name: str
    names: tuple[str, ...]
    stop: bool


class UsernameMap:
    """A map file, read when it is first needed and again whenever it changed."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._lines: tuple[_Line, ...] = ()
        self._stamp: tuple[int, int, int] | None = None

    def map(self, user: str, domain: str = "") -> str:
        """Return the Unix name for a client's user name; the name itself if no line matches."""
        if not self._path:
            return user
        self._refresh()
        mapped = user
        for line in self._lines:
            if any(_matches(name, user, domain) for name in line.names):
                mapped = line.unix_name
                if line.stop:
                    break
        if mapped != user:
            _log.info("user name %s is mapped to %s", user, mapped)
        return mapped

    def _refresh(self) -> None:
        try:
            file = Path(self._path)
            status = file.stat()
            stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
            if stamp == self._stamp:
                return
            text = file.read_text(encoding="utf-8", errors="surrogateescape")
        except FileNotFoundError as error:
            _log.warning("username map: %s", error)
            self._lines, self._stamp = (), None
            return
        except OSError as error:
            # The file is there: what was read of it before stays in force.
            _log.error("username map: %s", error)
            return
        self._lines, self._stamp = parse(text, self._path), stamp


def parse(text: str, path: str = "") -> tuple[_Line, ...]:
    """Parse the content of a map file; a line that cannot be understood is reported and left out."""
    lines = []
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if not line or line[0] in "#;":
            continue
        stop = line.startswith("!")
        unix_name, equals, names = line.removeprefix("!").partition("=")
        unix_name = unix_name.strip().strip('"')
        words = _words(names)
        if not equals or not unix_name or words is None:
            _log.warning("%s:%d: not a line of a user name map: %s", path, number, line)
            continue
        lines.append(_Line(unix_name, words, stop))
    return tuple(lines)


def _words(text: str) -> tuple[str, ...] | None:
    """Split at blanks and commas outside of double quotes; a backslash is just a character."""
    lexer = shlex.shlex(text, posix=True)
    lexer.whitespace += ","
    lexer.whitespace_split = True
    lexer.quotes = '"'
    lexer.escape = ""
    lexer.commenters = ""
    try:
        return tuple(lexer)
    except ValueError:
        return None


def _matches(pattern: str, user: str, domain: str) -> bool:
    if pattern == "*":
        return True
    if pattern[0] in "@+&":
        return _in_unix_group(user, pattern.lstrip("@+&"))
    folded = pattern.lower()
    return folded == user.lower() or (bool(domain) and folded == f"{domain}\\{user}".lower())


def _in_unix_group(user: str, group: str) -> bool:
    try:
        entry = grp.getgrnam(group)
    except (KeyError, ValueError):
        return False
    folded = user.lower()
    if any(member.lower() == folded for member in entry.gr_mem):
        return True
    try:
        return pwd.getpwnam(folded).pw_gid == entry.gr_gid
    except (KeyError, ValueError):
        return False
