"""Log levels and debug classes in Samba's terms, on top of the standard library's.

======= ======================= =====================================
Samba   Python                  said by
======= ======================= =====================================
0       40 (ERROR), 50          ``error``, ``exception``, ``critical``
1       30 (WARNING)            ``warning``
2       25 (`NOTICE`)           ``log(NOTICE, ...)``
3       20 (INFO)               ``info``
4       15                      ``log(15, ...)``
5       10 (DEBUG)              ``debug``
6 - 10  9, 8, 7, 6, 5           ``log(5, ...)`` for what only ``-d 10`` shows
======= ======================= =====================================

A debug class is a set of loggers, named by the packages they belong to. Classes of Samba that nothing here speaks in
are known and silent.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

NOTICE: Final = 25
MAX_LEVEL: Final = 10

#: Python's level for each level of Samba.
_PYTHON: Final = (40, 30, NOTICE, 20, 15, 10, 9, 8, 7, 6, 5)

ALL: Final = "all"

#: Samba's debug classes, in its order, and the loggers that speak in them.
CLASSES: Final[dict[str, tuple[str, ...]]] = {
    ALL: (),
    "tdb": ("messaging.dbwrap",),
    "printdrivers": (),
    "lanman": (),
    "smb": ("smbd.transport",),
    "rpc_parse": ("smbd.rpc.ndr",),
    "rpc_srv": ("smbd.rpc",),
    "rpc_cli": (),
    "passdb": ("smbd.auth.passdb",),
    "sam": (),
    "auth": ("smbd.auth", "smbd.gensec"),
    "winbind": (),
    "vfs": ("vfs",),
    "idmap": ("smbd.auth.idmap",),
    "quota": (),
    "acls": ("vfs.security", "vfs.fsa.security"),
    "locking": ("vfs.locking",),
    "msdfs": (),
    "dmapi": (),
    "registry": (),
    "scavenger": ("smbd.daemons.scavenger",),
    "dns": (),
    "ldb": (),
    "tevent": ("smbd.eventloop",),
    "auth_audit": ("smbd.auth.audit",),
    "auth_json_audit": ("smbd.auth.json_audit",),
    "kerberos": ("smbd.gensec.krb5",),
    "drs_repl": (),
    "smb2": ("smbd.smb2", "smbd.xsrv"),
    "smb2_credits": ("smbd.smb2.credits",),
    "dsdb_audit": (),
    "dsdb_json_audit": (),
    "dsdb_password_audit": (),
    "dsdb_password_json_audit": (),
    "dsdb_transaction_audit": (),
    "dsdb_transaction_json_audit": (),
    "dsdb_group_audit": (),
    "dsdb_group_json_audit": (),
}

_SEPARATORS: Final = re.compile(r"[\s,]+")


def python_level(samba: int) -> int:
    """Return the level of `logging` that stands for a level of Samba; beyond the ends the nearest."""
    return _PYTHON[min(max(samba, 0), MAX_LEVEL)]


def samba_level(python: int) -> int:
    """Return the lowest log level at which Samba would show a message of a level of `logging`."""
    for samba, threshold in enumerate(_PYTHON):
        if python >= threshold:
            return samba
    return MAX_LEVEL


def class_of(logger: str) -> str:
    """Return the debug class that a logger speaks in: the one with the longest matching name."""
    best, length = ALL, 0
    for name, prefixes in CLASSES.items():
        for prefix in prefixes:
            if len(prefix) > length and (logger == prefix or logger.startswith(prefix + ".")):
                best, length = name, len(prefix)
    return best


@dataclass(slots=True)
class LogLevels:
    """A parsed `log level`.

    Attributes:
        default: level of everything that has none of its own.
        classes: level by debug class.
        files: file of its own by debug class.
    """

    default: int = 0
    classes: dict[str, int] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)

    def level(self, name: str) -> int:
        """Return the level of a debug class."""
        return self.classes.get(name, self.default)

    def __str__(self) -> str:
        known = {name: self.level(name) for name in CLASSES}
        return " ".join(f"{name}:{level}" for name, level in (known | self.classes | {ALL: self.default}).items())


def parse_log_level(text: str) -> LogLevels:
    """Read a value of `log level`: ``1 auth:3 smb2:5@/var/log/smb2.log``.

    A class that nobody knows is kept, as in Samba: a module may bring it.

    Raises:
        ValueError: if a level is not a number.
    """
    levels = LogLevels()
    for index, word in enumerate(_SEPARATORS.split(text.strip())):
        if not word:
            continue
        name, colon, rest = word.partition(":")
        if not colon:
            if index:
                raise ValueError(f"{word!r}: only the first word may be a level without a class")
            name, rest = ALL, word
        number, _, path = rest.partition("@")
        if not number.isascii() or not number.isdigit():
            raise ValueError(f"{word!r}: {number!r} is not a log level (0 to {MAX_LEVEL})")
        level = min(int(number), MAX_LEVEL)
        if name == ALL:
            levels.default = level
        else:
            levels.classes[name] = level
        if path:
            levels.files[name] = path
    return levels
