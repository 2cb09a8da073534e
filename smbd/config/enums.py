"""The words of parameters that take one of a few, and the values they stand for.

The order within a table matters: the first word of a value is the one testparm prints.
"""

from __future__ import annotations

from typing import Final

from smbd.config.values import EnumType
from smbd.wire.constants import (
    SMB2_DIALECT_202,
    SMB2_DIALECT_210,
    SMB2_DIALECT_300,
    SMB2_DIALECT_302,
    SMB2_DIALECT_311,
)

# `server signing`, `server smb encrypt` and their client twins.
DEFAULT: Final = "default"
OFF: Final = "off"
IF_REQUIRED: Final = "if_required"
DESIRED: Final = "desired"
REQUIRED: Final = "required"

# `map to guest`
NEVER: Final = "never"
BAD_USER: Final = "bad user"
BAD_PASSWORD: Final = "bad password"  # noqa: S105 - a policy
BAD_UID: Final = "bad uid"

# `ntlm auth`
NTLM_DISABLED: Final = "disabled"
NTLMV2_ONLY: Final = "ntlmv2-only"
NTLMV1_PERMITTED: Final = "ntlmv1-permitted"
MSCHAPV2_AND_NTLMV2_ONLY: Final = "mschapv2-and-ntlmv2-only"

# `csc policy`: what the client may keep offline, named as in [MS-SMB2] 2.2.10 ShareFlags.
CSC_MANUAL: Final = "manual"
CSC_DOCUMENTS: Final = "documents"
CSC_PROGRAMS: Final = "programs"
CSC_DISABLE: Final = "disable"

# `inherit owner`
INHERIT_OWNER_NO: Final = "no"
INHERIT_OWNER_WINDOWS_AND_UNIX: Final = "windows and unix"
INHERIT_OWNER_UNIX_ONLY: Final = "unix only"

# `map readonly`
MAP_READONLY_NO: Final = "no"
MAP_READONLY_YES: Final = "yes"
MAP_READONLY_PERMISSIONS: Final = "permissions"

# `mangled names`
MANGLED_NAMES_NO: Final = "no"
MANGLED_NAMES_ILLEGAL: Final = "illegal"
MANGLED_NAMES_YES: Final = "yes"

# Dialects before SMB 2.0.2 have no dialect number of two bytes: they rank below it, in Samba's order.
PROTOCOL_COREPLUS: Final = 2
PROTOCOL_CORE: Final = 1
PROTOCOL_LANMAN1: Final = 3
PROTOCOL_LANMAN2: Final = 4
PROTOCOL_NT1: Final = 5
PROTOCOL_DEFAULT: Final = 0

_NO_WORDS: Final = ("No", "False", "0")
_YES_WORDS: Final = ("Yes", "True", "1")


def _words(value: str, *words: str) -> dict[str, str]:
    return dict.fromkeys(words, value)


# None is "decide by the client": falsy, because only Samba's own SMB1 client ever made it mean yes.
AUTO_BOOL: Final = EnumType[bool | None](
    dict.fromkeys(_NO_WORDS, False) | dict.fromkeys(_YES_WORDS, True) | {"Auto": None}
)

LEVEL: Final = EnumType(
    _words(DEFAULT, "default")
    | _words(OFF, "No", "False", "0", "Off", "disabled")
    | _words(IF_REQUIRED, "if_required", "Yes", "True", "1", "On", "enabled", "auto")
    | _words(DESIRED, "desired")
    | _words(REQUIRED, "required", "mandatory", "force", "forced", "enforced")
)

PROTOCOL: Final = EnumType(
    {
        "default": PROTOCOL_DEFAULT,
        "SMB2": SMB2_DIALECT_210,
        "SMB3": SMB2_DIALECT_311,
        "SMB3_11": SMB2_DIALECT_311,
        "SMB3_02": SMB2_DIALECT_302,
        "SMB3_00": SMB2_DIALECT_300,
        "SMB2_10": SMB2_DIALECT_210,
        "SMB2_02": SMB2_DIALECT_202,
        "NT1": PROTOCOL_NT1,
        "LANMAN2": PROTOCOL_LANMAN2,
        "LANMAN1": PROTOCOL_LANMAN1,
        "CORE": PROTOCOL_CORE,
        "COREPLUS": PROTOCOL_COREPLUS,
        "CORE+": PROTOCOL_COREPLUS,
    }
)

MAP_TO_GUEST: Final = EnumType({"Never": NEVER, "Bad User": BAD_USER, "Bad Password": BAD_PASSWORD, "Bad Uid": BAD_UID})

NTLM_AUTH: Final = EnumType(
    {"disabled": NTLM_DISABLED}
    | _words(NTLMV2_ONLY, "ntlmv2-only", "no", "false", "0")
    | _words(NTLMV1_PERMITTED, "ntlmv1-permitted", "yes", "true", "1")
    | {"mschapv2-and-ntlmv2-only": MSCHAPV2_AND_NTLMV2_ONLY}
)

CSC_POLICY: Final = EnumType({word: word for word in (CSC_MANUAL, CSC_DOCUMENTS, CSC_PROGRAMS, CSC_DISABLE)})

INHERIT_OWNER: Final = EnumType(
    {
        "no": INHERIT_OWNER_NO,
        "windows and unix": INHERIT_OWNER_WINDOWS_AND_UNIX,
        "yes": INHERIT_OWNER_WINDOWS_AND_UNIX,
        "unix only": INHERIT_OWNER_UNIX_ONLY,
    }
)

MAP_READONLY: Final = EnumType(
    _words(MAP_READONLY_NO, "no", "false", "0")
    | _words(MAP_READONLY_YES, "yes", "true", "1")
    | _words(MAP_READONLY_PERMISSIONS, "permissions", "perms")
)

MANGLED_NAMES: Final = EnumType(
    _words(MANGLED_NAMES_NO, "no", "false", "0")
    | {"illegal": MANGLED_NAMES_ILLEGAL}
    | _words(MANGLED_NAMES_YES, "yes", "true", "1")
)

DEFAULT_CASE: Final = EnumType({"lower": "lower", "upper": "upper"})

SECURITY: Final = EnumType({"AUTO": "auto", "USER": "user", "DOMAIN": "domain", "ADS": "ads"})

SERVER_ROLE: Final = EnumType(
    {
        "auto": "auto",
        "standalone server": "standalone server",
        "standalone": "standalone server",
        "member server": "member server",
        "member": "member server",
        "classic primary domain controller": "classic primary domain controller",
        "classic backup domain controller": "classic backup domain controller",
        "active directory domain controller": "active directory domain controller",
        "domain controller": "active directory domain controller",
        "dc": "active directory domain controller",
        "IPA primary domain controller": "IPA primary domain controller",
    }
)

PROFILING_LEVEL: Final = EnumType({"off": "off", "count": "count", "on": "on"})
