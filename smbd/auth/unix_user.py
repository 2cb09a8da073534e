"""Unix users and groups from the name service switch."""

from __future__ import annotations

import ctypes
import grp
import os
import pwd
from functools import cache
from typing import NamedTuple


class UnixUser(NamedTuple):
    """A Unix user with the groups it belongs to."""

    name: str
    uid: int
    gid: int
    groups: tuple[int, ...]
    home: str = ""
    full_name: str = ""


def find_user(name: str) -> UnixUser | None:
    """Look a user up, as written and then in lower case: SMB clients do not mind the case of names."""
    for spelling in dict.fromkeys((name, name.lower())):
        try:
            entry = pwd.getpwnam(spelling)
        except (KeyError, ValueError):
            continue
        return _with_groups(entry)
    return None


def process_user() -> UnixUser:
    """The user as which this process runs; the only one there is when it was not started by root."""
    uid, gid = os.geteuid(), os.getegid()
    groups = tuple(sorted({gid, *os.getgroups()}))
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        return UnixUser(str(uid), uid, gid, groups)
    return UnixUser(entry.pw_name, uid, gid, groups, entry.pw_dir, _full_name(entry))


def user_name(uid: int) -> str | None:
    """Return the name of a uid."""
    try:
        return pwd.getpwuid(uid).pw_name
    except (KeyError, OverflowError):
        return None


def group_name(gid: int) -> str | None:
    """Return the name of a gid."""
    try:
        return grp.getgrgid(gid).gr_name
    except (KeyError, OverflowError):
        return None


def find_group(name: str) -> int | None:
    """Return the gid of a group, looked up as written and then in lower case."""
    for spelling in dict.fromkeys((name, name.lower())):
        try:
            return grp.getgrnam(spelling).gr_gid
        except (KeyError, ValueError):
            continue
    return None


def in_netgroup(netgroup: str, user: str) -> bool:
    """Tell whether a user is in a NIS netgroup."""
    if "\0" in netgroup or "\0" in user:
        return False
    return bool(_libc().innetgr(os.fsencode(netgroup), None, os.fsencode(user), None))


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None)


def _with_groups(entry: pwd.struct_passwd) -> UnixUser:
    groups = tuple(os.getgrouplist(entry.pw_name, entry.pw_gid))
    return UnixUser(entry.pw_name, entry.pw_uid, entry.pw_gid, groups, entry.pw_dir, _full_name(entry))


def _full_name(entry: pwd.struct_passwd) -> str:
    return entry.pw_gecos.split(",", 1)[0]
