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
    FILE_EXECUTE,
    FILE_GENERIC_EXECUTE,
    FILE_GENERIC_READ,
    FILE_GENERIC_WRITE,
    FILE_READ_DATA,
    FILE_WRITE_DATA,
    map_generic,
)
from vfs.security_acl import (
    ALLOW_TYPES,
    CONTAINER_INHERIT_ACE,
    DENY_TYPES,
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


def _access_of(perm: int, is_dir: bool) -> int:
    if perm == 7:
        # Whether a file may be deleted is its directory's business.
        return FILE_ALL_ACCESS if is_dir else FILE_ALL_ACCESS & ~DELETE
    mask = 0
    if perm & 4:
        mask |= FILE_GENERIC_READ
    if perm & 2:
        mask |= FILE_GENERIC_WRITE | (FILE_DELETE_CHILD if is_dir else 0)
    if perm & 1:
        mask |= FILE_GENERIC_EXECUTE
    return mask


def _entries(
    acl: PosixAcl, owner: Sid, group: Sid, other_sids: tuple[SidOfId, SidOfId], is_dir: bool
) -> list[tuple[Sid, int]]:
    """Trustee and access of each entry: owner first, other last, between them Samba's order (the reverse)."""
    uid_to_sid, gid_to_sid = other_sids
    mask = next((entry.perm for entry in acl if entry.tag == ACL_MASK), 7)
    first: list[tuple[Sid, int]] = []
    middle: list[tuple[Sid, int]] = []
    last: list[tuple[Sid, int]] = []
    for tag, perm, unix_id in reversed(acl):
        access = _access_of(perm & mask if tag in _MASKED else perm, is_dir)
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
    """
    is_dir = stat_module.S_ISDIR(mode)
    owner, group = uid_to_sid(uid), gid_to_sid(gid)
    mappers = (uid_to_sid, gid_to_sid)
    access = _entries(access_acl or from_mode(mode), owner, group, mappers, is_dir)
    inherit = OBJECT_INHERIT_ACE | CONTAINER_INHERIT_ACE
    merged: list[Ace] = []
    rest: list[tuple[Sid, int]] = []
    default: list[tuple[Sid, int]] = []
    if is_dir and default_acl:
        default = _entries(default_acl, SID_CREATOR_OWNER, SID_CREATOR_GROUP, mappers, is_dir)
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


def _perm_of(mask: int) -> int:
    mask = map_generic(mask)
    return (
        (4 if mask & FILE_READ_DATA else 0)
        | (2 if mask & FILE_WRITE_DATA else 0)
        | (1 if mask & FILE_EXECUTE else 0)
    )


def mode_from_security_descriptor(sd: SecurityDescriptor, current: int) -> int:
    """The permission bits nearest to the DACL of `sd`; the rest of `current` stays.

    Owner, group and everyone are each taken as a user who is nothing else; what everyone may do, all may. Without
    a DACL `current` stays whole.
    """
    if not sd.has_dacl:
        return current
    if sd.dacl is None:
        return current & ~0o777 | 0o777
    allowed = {"owner": 0, "group": 0, "other": 0}
    denied = dict(allowed)
    for ace in sd.dacl.aces:
        if ace.flags & INHERIT_ONLY_ACE or ace.sid is None:
            continue
        if ace.sid == SID_WORLD:
            classes: tuple[str, ...] = ("owner", "group", "other")
        elif ace.sid == sd.owner:
            classes = ("owner",)
        elif ace.sid == sd.group:
            classes = ("group",)
        else:
            continue
        perm = _perm_of(ace.mask)
        for name in classes:
            if ace.type in ALLOW_TYPES:
                allowed[name] |= perm & ~denied[name]
            elif ace.type in DENY_TYPES:
                denied[name] |= perm & ~allowed[name]
    return current & ~0o777 | allowed["owner"] << 6 | allowed["group"] << 3 | allowed["other"]
