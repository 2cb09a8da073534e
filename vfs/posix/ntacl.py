"""The extended attribute ``security.NTACL``: an NT security descriptor beside a POSIX ACL, in Samba's encoding.

With the descriptor go two hashes: of the POSIX ACL of that moment (``sys_acl_hash``), and of the descriptor that ACL
translates to. If both differ from what the file has now, somebody changed the mode or the ACL behind the server's
back, and the stored descriptor is void. Version 4 is written; 1 to 4 are read.

The value is NDR. Offsets inside the embedded descriptor count from the start of the whole value.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
from collections.abc import Callable
from functools import lru_cache
from typing import Final

import msgspec

from vfs.posix.posix_acl import (
    ACL_GROUP,
    ACL_GROUP_OBJ,
    ACL_MASK,
    ACL_OTHER,
    ACL_USER,
    ACL_USER_OBJ,
    PosixAcl,
    from_mode,
)
from vfs.security_acl import SecurityDescriptorError
from vfs.security_descriptor import SecurityDescriptor, parse_cached

XATTR_NAME: Final = "security.NTACL"

XATTR_SD_HASH_TYPE_NONE: Final = 0
XATTR_SD_HASH_TYPE_SHA256: Final = 1
_HASH_SIZE: Final = 64
_HASH_SIZE_V2: Final = 16
#: Files of a tree share few combinations of owner, mode and ACL.
_CACHE_SIZE: Final = 1024
_DESCRIPTION: Final = b"posix_acl\0"
#: NDR referent ids; only being non-zero counts, but equal bytes are nicer than equal meaning.
_REFERENT_1: Final = 0x00020000
_REFERENT_2: Final = 0x00020004

_VERSION = struct.Struct("<HHI")
_UINT32 = struct.Struct("<I")
_HASH_HEADER = struct.Struct(f"<IH{_HASH_SIZE}s")
_TIME = struct.Struct("<Q")

_WRAPPER = struct.Struct("<IIQQI")
_COUNT_NEXT = struct.Struct("<II")
_TAG = struct.Struct("<HH")
_ID = struct.Struct("<Q")
#: Samba's numbers for the tags.
_SMB_TAGS: Final = {
    ACL_USER: 1, ACL_USER_OBJ: 2, ACL_GROUP: 3, ACL_GROUP_OBJ: 4, ACL_OTHER: 5, ACL_MASK: 6,
}  # fmt: skip


class NtAclError(ValueError):
    """The value is not an NTACL blob."""


class NtAcl(msgspec.Struct, frozen=True, gc=False):
    """What the attribute stores.

    Attributes:
        sd: the descriptor.
        version: of the encoding, 1 to 4.
        hash_type: XATTR_SD_HASH_TYPE_*; NONE means the descriptor holds whatever happens to the POSIX ACL.
        hash: of the descriptor the POSIX ACL translated to.
        description: where the POSIX ACL came from.
        time: FILETIME of the writing.
        sys_acl_hash: of the POSIX ACL.
    """

    sd: SecurityDescriptor
    version: int = 4
    hash_type: int = XATTR_SD_HASH_TYPE_NONE
    hash: bytes = b""
    description: bytes = b""
    time: int = 0
    sys_acl_hash: bytes = b""


def sd_hash(sd: SecurityDescriptor) -> bytes:
    """The hash of the descriptor a POSIX ACL translates to."""
    return hashlib.sha256(sd.pack()).digest()


def _align8(out: bytearray) -> None:
    out += bytes(-len(out) % 8)


def _append_acl(out: bytearray, acl: PosixAcl) -> None:
    """NDR: 64-bit ids align what holds them to eight bytes, counted from the start of the whole value."""
    out += _UINT32.pack(len(acl))
    _align8(out)
    out += _COUNT_NEXT.pack(len(acl), 0)
    for tag, perm, unix_id in acl:
        number = _SMB_TAGS[tag]
        _align8(out)
        out += _TAG.pack(number, number)
        if tag in {ACL_USER, ACL_GROUP}:
            _align8(out)
            out += _ID.pack(unix_id)
        out += _UINT32.pack(perm)


@lru_cache(maxsize=_CACHE_SIZE)
def sys_acl_hash(
    mode: int, uid: int, gid: int, access_acl: PosixAcl | None = None, default_acl: PosixAcl | None = None
) -> bytes:
    """The hash of owner, group, mode and POSIX ACLs.

    Args:
        mode: of the object, with its type.
        uid: its owner.
        gid: its group.
        access_acl: its access ACL; the permission bits if None.
        default_acl: of a directory; None is the same as empty. Not used of files.
    """
    is_dir = mode & 0o170000 == 0o040000
    out = bytearray(_WRAPPER.pack(_REFERENT_1, _REFERENT_2 if is_dir else 0, uid, gid, mode))
    _append_acl(out, access_acl or from_mode(mode))
    if is_dir:
        _append_acl(out, default_acl or ())
    return hashlib.sha256(out).digest()


def pack(
    sd: SecurityDescriptor, posix_sd: SecurityDescriptor, acl_hash: bytes, time: int
) -> bytes:
    """The value to store, version 4.

    Args:
        sd: the descriptor to keep.
        posix_sd: what the POSIX ACL translates to.
        acl_hash: `sys_acl_hash` of the file.
        time: FILETIME of now.

    Raises:
        SecurityDescriptorError: the descriptor is too large.
    """
    head = (
        _VERSION.pack(4, 4, _REFERENT_1)
        + _HASH_HEADER.pack(_REFERENT_2, XATTR_SD_HASH_TYPE_SHA256, sd_hash(posix_sd))
        + _DESCRIPTION
        + _TIME.pack(time)
        + acl_hash.ljust(_HASH_SIZE, b"\0")
    )
    return head + sd.pack(len(head))


def pack_unhashed(sd: SecurityDescriptor) -> bytes:
    """The value to store where the POSIX ACL does not count (``ignore system acls``): no hashes."""
    head = _VERSION.pack(1, 1, _REFERENT_1)
    return head + sd.pack(len(head))


def unpack(blob: bytes) -> NtAcl:
    """What `blob` stores, of any version.

    Raises:
        NtAclError: it is cut short, malformed or of an unknown version.
    """
    try:
        return _unpack(blob)
    except (struct.error, SecurityDescriptorError) as error:
        raise NtAclError(f"an NTACL of {len(blob)} bytes: {error}") from None


def _unpack(blob: bytes) -> NtAcl:
    version, again, pointer = _VERSION.unpack_from(blob)
    if version != again or not 1 <= version <= 4 or not pointer:
        raise NtAclError(f"an NTACL of versions {version} and {again}")
    at = _VERSION.size
    if version == 1:
        return NtAcl(parse_cached(blob, at), version)
    if not _UINT32.unpack_from(blob, at)[0]:
        raise NtAclError("an NTACL without security descriptor")
    if version == 2:
        at += _UINT32.size
        return NtAcl(
            parse_cached(blob, at + _HASH_SIZE_V2), version, hash=blob[at : at + _HASH_SIZE_V2]
        )
    _, hash_type, digest = _HASH_HEADER.unpack_from(blob, at)
    at += _HASH_HEADER.size
    if version == 3:
        at += -at % 4
        return NtAcl(parse_cached(blob, at), version, hash_type, digest)
    end = blob.find(b"\0", at)
    if end < 0:
        raise NtAclError("an NTACL whose description does not end")
    description = blob[at:end]
    at = end + 1
    at += -at % 4
    time = _TIME.unpack_from(blob, at)[0]
    at += _TIME.size
    acl_digest = blob[at : at + _HASH_SIZE]
    at += _HASH_SIZE
    return NtAcl(
        parse_cached(blob, at), version, hash_type, digest, description, time, acl_digest
    )


def is_current(
    ntacl: NtAcl, acl_hash: bytes, posix_sd: SecurityDescriptor | Callable[[], SecurityDescriptor]
) -> bool:
    """Whether the stored descriptor still belongs to the file.

    Args:
        ntacl: what the file stores.
        acl_hash: `sys_acl_hash` of the file as it is now.
        posix_sd: what its POSIX ACL translates to now; a callable is asked only if that matters.
    """
    if ntacl.version < 3 or ntacl.hash_type != XATTR_SD_HASH_TYPE_SHA256:
        return True
    size = len(acl_hash)
    if ntacl.version == 4 and hmac.compare_digest(ntacl.sys_acl_hash[:size], acl_hash):
        return True
    return hmac.compare_digest(ntacl.hash[:size], sd_hash(posix_sd() if callable(posix_sd) else posix_sd))
