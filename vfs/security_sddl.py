"""Security descriptors as text ([MS-DTYP] 2.5.1), for logs, tools and tests.

Conditional and resource attribute entries are printed without their data and not parsed: nobody types them.
"""

from __future__ import annotations

import re
import uuid
from typing import Final

from vfs import access
from vfs.security_acl import (
    ACE_INHERITED_OBJECT_TYPE_PRESENT,
    ACE_OBJECT_TYPE_PRESENT,
    CONTAINER_INHERIT_ACE,
    FAILED_ACCESS_ACE_FLAG,
    INHERIT_ONLY_ACE,
    INHERITED_ACE,
    NO_PROPAGATE_INHERIT_ACE,
    OBJECT_INHERIT_ACE,
    OBJECT_TYPES,
    SUCCESSFUL_ACCESS_ACE_FLAG,
    Ace,
    Acl,
    SecurityDescriptorError,
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
from vfs.sid import Sid, SidError

_SIDS: Final = {
    "WD": Sid("S-1-1-0"),
    "CO": Sid("S-1-3-0"),
    "CG": Sid("S-1-3-1"),
    "OW": Sid("S-1-3-4"),
    "NU": Sid("S-1-5-2"),
    "IU": Sid("S-1-5-4"),
    "SU": Sid("S-1-5-6"),
    "AN": Sid("S-1-5-7"),
    "ED": Sid("S-1-5-9"),
    "PS": Sid("S-1-5-10"),
    "AU": Sid("S-1-5-11"),
    "RC": Sid("S-1-5-12"),
    "SY": Sid("S-1-5-18"),
    "LS": Sid("S-1-5-19"),
    "NS": Sid("S-1-5-20"),
    "BA": Sid("S-1-5-32-544"),
    "BU": Sid("S-1-5-32-545"),
    "BG": Sid("S-1-5-32-546"),
    "PU": Sid("S-1-5-32-547"),
    "AO": Sid("S-1-5-32-548"),
    "SO": Sid("S-1-5-32-549"),
    "PO": Sid("S-1-5-32-550"),
    "BO": Sid("S-1-5-32-551"),
    "RE": Sid("S-1-5-32-552"),
}
_SID_NAMES: Final = {sid: name for name, sid in _SIDS.items()}
_TYPES: Final = {
    "A": 0x00, "D": 0x01, "AU": 0x02, "AL": 0x03, "OA": 0x05, "OD": 0x06, "OU": 0x07, "OL": 0x08,
    "XA": 0x09, "XD": 0x0A, "ZA": 0x0B, "XU": 0x0D, "ML": 0x11, "RA": 0x12, "SP": 0x13,
}  # fmt: skip
_TYPE_NAMES: Final = {value: name for name, value in _TYPES.items()}
_FLAGS: Final = {
    "OI": OBJECT_INHERIT_ACE,
    "CI": CONTAINER_INHERIT_ACE,
    "NP": NO_PROPAGATE_INHERIT_ACE,
    "IO": INHERIT_ONLY_ACE,
    "ID": INHERITED_ACE,
    "SA": SUCCESSFUL_ACCESS_ACE_FLAG,
    "FA": FAILED_ACCESS_ACE_FLAG,
}
#: Whole rights first, so that printing prefers them; the two-letter bits are of directory services.
_RIGHTS: Final = {
    "FA": access.FILE_ALL_ACCESS,
    "FR": access.FILE_GENERIC_READ,
    "FW": access.FILE_GENERIC_WRITE,
    "FX": access.FILE_GENERIC_EXECUTE,
    "GA": access.GENERIC_ALL,
    "GR": access.GENERIC_READ,
    "GW": access.GENERIC_WRITE,
    "GX": access.GENERIC_EXECUTE,
    "RC": access.READ_CONTROL,
    "SD": access.DELETE,
    "WD": access.WRITE_DAC,
    "WO": access.WRITE_OWNER,
    "CC": 0x0001,
    "DC": 0x0002,
    "LC": 0x0004,
    "SW": 0x0008,
    "RP": 0x0010,
    "WP": 0x0020,
    "DT": 0x0040,
    "LO": 0x0080,
    "CR": 0x0100,
}
_RIGHT_NAMES: Final = {value: name for name, value in list(_RIGHTS.items())[:8]}
_DACL_FLAGS: Final = {
    "P": SE_DACL_PROTECTED, "AR": SE_DACL_AUTO_INHERIT_REQ, "AI": SE_DACL_AUTO_INHERITED,
}  # fmt: skip
_SACL_FLAGS: Final = {
    "P": SE_SACL_PROTECTED, "AR": SE_SACL_AUTO_INHERIT_REQ, "AI": SE_SACL_AUTO_INHERITED,
}  # fmt: skip
_NULL_ACL: Final = "NO_ACCESS_CONTROL"
_PART = re.compile(r"([OGDS]):((?:[^OGDS(:]|[OGDS](?!:)|\([^()]*\))*)")
_ACL = re.compile(r"((?:P|AR|AI)*)((?:\([^()]*\))*)")
_ACE = re.compile(r"\(([^()]*)\)")


def sid_text(sid: Sid) -> str:
    """The two letters of a well-known SID, or its usual form."""
    return _SID_NAMES.get(sid) or str(sid)


def _guid_text(guid: bytes) -> str:
    return str(uuid.UUID(bytes_le=guid)) if guid else ""


def _ace_text(ace: Ace) -> str:
    kind = _TYPE_NAMES.get(ace.type, f"0x{ace.type:02x}")
    flags = "".join([name for name, bit in _FLAGS.items() if ace.flags & bit])
    mask = _RIGHT_NAMES.get(ace.mask) or (f"0x{ace.mask:08x}" if ace.mask else "")
    sid = sid_text(ace.sid) if ace.sid is not None else ""
    guids = f"{_guid_text(ace.object_type)};{_guid_text(ace.inherited_object_type)}"
    return f"({kind};{flags};{mask};{guids};{sid})"


def _acl_text(acl: Acl | None, control: int, flags: dict[str, int]) -> str:
    text = "".join([name for name, bit in flags.items() if control & bit])
    return text + (_NULL_ACL if acl is None else "".join([_ace_text(ace) for ace in acl.aces]))


def to_sddl(sd: SecurityDescriptor) -> str:
    """The text form of `sd`."""
    parts = []
    if sd.owner is not None:
        parts.append("O:" + sid_text(sd.owner))
    if sd.group is not None:
        parts.append("G:" + sid_text(sd.group))
    if sd.has_dacl:
        parts.append("D:" + _acl_text(sd.dacl, sd.control, _DACL_FLAGS))
    if sd.has_sacl:
        parts.append("S:" + _acl_text(sd.sacl, sd.control, _SACL_FLAGS))
    return "".join(parts)


def _sid(text: str) -> Sid:
    try:
        return _SIDS.get(text) or Sid(text)
    except SidError as error:
        raise SecurityDescriptorError(str(error)) from None


def _bits(text: str, table: dict[str, int], what: str) -> int:
    bits = 0
    for at in range(0, len(text), 2):
        bit = table.get(text[at : at + 2])
        if bit is None:
            raise SecurityDescriptorError(f"unknown {what} in {text!r}")
        bits |= bit
    return bits


def _mask(text: str) -> int:
    if re.fullmatch(r"0[xX][0-9a-fA-F]{1,8}", text):
        return int(text, 16)
    if re.fullmatch(r"[0-9]{1,10}", text) and int(text) <= 0xFFFFFFFF:
        return int(text)
    return _bits(text, _RIGHTS, "right")


def _guid(text: str) -> bytes:
    try:
        return uuid.UUID(text).bytes_le if text else b""
    except ValueError:
        raise SecurityDescriptorError(f"not a GUID: {text!r}") from None


def _ace(text: str) -> Ace:
    fields = text.split(";")
    if len(fields) != 6 or fields[0] not in _TYPES:
        raise SecurityDescriptorError(f"not an ACE: ({text})")
    kind = _TYPES[fields[0]]
    guid, inherited = _guid(fields[3]), _guid(fields[4])
    if (guid or inherited) and kind not in OBJECT_TYPES:
        raise SecurityDescriptorError(f"a GUID in an ACE without object type: ({text})")
    present = (ACE_OBJECT_TYPE_PRESENT if guid else 0) | (ACE_INHERITED_OBJECT_TYPE_PRESENT if inherited else 0)
    flags = _bits(fields[1], _FLAGS, "flag")
    return Ace(kind, flags, _mask(fields[2]), _sid(fields[5]), present, guid, inherited)


def _acl(text: str, flags: dict[str, int]) -> tuple[Acl | None, int]:
    null = text.endswith(_NULL_ACL)
    match = _ACL.fullmatch(text.removesuffix(_NULL_ACL))
    if match is None or (null and match[2]):
        raise SecurityDescriptorError(f"not an ACL: {text!r}")
    control = 0
    for name in re.findall("P|AR|AI", match[1]):
        control |= flags[name]
    return (None if null else Acl(tuple([_ace(ace) for ace in _ACE.findall(match[2])]))), control


def from_sddl(text: str) -> SecurityDescriptor:
    """The descriptor `text` describes.

    Raises:
        SecurityDescriptorError: it is not SDDL, or of a kind nobody types.
    """
    parts: dict[str, str] = {}
    at = 0
    while at < len(text):
        match = _PART.match(text, at)
        if match is None or match[1] in parts:
            raise SecurityDescriptorError(f"not SDDL at {text[at : at + 40]!r}")
        parts[match[1]] = match[2]
        at = match.end()
    control = SE_SELF_RELATIVE
    dacl = sacl = None
    if "D" in parts:
        dacl, flags = _acl(parts["D"], _DACL_FLAGS)
        control |= flags | SE_DACL_PRESENT
    if "S" in parts:
        sacl, flags = _acl(parts["S"], _SACL_FLAGS)
        control |= flags | SE_SACL_PRESENT
    return SecurityDescriptor(
        _sid(parts["O"]) if "O" in parts else None,
        _sid(parts["G"]) if "G" in parts else None,
        dacl,
        sacl,
        control,
    )
