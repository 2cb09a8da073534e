"""The extended attribute ``user.DOSATTRIB``: DOS attributes and creation time, in Samba's encoding.

A tree must move between the two servers without losing its attributes. The value is NDR: the attributes as text (only
old writers fill it), the version twice, then the fields of that version, all aligned to four bytes.
Version 5 is written today; 1 to 4 are read.

Behind version 5 may stand an extension of our own: a change time that a client set, with the range of the kernel's
ctime in which it holds. POSIX lets nobody set the ctime; any later change, by whomever, moves it out of the range and
so makes the value void. Samba ignores what follows the fields it knows.
"""

from __future__ import annotations

import re
import struct
from typing import Final

import msgspec

XATTR_NAME: Final = "user.DOSATTRIB"

XATTR_DOSINFO_ATTRIB: Final = 0x01
XATTR_DOSINFO_EA_SIZE: Final = 0x02
XATTR_DOSINFO_SIZE: Final = 0x04
XATTR_DOSINFO_ALLOC_SIZE: Final = 0x08
XATTR_DOSINFO_CREATE_TIME: Final = 0x10
XATTR_DOSINFO_CHANGE_TIME: Final = 0x20
XATTR_DOSINFO_ITIME: Final = 0x40

_VERSION_5 = struct.Struct("<BxHHxxIIQ")
#: attrib, (ea size, size, allocation size), create time, (change time).
_VERSION_1 = struct.Struct("<I20xQ8x")
#: flags, attrib, (ea size, size, allocation size), create time, ...
_VERSION_2_3 = struct.Struct("<II20xQ8x")
_VERSION_4 = struct.Struct("<IIQQ")
_SHORT = struct.Struct("<IIQ")
#: version 5 that stores both attributes and creation time, as nearly all do
_PLAIN: Final = struct.pack("<BxHHxxI", 0, 5, 5, XATTR_DOSINFO_ATTRIB | XATTR_DOSINFO_CREATE_TIME)
_PLAIN_FIELDS = struct.Struct("<12xIQ")
#: magic, change time (FILETIME), first and last ctime (unix ns) for which it holds.
_EXTENSION = struct.Struct("<8sQqq")
_EXTENDED_SIZE: Final = _VERSION_5.size + _EXTENSION.size
_MAGIC: Final = b"CHGTIME\1"
_VERSIONS = struct.Struct("<HH")
_HEX = re.compile(rb"0[xX]([0-9a-fA-F]{1,8})")
_ALL_ATTRIBUTES: Final = 0xFFFFFFFF


class DosAttribError(ValueError):
    """The value is not a DOS attribute blob."""


class ChangeTime(msgspec.Struct, frozen=True, gc=False):
    """A change time that a client set: FILETIME `value`, as long as the ctime is from `first_ns` to `last_ns`."""

    value: int
    first_ns: int
    last_ns: int


class DosAttrib(msgspec.Struct, frozen=True, gc=False):
    """What the attribute stores.

    Attributes:
        attributes: FILE_ATTRIBUTE_* bits; None if the blob does not tell.
        create_time: FILETIME; None if the blob does not tell.
        itime: FILETIME of the "invented" inode number of version 4; None elsewhere.
        change_time: the change time that a client set; None if none was.
    """

    attributes: int | None = None
    create_time: int | None = None
    itime: int | None = None
    change_time: ChangeTime | None = None


def pack(attributes: int, create_time: int, change_time: ChangeTime | None = None) -> bytes:
    """The value to store: version 5, as Samba writes it. `create_time` 0 is stored as not known."""
    flags = XATTR_DOSINFO_ATTRIB | (XATTR_DOSINFO_CREATE_TIME if create_time else 0)
    blob = _VERSION_5.pack(0, 5, 5, flags, attributes, create_time)
    if change_time is None:
        return blob
    return blob + _EXTENSION.pack(_MAGIC, change_time.value, change_time.first_ns, change_time.last_ns)


def unpack_plain(blob: bytes) -> tuple[int, int] | None:
    """What the usual form stores, attributes and creation time; None if `blob` is of another form."""
    if len(blob) == _VERSION_5.size and blob.startswith(_PLAIN):
        return _PLAIN_FIELDS.unpack(blob)
    return None


def unpack(blob: bytes) -> DosAttrib:
    """What `blob` stores, of any version.

    Raises:
        DosAttribError: it is cut short, malformed or of an unknown version.
    """
    if len(blob) == _VERSION_5.size and blob[:6] == b"\0\0\5\0\5\0":
        _, _, _, flags, attributes, create_time = _VERSION_5.unpack(blob)
        return _result(flags, attributes, create_time)
    try:
        if len(blob) == _EXTENDED_SIZE and blob[_VERSION_5.size :].startswith(_MAGIC):
            _, value, first_ns, last_ns = _EXTENSION.unpack_from(blob, _VERSION_5.size)
            found = _unpack_any(blob[: _VERSION_5.size])
            return msgspec.structs.replace(found, change_time=ChangeTime(value, first_ns, last_ns))
        return _unpack_any(blob)
    except struct.error as error:
        raise DosAttribError(f"a DOSATTRIB of {len(blob)} bytes is cut short: {error}") from None


def _result(flags: int, attributes: int, create_time: int, itime: int = 0) -> DosAttrib:
    return DosAttrib(
        attributes if flags & XATTR_DOSINFO_ATTRIB else None,
        create_time if flags & XATTR_DOSINFO_CREATE_TIME and create_time else None,
        itime if flags & XATTR_DOSINFO_ITIME and itime else None,
    )


def _unpack_any(blob: bytes) -> DosAttrib:
    end = blob.find(b"\0")
    text = _HEX.fullmatch(blob if end < 0 else blob[:end])
    if end < 0 or end + 1 == len(blob):
        # The oldest form: nothing but the text.
        if text is None:
            raise DosAttribError("a DOSATTRIB without version and without text")
        return DosAttrib(int(text[1], 16) & _ALL_ATTRIBUTES)
    at = end + 1 + (end + 1) % 2
    version, again = _VERSIONS.unpack_from(blob, at)
    if version != again:
        raise DosAttribError(f"a DOSATTRIB of versions {version} and {again}")
    at += _VERSIONS.size
    at += -at % 4
    if version == 5:
        return _result(*_SHORT.unpack_from(blob, at))
    if version == 4:
        flags, attributes, itime, create_time = _VERSION_4.unpack_from(blob, at)
        return _result(flags, attributes, create_time, itime)
    if version in {2, 3}:
        flags, attributes, create_time = _VERSION_2_3.unpack_from(blob, at)
        if version == 2:
            # Its flags are not those of version 3: it always had both.
            flags = XATTR_DOSINFO_ATTRIB | XATTR_DOSINFO_CREATE_TIME
        return _result(flags, attributes, create_time)
    if version == 1:
        attributes, create_time = _VERSION_1.unpack_from(blob, at)
        return _result(XATTR_DOSINFO_ATTRIB | XATTR_DOSINFO_CREATE_TIME, attributes, create_time)
    raise DosAttribError(f"a DOSATTRIB of version {version}")
