"""The access check ([MS-DTYP] 2.5.3.2, with the file rules of [MS-FSA] 2.1.5.1.2.1).

What a token may do with an object does not depend on what it asks for: the first entry that names a right decides
about it. So the check is one walk that yields everything allowed, remembered by descriptor and token, and a
comparison with what was asked.
"""

from __future__ import annotations

from typing import Final

from vfs.access import (
    ACCESS_SYSTEM_SECURITY,
    DELETE,
    FILE_ALL_ACCESS,
    FILE_GENERIC_READ,
    FILE_GENERIC_WRITE,
    FILE_TRAVERSE,
    MAXIMUM_ALLOWED,
    READ_CONTROL,
    WRITE_DAC,
    WRITE_OWNER,
    map_generic,
)
from vfs.ntstatus import STATUS_ACCESS_DENIED, STATUS_PRIVILEGE_NOT_HELD, NTStatusError
from vfs.security_acl import ALLOW_TYPES, DENY_TYPES, INHERIT_ONLY_ACE
from vfs.security_descriptor import SecurityDescriptor
from vfs.sid import SID_OWNER_RIGHTS
from vfs.token import (
    SE_BACKUP_PRIVILEGE,
    SE_RESTORE_PRIVILEGE,
    SE_SECURITY_PRIVILEGE,
    SE_TAKE_OWNERSHIP_PRIVILEGE,
    SecurityToken,
)

#: What an owner may always do, unless an OWNER RIGHTS entry says otherwise.
OWNER_IMPLICIT_ACCESS: Final = READ_CONTROL | WRITE_DAC
#: [MS-FSA] 2.1.5.1: what SeBackupPrivilege gives an open with FILE_OPEN_FOR_BACKUP_INTENT.
BACKUP_ACCESS: Final = READ_CONTROL | ACCESS_SYSTEM_SECURITY | FILE_GENERIC_READ | FILE_TRAVERSE
#: The same for SeRestorePrivilege.
RESTORE_ACCESS: Final = WRITE_DAC | WRITE_OWNER | ACCESS_SYSTEM_SECURITY | FILE_GENERIC_WRITE | DELETE
_CACHE_SIZE: Final = 512


def _walk(sd: SecurityDescriptor, token: SecurityToken) -> int:
    if token.is_system or sd.dacl is None:
        # No DACL and the NULL DACL protect nothing.
        return FILE_ALL_ACCESS
    sids = token.sid_set
    is_owner = sd.owner is not None and sd.owner in sids
    allowed = denied = 0
    owner_rights = False
    for ace in sd.dacl.aces:
        if ace.flags & INHERIT_ONLY_ACE:
            continue
        sid = ace.sid
        if sid == SID_OWNER_RIGHTS:
            owner_rights = True
            if not is_owner:
                continue
        elif sid not in sids:
            continue
        if ace.type in ALLOW_TYPES:
            allowed |= map_generic(ace.mask) & ~denied
        elif ace.type in DENY_TYPES:
            denied |= map_generic(ace.mask) & ~allowed
    if is_owner and not owner_rights:
        allowed |= OWNER_IMPLICIT_ACCESS
    if token.privileges & SE_TAKE_OWNERSHIP_PRIVILEGE:
        allowed |= WRITE_OWNER
    return allowed & FILE_ALL_ACCESS


def maximal_access(sd: SecurityDescriptor, token: SecurityToken) -> int:
    """Every right `token` has by `sd`; without ACCESS_SYSTEM_SECURITY."""
    cache = token.access_cache
    known = cache.get(id(sd))
    if known is not None:
        return known[1]
    access = _walk(sd, token)
    if len(cache) >= _CACHE_SIZE:
        del cache[next(iter(cache))]
    # The descriptor is kept beside its result: its id must not come back for another one.
    cache[id(sd)] = (sd, access)
    return access


def access_check(
    sd: SecurityDescriptor, token: SecurityToken, desired: int, *, backup_intent: bool = False
) -> int:
    """What of `desired` is granted: all of it (generic rights and MAXIMUM_ALLOWED resolved), or the check fails.

    Args:
        sd: the descriptor of the object.
        token: who asks.
        desired: the access mask as asked.
        backup_intent: FILE_OPEN_FOR_BACKUP_INTENT was given, so the backup and restore privileges count.

    Raises:
        NTStatusError: STATUS_ACCESS_DENIED, or STATUS_PRIVILEGE_NOT_HELD if only a privilege would give the SACL.
    """
    allowed = maximal_access(sd, token)
    privileges = token.privileges
    if backup_intent:
        if privileges & SE_BACKUP_PRIVILEGE:
            allowed |= BACKUP_ACCESS
        if privileges & SE_RESTORE_PRIVILEGE:
            allowed |= RESTORE_ACCESS
    if desired & ACCESS_SYSTEM_SECURITY:
        if not (token.is_system or privileges & SE_SECURITY_PRIVILEGE or allowed & ACCESS_SYSTEM_SECURITY):
            raise NTStatusError(STATUS_PRIVILEGE_NOT_HELD, "the SACL needs SeSecurityPrivilege")
        allowed |= ACCESS_SYSTEM_SECURITY
    else:
        allowed &= ~ACCESS_SYSTEM_SECURITY
    wanted = map_generic(desired & ~MAXIMUM_ALLOWED)
    if desired & MAXIMUM_ALLOWED:
        wanted |= allowed
    missing = wanted & ~allowed
    if missing:
        raise NTStatusError(STATUS_ACCESS_DENIED, f"0x{missing:08x} of 0x{desired:08x} is not allowed")
    return wanted
