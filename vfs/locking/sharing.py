"""Which opens of one file exclude each other ([MS-FSA] 2.1.5.1.2.2)."""

from __future__ import annotations

from typing import Final

from vfs.access import DELETE, FILE_APPEND_DATA, FILE_EXECUTE, FILE_READ_DATA, FILE_WRITE_DATA
from vfs.constants import FILE_SHARE_DELETE, FILE_SHARE_READ, FILE_SHARE_WRITE

_READ: Final = FILE_READ_DATA | FILE_EXECUTE
_WRITE: Final = FILE_WRITE_DATA | FILE_APPEND_DATA
CONFLICTING_ACCESS: Final = _READ | _WRITE | DELETE
"""An open without any of these rights takes no part in sharing."""
SHARE_ALL: Final = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE


def conflicts(access: int, share: int, other_access: int, other_share: int) -> bool:
    """Tell whether two opens of one file exclude each other.

    Instead of the other one there may be many: then `other_access` is what any of them has, and `other_share` what all
    of them share.
    """
    if not access & CONFLICTING_ACCESS or not other_access & CONFLICTING_ACCESS:
        return False
    if access & _READ and not other_share & FILE_SHARE_READ:
        return True
    if access & _WRITE and not other_share & FILE_SHARE_WRITE:
        return True
    if access & DELETE and not other_share & FILE_SHARE_DELETE:
        return True
    if other_access & _READ and not share & FILE_SHARE_READ:
        return True
    if other_access & _WRITE and not share & FILE_SHARE_WRITE:
        return True
    return bool(other_access & DELETE) and not share & FILE_SHARE_DELETE
