"""Access control entries and lists ([MS-DTYP] 2.4.4, 2.4.5)."""

from __future__ import annotations

import struct
from typing import Final

import msgspec

from vfs.sid import Sid, SidError

ACCESS_ALLOWED_ACE_TYPE: Final = 0x00
ACCESS_DENIED_ACE_TYPE: Final = 0x01
SYSTEM_AUDIT_ACE_TYPE: Final = 0x02
SYSTEM_ALARM_ACE_TYPE: Final = 0x03
ACCESS_ALLOWED_OBJECT_ACE_TYPE: Final = 0x05
ACCESS_DENIED_OBJECT_ACE_TYPE: Final = 0x06
SYSTEM_AUDIT_OBJECT_ACE_TYPE: Final = 0x07
SYSTEM_ALARM_OBJECT_ACE_TYPE: Final = 0x08
ACCESS_ALLOWED_CALLBACK_ACE_TYPE: Final = 0x09
ACCESS_DENIED_CALLBACK_ACE_TYPE: Final = 0x0A
ACCESS_ALLOWED_CALLBACK_OBJECT_ACE_TYPE: Final = 0x0B
ACCESS_DENIED_CALLBACK_OBJECT_ACE_TYPE: Final = 0x0C
SYSTEM_AUDIT_CALLBACK_ACE_TYPE: Final = 0x0D
SYSTEM_ALARM_CALLBACK_ACE_TYPE: Final = 0x0E
SYSTEM_AUDIT_CALLBACK_OBJECT_ACE_TYPE: Final = 0x0F
SYSTEM_ALARM_CALLBACK_OBJECT_ACE_TYPE: Final = 0x10
SYSTEM_MANDATORY_LABEL_ACE_TYPE: Final = 0x11
SYSTEM_RESOURCE_ATTRIBUTE_ACE_TYPE: Final = 0x12
SYSTEM_SCOPED_POLICY_ID_ACE_TYPE: Final = 0x13

OBJECT_INHERIT_ACE: Final = 0x01
CONTAINER_INHERIT_ACE: Final = 0x02
NO_PROPAGATE_INHERIT_ACE: Final = 0x04
INHERIT_ONLY_ACE: Final = 0x08
INHERITED_ACE: Final = 0x10
SUCCESSFUL_ACCESS_ACE_FLAG: Final = 0x40
FAILED_ACCESS_ACE_FLAG: Final = 0x80

ACE_OBJECT_TYPE_PRESENT: Final = 0x01
ACE_INHERITED_OBJECT_TYPE_PRESENT: Final = 0x02

ACL_REVISION: Final = 2
ACL_REVISION_DS: Final = 4

ALLOW_TYPES: Final = frozenset({ACCESS_ALLOWED_ACE_TYPE, ACCESS_ALLOWED_OBJECT_ACE_TYPE})
DENY_TYPES: Final = frozenset({ACCESS_DENIED_ACE_TYPE, ACCESS_DENIED_OBJECT_ACE_TYPE})
OBJECT_TYPES: Final = frozenset(
    {
        ACCESS_ALLOWED_OBJECT_ACE_TYPE,
        ACCESS_DENIED_OBJECT_ACE_TYPE,
        SYSTEM_AUDIT_OBJECT_ACE_TYPE,
        SYSTEM_ALARM_OBJECT_ACE_TYPE,
        ACCESS_ALLOWED_CALLBACK_OBJECT_ACE_TYPE,
        ACCESS_DENIED_CALLBACK_OBJECT_ACE_TYPE,
        SYSTEM_AUDIT_CALLBACK_OBJECT_ACE_TYPE,
        SYSTEM_ALARM_CALLBACK_OBJECT_ACE_TYPE,
    }
)
_SID_TYPES: Final = OBJECT_TYPES | {
    ACCESS_ALLOWED_ACE_TYPE,
    ACCESS_DENIED_ACE_TYPE,
    SYSTEM_AUDIT_ACE_TYPE,
    SYSTEM_ALARM_ACE_TYPE,
    ACCESS_ALLOWED_CALLBACK_ACE_TYPE,
    ACCESS_DENIED_CALLBACK_ACE_TYPE,
    SYSTEM_AUDIT_CALLBACK_ACE_TYPE,
    SYSTEM_ALARM_CALLBACK_ACE_TYPE,
    SYSTEM_MANDATORY_LABEL_ACE_TYPE,
    SYSTEM_RESOURCE_ATTRIBUTE_ACE_TYPE,
    SYSTEM_SCOPED_POLICY_ID_ACE_TYPE,
}

_ACE_HEADER = struct.Struct("<BBH")
_ACE_MASK = struct.Struct("<BBHI")
_ACL_HEADER = struct.Struct("<BBHHH")
_UINT32 = struct.Struct("<I")
_GUID_SIZE: Final = 16
#: A size field has 16 bits.
ACL_SIZE_MAX: Final = 0xFFFF


class SecurityDescriptorError(ValueError):
    """Bytes or text are not a valid security descriptor, ACL or ACE."""


class Ace(msgspec.Struct, frozen=True, gc=False):
    """One entry. An ACE of a type not known here has no `sid`; its `data` is everything after the header.

    Attributes:
        type: ``*_ACE_TYPE``.
        flags: inheritance and audit flags.
        mask: access mask (0 for unknown types).
        sid: the trustee.
        object_flags: which of the two GUIDs are there (object types only).
        object_type: 16 bytes or empty.
        inherited_object_type: 16 bytes or empty.
        data: application data after the SID (callback, resource attribute), or the raw body.
    """

    type: int
    flags: int
    mask: int
    sid: Sid | None
    object_flags: int = 0
    object_type: bytes = b""
    inherited_object_type: bytes = b""
    data: bytes = b""

    def pack(self) -> bytes:
        """The entry on the wire, padded to a multiple of four bytes.

        Raises:
            SecurityDescriptorError: it is larger than its size field can tell.
        """
        if self.sid is None:
            body = self.data
        else:
            parts = [_UINT32.pack(self.mask)]
            if self.type in OBJECT_TYPES:
                parts += (_UINT32.pack(self.object_flags), self.object_type, self.inherited_object_type)
            parts += (self.sid, self.data)
            body = b"".join(parts)
        body += bytes(-len(body) % 4)
        size = _ACE_HEADER.size + len(body)
        if size > ACL_SIZE_MAX:
            raise SecurityDescriptorError("an ACE is too large")
        return _ACE_HEADER.pack(self.type, self.flags, size) + body


class Acl(msgspec.Struct, frozen=True, gc=False):
    """A list of entries; the order counts."""

    aces: tuple[Ace, ...] = ()
    revision: int = ACL_REVISION

    def pack(self) -> bytes:
        """The list on the wire.

        Raises:
            SecurityDescriptorError: it is larger than its size field can tell.
        """
        body = b"".join([ace.pack() for ace in self.aces])
        size = _ACL_HEADER.size + len(body)
        if size > ACL_SIZE_MAX:
            raise SecurityDescriptorError("an ACL is too large")
        return _ACL_HEADER.pack(self.revision, 0, size, len(self.aces), 0) + body


def unpack_ace(data: bytes, offset: int, end: int) -> tuple[Ace, int]:
    """The entry at `offset`, which must lie before `end`, and the offset after it.

    Raises:
        SecurityDescriptorError: it is cut short or malformed.
    """
    if offset + _ACE_HEADER.size > end:
        raise SecurityDescriptorError("an ACE header is cut short")
    kind, flags, size = _ACE_HEADER.unpack_from(data, offset)
    stop = offset + size
    if size < _ACE_HEADER.size or stop > end:
        raise SecurityDescriptorError(f"an ACE of {size} bytes does not fit")
    if kind not in _SID_TYPES:
        return Ace(kind, flags, 0, None, data=data[offset + _ACE_HEADER.size : stop]), stop
    if size < _ACE_MASK.size:
        raise SecurityDescriptorError("an ACE has no access mask")
    mask = _UINT32.unpack_from(data, offset + 4)[0]
    at = offset + _ACE_MASK.size
    object_flags = 0
    guids = [b"", b""]
    if kind in OBJECT_TYPES:
        if at + 4 > stop:
            raise SecurityDescriptorError("an object ACE is cut short")
        object_flags = _UINT32.unpack_from(data, at)[0]
        at += 4
        for index, flag in enumerate((ACE_OBJECT_TYPE_PRESENT, ACE_INHERITED_OBJECT_TYPE_PRESENT)):
            if object_flags & flag:
                if at + _GUID_SIZE > stop:
                    raise SecurityDescriptorError("an object ACE is cut short")
                guids[index] = data[at : at + _GUID_SIZE]
                at += _GUID_SIZE
    try:
        sid = Sid.unpack_from(data, at, stop)
    except SidError as error:
        raise SecurityDescriptorError(str(error)) from None
    return Ace(kind, flags, mask, sid, object_flags, guids[0], guids[1], data[at + len(sid) : stop]), stop


def unpack_acl(data: bytes, offset: int, end: int) -> Acl:
    """The list at `offset` of `data`, which must lie before `end`.

    Raises:
        SecurityDescriptorError: it is cut short or malformed.
    """
    if offset < 0 or offset + _ACL_HEADER.size > end or end > len(data):
        raise SecurityDescriptorError("an ACL lies outside its buffer")
    revision, _, size, count, _ = _ACL_HEADER.unpack_from(data, offset)
    stop = offset + size
    if revision not in {ACL_REVISION, ACL_REVISION_DS}:
        raise SecurityDescriptorError(f"an ACL of revision {revision}")
    if size < _ACL_HEADER.size or stop > end or count * _ACE_HEADER.size > size:
        raise SecurityDescriptorError(f"an ACL of {size} bytes with {count} entries does not fit")
    aces = []
    at = offset + _ACL_HEADER.size
    for _ in range(count):
        ace, at = unpack_ace(data, at, stop)
        aces.append(ace)
    return Acl(tuple(aces), revision)


def allow(sid: Sid, mask: int, flags: int = 0) -> Ace:
    """An entry that grants `mask` to `sid`."""
    return Ace(ACCESS_ALLOWED_ACE_TYPE, flags, mask, sid)


def deny(sid: Sid, mask: int, flags: int = 0) -> Ace:
    """An entry that denies `mask` to `sid`."""
    return Ace(ACCESS_DENIED_ACE_TYPE, flags, mask, sid)


def canonical(acl: Acl) -> Acl:
    """The list in the order Windows keeps: explicit denials, explicit grants, then inherited ones as they stand."""

    def rank(ace: Ace) -> int:
        if ace.flags & INHERITED_ACE:
            return 2
        return 0 if ace.type in DENY_TYPES or ace.type == ACCESS_DENIED_CALLBACK_ACE_TYPE else 1

    return Acl(tuple(sorted(acl.aces, key=rank)), acl.revision)
