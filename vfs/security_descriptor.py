"""Self-relative security descriptors ([MS-DTYP] 2.4.6) and a cache of parsed ones.

The same few descriptors repeat over thousands of files; one parse for each distinct blob is enough, and a cached
descriptor is also what the access check remembers its result by. So they are immutable and compared by value
only where somebody asks.
"""

from __future__ import annotations

import struct
from typing import Final

import msgspec

from vfs.constants import (
    DACL_SECURITY_INFORMATION,
    GROUP_SECURITY_INFORMATION,
    OWNER_SECURITY_INFORMATION,
    SACL_SECURITY_INFORMATION,
)
from vfs.security_acl import Acl, SecurityDescriptorError, unpack_acl
from vfs.sid import Sid, SidError

SECURITY_DESCRIPTOR_REVISION: Final = 1

SE_OWNER_DEFAULTED: Final = 0x0001
SE_GROUP_DEFAULTED: Final = 0x0002
SE_DACL_PRESENT: Final = 0x0004
SE_DACL_DEFAULTED: Final = 0x0008
SE_SACL_PRESENT: Final = 0x0010
SE_SACL_DEFAULTED: Final = 0x0020
SE_DACL_TRUSTED: Final = 0x0040
SE_SERVER_SECURITY: Final = 0x0080
SE_DACL_AUTO_INHERIT_REQ: Final = 0x0100
SE_SACL_AUTO_INHERIT_REQ: Final = 0x0200
SE_DACL_AUTO_INHERITED: Final = 0x0400
SE_SACL_AUTO_INHERITED: Final = 0x0800
SE_DACL_PROTECTED: Final = 0x1000
SE_SACL_PROTECTED: Final = 0x2000
SE_RM_CONTROL_VALID: Final = 0x4000
SE_SELF_RELATIVE: Final = 0x8000

_HEADER = struct.Struct("<BBHIIII")
_CACHE_SIZE: Final = 1024
#: Four parts, two of them lists of up to 64 KiB: nothing valid is larger.
SECURITY_DESCRIPTOR_SIZE_MAX: Final = 0x20000 + 512


class SecurityDescriptor(msgspec.Struct, frozen=True, gc=False):
    """Owner, group and the two lists. ``dacl=None`` with SE_DACL_PRESENT is the NULL DACL: everything is allowed.

    Attributes:
        control: ``SE_*`` flags; SE_SELF_RELATIVE is implied.
    """

    owner: Sid | None = None
    group: Sid | None = None
    dacl: Acl | None = None
    sacl: Acl | None = None
    control: int = SE_SELF_RELATIVE

    @property
    def has_dacl(self) -> bool:
        """Whether a DACL is there, be it the NULL DACL."""
        return bool(self.control & SE_DACL_PRESENT)

    @property
    def has_sacl(self) -> bool:
        """Whether a SACL is there."""
        return bool(self.control & SE_SACL_PRESENT)

    def pack(self, base: int = 0) -> bytes:
        """The descriptor on the wire.

        Args:
            base: added to every offset: where the descriptor starts, if its offsets count from further ahead.

        Raises:
            SecurityDescriptorError: a list is larger than its size field can tell.
        """
        parts: list[bytes] = []
        at = base + _HEADER.size
        offsets: list[int] = []
        for part in (
            self.owner,
            self.group,
            self.sacl.pack() if self.sacl is not None else None,
            self.dacl.pack() if self.dacl is not None else None,
        ):
            if part is None:
                offsets.append(0)
            else:
                offsets.append(at)
                parts.append(part)
                at += len(part)
        control = self.control | SE_SELF_RELATIVE
        if self.dacl is not None:
            control |= SE_DACL_PRESENT
        if self.sacl is not None:
            control |= SE_SACL_PRESENT
        return _HEADER.pack(SECURITY_DESCRIPTOR_REVISION, 0, control, *offsets) + b"".join(parts)

    @classmethod
    def unpack(cls, data: bytes | bytearray | memoryview, base: int = 0) -> SecurityDescriptor:
        """The descriptor whose header stands at `base` of `data`; its offsets count from the start of `data`.

        Raises:
            SecurityDescriptorError: it is cut short or malformed.
        """
        data = bytes(data)
        end = len(data)
        if base < 0 or base + _HEADER.size > end or end > SECURITY_DESCRIPTOR_SIZE_MAX:
            raise SecurityDescriptorError(f"a security descriptor of {end} bytes")
        revision, _, control, owner, group, sacl, dacl = _HEADER.unpack_from(data, base)
        if revision != SECURITY_DESCRIPTOR_REVISION:
            raise SecurityDescriptorError(f"a security descriptor of revision {revision}")
        if not control & SE_SELF_RELATIVE:
            raise SecurityDescriptorError("a security descriptor that is not self-relative")
        least = base + _HEADER.size
        for offset in (owner, group, sacl, dacl):
            if offset and offset < least:
                raise SecurityDescriptorError("a part of a security descriptor overlaps its header")
        try:
            return cls(
                Sid.unpack_from(data, owner, end) if owner else None,
                Sid.unpack_from(data, group, end) if group else None,
                unpack_acl(data, dacl, end) if dacl and control & SE_DACL_PRESENT else None,
                unpack_acl(data, sacl, end) if sacl and control & SE_SACL_PRESENT else None,
                control,
            )
        except SidError as error:
            raise SecurityDescriptorError(str(error)) from None

    def part(self, security_information: int) -> SecurityDescriptor:
        """Only the parts that `security_information` asks for ([MS-FSA] 2.1.5.14)."""
        control = self.control
        if not security_information & DACL_SECURITY_INFORMATION:
            control &= ~(SE_DACL_PRESENT | SE_DACL_DEFAULTED | SE_DACL_AUTO_INHERITED | SE_DACL_PROTECTED)
        if not security_information & SACL_SECURITY_INFORMATION:
            control &= ~(SE_SACL_PRESENT | SE_SACL_DEFAULTED | SE_SACL_AUTO_INHERITED | SE_SACL_PROTECTED)
        return SecurityDescriptor(
            self.owner if security_information & OWNER_SECURITY_INFORMATION else None,
            self.group if security_information & GROUP_SECURITY_INFORMATION else None,
            self.dacl if security_information & DACL_SECURITY_INFORMATION else None,
            self.sacl if security_information & SACL_SECURITY_INFORMATION else None,
            control,
        )


_cache: dict[bytes | tuple[int, bytes], SecurityDescriptor] = {}


def parse_cached(blob: bytes, base: int = 0) -> SecurityDescriptor:
    """`SecurityDescriptor.unpack`, remembered; equal bytes from `base` on give the same object.

    Raises:
        SecurityDescriptorError: it is cut short or malformed.
    """
    # No part may begin before the header, so what stands there does not matter.
    key = (base, blob[base:]) if base else blob
    descriptor = _cache.get(key)
    if descriptor is None:
        descriptor = SecurityDescriptor.unpack(blob, base)
        if len(_cache) >= _CACHE_SIZE:
            # Oldest first: dictionaries keep their order, and what is in use comes back at once.
            del _cache[next(iter(_cache))]
        _cache[key] = descriptor
    return descriptor
