"""Security of objects: the public face of the modules that make it up ([MS-DTYP] 2.4, 2.5).

SIDs, descriptors and their codecs, the access check and inheritance are used together nearly everywhere.
"""

from __future__ import annotations

from vfs.security_access import access_check, maximal_access
from vfs.security_acl import (
    ACCESS_ALLOWED_ACE_TYPE,
    ACCESS_DENIED_ACE_TYPE,
    CONTAINER_INHERIT_ACE,
    INHERIT_ONLY_ACE,
    INHERITED_ACE,
    NO_PROPAGATE_INHERIT_ACE,
    OBJECT_INHERIT_ACE,
    Ace,
    Acl,
    SecurityDescriptorError,
    allow,
    canonical,
    deny,
)
from vfs.security_descriptor import (
    SE_DACL_AUTO_INHERIT_REQ,
    SE_DACL_AUTO_INHERITED,
    SE_DACL_PRESENT,
    SE_DACL_PROTECTED,
    SE_SACL_AUTO_INHERITED,
    SE_SACL_PRESENT,
    SE_SACL_PROTECTED,
    SE_SELF_RELATIVE,
    SecurityDescriptor,
    parse_cached,
)
from vfs.security_inherit import (
    create_security_descriptor,
    default_dacl,
    inherit_acl,
    merge_security_descriptor,
)
from vfs.security_sddl import from_sddl, to_sddl
from vfs.sid import Sid, SidError, unix_group_sid, unix_user_sid

__all__ = [
    "ACCESS_ALLOWED_ACE_TYPE",
    "ACCESS_DENIED_ACE_TYPE",
    "CONTAINER_INHERIT_ACE",
    "INHERITED_ACE",
    "INHERIT_ONLY_ACE",
    "NO_PROPAGATE_INHERIT_ACE",
    "OBJECT_INHERIT_ACE",
    "SE_DACL_AUTO_INHERITED",
    "SE_DACL_AUTO_INHERIT_REQ",
    "SE_DACL_PRESENT",
    "SE_DACL_PROTECTED",
    "SE_SACL_AUTO_INHERITED",
    "SE_SACL_PRESENT",
    "SE_SACL_PROTECTED",
    "SE_SELF_RELATIVE",
    "Ace",
    "Acl",
    "SecurityDescriptor",
    "SecurityDescriptorError",
    "Sid",
    "SidError",
    "access_check",
    "allow",
    "canonical",
    "create_security_descriptor",
    "default_dacl",
    "deny",
    "from_sddl",
    "inherit_acl",
    "maximal_access",
    "merge_security_descriptor",
    "parse_cached",
    "to_sddl",
    "unix_group_sid",
    "unix_user_sid",
]
