"""POSIX ACLs: the kernel's xattr encoding, and what they mean as a security descriptor.

The translation is Samba's, entry by entry and in its order: clients compare, backup tools store the result, and
:mod:`vfs.posix.ntacl` hashes it.
"""

from __future__ import annotations

import stat as stat_module
import struct
from collections.abc import Callable
from functools import lru_cache
from typing import Final, NamedTuple

from vfs.access import (
    DELETE,
    FILE_ALL_ACCESS,
    FILE_DELETE_CHILD,
    FILE_GENERIC_EXECUTE,
    FILE_GENERIC_READ,
    FILE_GENERIC_WRITE,
    WRITE_DAC,
    WRITE_OWNER,
)
from vfs.security_acl import (
    CONTAINER_INHERIT_ACE,
    INHERIT_ONLY_ACE,
    OBJECT_INHERIT_ACE,
    Ace,
    Acl,
    allow,
)
from vfs.security_descriptor import SE_DACL_PRESENT, SE_DACL_PROTECTED, SE_SELF_RELATIVE, SecurityDescriptor
from vfs.sid import SID_CREATOR_GROUP, SID_CREATOR_OWNER, SID_WORLD, Sid, unix_group_sid, unix_user_sid

ACCESS_XATTR: Final = "system.posix_acl_access"
DEFAULT_XATTR: Final = "system.posix_acl_default"

ACL_USER_OBJ: Final = 0x01
ACL_USER: Final = 0x02
ACL_GROUP_OBJ: Final = 0x04
ACL_GROUP: Final = 0x08
ACL_MASK: Final = 0x10
ACL_OTHER: Final = 0x20
_TAGS: Final = frozenset({ACL_USER_OBJ, ACL_USER, ACL_GROUP_OBJ, ACL_GROUP, ACL_MASK, ACL_OTHER})
_MASKED: Final = frozenset({ACL_USER, ACL_GROUP_OBJ, ACL_GROUP})
_VERSION: Final = 2
#: Files of a tree share few combinations; one descriptor object for each also serves the access check's memory.
_CACHE_SIZE: Final = 1024
_UNDEFINED_ID: Final = 0xFFFFFFFF
_HEADER = struct.Struct("<I")
_ENTRY = struct.Struct("<HHI")

SidOfId = Callable[[int], Sid]


class PosixAclError(ValueError):
    """The value is not a POSIX ACL."""


class PosixAce(NamedTuple):
    """One entry: tag, permission bits (rwx), and the id of a named user or group."""

    tag: int
    perm: int
    id: int = _UNDEFINED_ID


PosixAcl = tuple[PosixAce, ...]


@lru_cache(maxsize=_CACHE_SIZE)
def unpack(blob: bytes) -> PosixAcl:
    """The entries of a ``system.posix_acl_*`` value.

    Raises:
        PosixAclError: it is cut short or malformed.
    """
    body = len(blob) - _HEADER.size
    if body < 0 or body % _ENTRY.size or _HEADER.unpack_from(blob)[0] != _VERSION:
        raise PosixAclError(f"a POSIX ACL of {len(blob)} bytes")
    entries = tuple(PosixAce(*entry) for entry in _ENTRY.iter_unpack(blob[_HEADER.size :]))
    if any(entry.tag not in _TAGS or entry.perm > 7 for entry in entries):
        raise PosixAclError("a POSIX ACL with unknown entries")
    return entries


def pack(acl: PosixAcl) -> bytes:
    """The value to store for `acl`, whose entries must be in the kernel's order (by tag, then by id)."""
    return _HEADER.pack(_VERSION) + b"".join([_ENTRY.pack(*entry) for entry in acl])


def from_mode(mode: int) -> PosixAcl:
    """The three entries the permission bits of `mode` stand for."""
    return (
        PosixAce(ACL_USER_OBJ, mode >> 6 & 7),
        PosixAce(ACL_GROUP_OBJ, mode >> 3 & 7),
        PosixAce(ACL_OTHER, mode & 7),
    )


#: `dos filemode`: who may write may do these, too.
_WRITERS_MAY: Final = DELETE | WRITE_DAC | WRITE_OWNER


class AccessRules(NamedTuple):
    """What permission bits mean, as the parameters of the same names say."""

    acl_map_full_control: bool = True
    dos_filemode: bool = False


DEFAULT_RULES: Final = AccessRules()


def access_of(perm: int, is_dir: bool, rules: AccessRules = DEFAULT_RULES) -> int:
    """The access mask for the permission bits `perm` (rwx)."""
    mask = 0
    if perm & 2 and rules.dos_filemode:
        mask |= _WRITERS_MAY
    if perm == 7 and rules.acl_map_full_control:
        # Whether a file may be deleted is its directory's business.
        return mask | (FILE_ALL_ACCESS if is_dir else FILE_ALL_ACCESS & ~DELETE)
    if perm & 4:
        mask |= FILE_GENERIC_READ
    if perm & 2:
        mask |= FILE_GENERIC_WRITE | (FILE_DELETE_CHILD if is_dir else 0)
    if perm & 1:
        mask |= FILE_GENERIC_EXECUTE
    return mask


def _entries(
    acl: PosixAcl,
    owner: Sid,
    group: Sid,
    other_sids: tuple[SidOfId, SidOfId],
    is_dir: bool,
    rules: AccessRules,
) -> list[tuple[Sid, int]]:
    """Trustee and access of each entry: owner first, other last, between them Samba's order (the reverse)."""
    uid_to_sid, gid_to_sid = other_sids
    mask = next((entry.perm for entry in acl if entry.tag == ACL_MASK), 7)
    first: list[tuple[Sid, int]] = []
    middle: list[tuple[Sid, int]] = []
    last: list[tuple[Sid, int]] = []
    for tag, perm, unix_id in reversed(acl):
        access = access_of(perm & mask if tag in _MASKED else perm, is_dir, rules)
        if tag == ACL_USER_OBJ:
            first.append((owner, access))
        elif tag == ACL_GROUP_OBJ:
            middle.append((group, access))
        elif tag == ACL_OTHER:
            last.append((SID_WORLD, access))
        elif tag == ACL_USER:
            middle.append((uid_to_sid(unix_id), access))
        elif tag == ACL_GROUP:
            middle.append((gid_to_sid(unix_id), access))
    return first + middle + last


@lru_cache(maxsize=_CACHE_SIZE)
def security_descriptor(
    mode: int,
    uid: int,
    gid: int,
    access_acl: PosixAcl | None = None,
    default_acl: PosixAcl | None = None,
    *,
    uid_to_sid: SidOfId = unix_user_sid,
    gid_to_sid: SidOfId = unix_group_sid,
    rules: AccessRules = DEFAULT_RULES,
) -> SecurityDescriptor:
    """What POSIX mode and ACLs mean as a security descriptor; remembered, so pass the same mappers each time.

    Args:
        mode: of the object, with its type.
        uid: its owner.
        gid: its group.
        access_acl: its access ACL; the permission bits if None.
        default_acl: of a directory: what new entries get; becomes inheritable entries.
        uid_to_sid: maps Unix users.
        gid_to_sid: maps Unix groups.
        rules: what permission bits mean.
    """
    is_dir = stat_module.S_ISDIR(mode)
    owner, group = uid_to_sid(uid), gid_to_sid(gid)
    mappers = (uid_to_sid, gid_to_sid)
    access = _entries(access_acl or from_mode(mode), owner, group, mappers, is_dir, rules)
    inherit = OBJECT_INHERIT_ACE | CONTAINER_INHERIT_ACE
    merged: list[Ace] = []
    rest: list[tuple[Sid, int]] = []
    default: list[tuple[Sid, int]] = []
    if is_dir and default_acl:
        default = _entries(default_acl, SID_CREATOR_OWNER, SID_CREATOR_GROUP, mappers, is_dir, rules)
    for entry in access:
        if entry in default:
            default.remove(entry)
            merged.append(allow(*entry, inherit))
        else:
            rest.append(entry)
    aces = (
        merged
        + [allow(sid, mask) for sid, mask in rest]
        + [allow(sid, mask, inherit | INHERIT_ONLY_ACE) for sid, mask in default]
    )
    return SecurityDescriptor(
        owner, group, Acl(tuple(aces)), None, SE_SELF_RELATIVE | SE_DACL_PRESENT | SE_DACL_PROTECTED
    )


def inheritable_aces(mode: int, rules: AccessRules = DEFAULT_RULES) -> tuple[Ace, ...]:
    """What a directory passes on whose ACL says nothing about it: the rights that `mode` gives new directories."""
    flags = OBJECT_INHERIT_ACE | CONTAINER_INHERIT_ACE | INHERIT_ONLY_ACE
    return tuple(
        allow(sid, access_of(mode >> shift & 7, True, rules), flags)
        for sid, shift in ((SID_CREATOR_OWNER, 6), (SID_CREATOR_GROUP, 3), (SID_WORLD, 0))
    )


def to_mode(acl: PosixAcl) -> int:
    """The permission bits nearest to `acl`, for a file system without ACLs: named users and groups are left out."""
    shifts = {ACL_USER_OBJ: 6, ACL_GROUP_OBJ: 3, ACL_OTHER: 0}
    mode = 0
    for tag, perm, _ in acl:
        if tag in shifts:
            mode |= perm << shifts[tag]
    return mode
