"""The security descriptor of a new object ([MS-DTYP] 2.5.3.4) and the change of an existing one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from vfs.access import FILE_ALL_ACCESS, GENERIC_RIGHTS_MASK, map_generic
from vfs.constants import (
    DACL_SECURITY_INFORMATION,
    GROUP_SECURITY_INFORMATION,
    OWNER_SECURITY_INFORMATION,
    SACL_SECURITY_INFORMATION,
)
from vfs.security_acl import (
    CONTAINER_INHERIT_ACE,
    INHERIT_ONLY_ACE,
    INHERITED_ACE,
    NO_PROPAGATE_INHERIT_ACE,
    OBJECT_INHERIT_ACE,
    Ace,
    Acl,
    allow,
)
from vfs.security_descriptor import (
    SE_DACL_AUTO_INHERIT_REQ,
    SE_DACL_AUTO_INHERITED,
    SE_DACL_PRESENT,
    SE_DACL_PROTECTED,
    SE_SACL_AUTO_INHERIT_REQ,
    SE_SACL_AUTO_INHERITED,
    SE_SACL_PRESENT,
    SE_SACL_PROTECTED,
    SE_SELF_RELATIVE,
    SecurityDescriptor,
)
from vfs.sid import SID_CREATOR_GROUP, SID_CREATOR_OWNER, SID_SYSTEM, Sid
from vfs.token import SecurityToken

_NOBODY: Final[Mapping[Sid, Sid]] = {}
_INHERITANCE_FLAGS = (
    OBJECT_INHERIT_ACE | CONTAINER_INHERIT_ACE | NO_PROPAGATE_INHERIT_ACE | INHERIT_ONLY_ACE | INHERITED_ACE
)


def inherit_acl(
    parent: Acl | None, owner: Sid, group: Sid, *, is_dir: bool, mark: bool = True
) -> Acl | None:
    """What a child gets from its parent's list; None if no entry is inheritable ([MS-DTYP] 2.5.3.4.2).

    An entry that changes on its way into effect (CREATOR OWNER, CREATOR GROUP, generic rights) and has to go on to
    the grandchildren becomes two: the effective one and an inherit-only copy.

    Args:
        parent: the list of the directory.
        owner: of the child.
        group: of the child.
        is_dir: whether the child is a directory.
        mark: set INHERITED_ACE on what is inherited; only lists kept by automatic inheritance have it.
    """
    if parent is None:
        return None
    inherited = INHERITED_ACE if mark else 0
    result: list[Ace] = []
    for ace in parent.aces:
        if ace.sid is None:
            continue
        propagates = is_dir and not ace.flags & NO_PROPAGATE_INHERIT_ACE
        kept = ace.flags & ~_INHERITANCE_FLAGS | inherited
        inheritance = ace.flags & (OBJECT_INHERIT_ACE | CONTAINER_INHERIT_ACE)
        if not ace.flags & (CONTAINER_INHERIT_ACE if is_dir else OBJECT_INHERIT_ACE):
            if propagates and ace.flags & OBJECT_INHERIT_ACE:
                result.append(_with(ace, ace.sid, ace.mask, kept | OBJECT_INHERIT_ACE | INHERIT_ONLY_ACE))
            continue
        sid = {SID_CREATOR_OWNER: owner, SID_CREATOR_GROUP: group}.get(ace.sid, ace.sid)
        if not propagates:
            result.append(_with(ace, sid, map_generic(ace.mask), kept))
        elif sid != ace.sid or ace.mask & GENERIC_RIGHTS_MASK:
            result.append(_with(ace, sid, map_generic(ace.mask), kept))
            result.append(_with(ace, ace.sid, ace.mask, kept | inheritance | INHERIT_ONLY_ACE))
        else:
            result.append(_with(ace, sid, ace.mask, kept | inheritance))
    return Acl(tuple(result), parent.revision) if result else None


def _with(ace: Ace, sid: Sid, mask: int, flags: int) -> Ace:
    return Ace(
        ace.type, flags, mask, sid, ace.object_flags, ace.object_type, ace.inherited_object_type, ace.data
    )


def _effective(acl: Acl, creators: Mapping[Sid, Sid] = _NOBODY) -> Acl:
    """A list as given, with the generic rights of what is in effect mapped, and the SIDs in `creators` replaced.

    They are when an object is made; set later on, CREATOR OWNER and CREATOR GROUP stay and match nobody.
    """
    aces = [
        ace
        if ace.sid is None or ace.flags & INHERIT_ONLY_ACE
        else _with(ace, creators.get(ace.sid, ace.sid), map_generic(ace.mask), ace.flags)
        for ace in acl.aces
    ]
    return Acl(tuple(aces), acl.revision)


def default_dacl(owner: Sid) -> Acl:
    """The list of an object nobody gave one: its owner and the system may do everything."""
    return Acl((allow(owner, FILE_ALL_ACCESS), allow(SID_SYSTEM, FILE_ALL_ACCESS)))


def create_security_descriptor(
    parent: SecurityDescriptor | None,
    creator: SecurityDescriptor | None,
    token: SecurityToken,
    is_dir: bool,
    *,
    auto_inherit: bool = False,
    owner: Sid | None = None,
    group: Sid | None = None,
) -> SecurityDescriptor:
    """The descriptor of a new file or directory.

    Args:
        parent: of the directory it is made in.
        creator: given with the request, if any: its lists win over inherited ones.
        token: of the creator; owner and group come from it if `creator` does not name them.
        is_dir: whether a directory is made.
        owner: instead of the token's user.
        group: instead of the token's group.
        auto_inherit: append inherited entries to the ones of `creator` unless those are protected.
    """
    given = creator or SecurityDescriptor()
    owner = given.owner or owner or token.user_sid
    group = given.group or group or token.primary_group_sid
    control = SE_SELF_RELATIVE | SE_DACL_PRESENT
    inherited = None
    if parent is not None:
        mark = bool(parent.control & SE_DACL_AUTO_INHERITED)
        inherited = inherit_acl(parent.dacl, owner, group, is_dir=is_dir, mark=mark)
    dacl: Acl | None
    if given.has_dacl:
        creators = {SID_CREATOR_OWNER: owner, SID_CREATOR_GROUP: group}
        dacl = _effective(given.dacl, creators) if given.dacl is not None else None
        control |= given.control & SE_DACL_PROTECTED
        if given.control & SE_DACL_AUTO_INHERITED and given.control & SE_DACL_AUTO_INHERIT_REQ:
            control |= SE_DACL_AUTO_INHERITED
        if auto_inherit and dacl is not None and inherited and not given.control & SE_DACL_PROTECTED:
            explicit = tuple(ace for ace in dacl.aces if not ace.flags & INHERITED_ACE)
            dacl = Acl(explicit + inherited.aces, dacl.revision)
            control |= SE_DACL_AUTO_INHERITED
    else:
        dacl = inherited or default_dacl(owner)
        if inherited and parent is not None:
            control |= parent.control & SE_DACL_AUTO_INHERITED
    sacl = given.sacl
    if given.has_sacl:
        control |= SE_SACL_PRESENT | given.control & SE_SACL_PROTECTED
    elif parent is not None:
        mark = bool(parent.control & SE_SACL_AUTO_INHERITED)
        sacl = inherit_acl(parent.sacl, owner, group, is_dir=is_dir, mark=mark)
        if sacl is not None:
            control |= SE_SACL_PRESENT | parent.control & SE_SACL_AUTO_INHERITED
    return SecurityDescriptor(owner, group, dacl, sacl, control)


def merge_security_descriptor(
    old: SecurityDescriptor, new: SecurityDescriptor, security_information: int, *, canonicalize: bool = True
) -> SecurityDescriptor:
    """`old` with the parts of `new` that `security_information` names put in its place ([MS-FSA] 2.1.5.17).

    A list asked to be inherited automatically (``*_AUTO_INHERIT_REQ``) is marked as such; without `canonicalize`
    the mark stays as sent.
    """
    control = old.control
    owner, group, dacl, sacl = old.owner, old.group, old.dacl, old.sacl
    if security_information & OWNER_SECURITY_INFORMATION and new.owner is not None:
        owner = new.owner
    if security_information & GROUP_SECURITY_INFORMATION and new.group is not None:
        group = new.group
    if security_information & DACL_SECURITY_INFORMATION:
        dacl = new.dacl
        if dacl is not None:
            dacl = _effective(dacl)
        control &= ~(SE_DACL_PROTECTED | SE_DACL_AUTO_INHERITED)
        control |= SE_DACL_PRESENT | new.control & SE_DACL_PROTECTED
        if new.control & SE_DACL_AUTO_INHERITED and (
            not canonicalize or new.control & SE_DACL_AUTO_INHERIT_REQ
        ):
            control |= SE_DACL_AUTO_INHERITED
    if security_information & SACL_SECURITY_INFORMATION:
        sacl = new.sacl
        control &= ~(SE_SACL_PROTECTED | SE_SACL_AUTO_INHERITED | SE_SACL_PRESENT)
        control |= new.control & (SE_SACL_PROTECTED | SE_SACL_PRESENT)
        if new.control & SE_SACL_AUTO_INHERITED and (
            not canonicalize or new.control & SE_SACL_AUTO_INHERIT_REQ
        ):
            control |= SE_SACL_AUTO_INHERITED
    return SecurityDescriptor(owner, group, dacl, sacl, control)
