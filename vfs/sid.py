"""Security identifiers ([MS-DTYP] 2.4.2).

A `Sid` is its own binary form: a subclass of ``bytes``. So parsing one out of a security descriptor is a slice,
and comparing and hashing (what an access check does) run in C. The text form is made only for people.
"""

from __future__ import annotations

import re
from typing import Final

SID_REVISION: Final = 1
SID_MAX_SUB_AUTHORITIES: Final = 15
_HEADER_SIZE: Final = 8
_MAX_AUTHORITY: Final = (1 << 48) - 1
_MAX_SUB_AUTHORITY: Final = (1 << 32) - 1
_TEXT = re.compile(r"[Ss]-1-(0[xX][0-9a-fA-F]{1,12}|[0-9]{1,15})((?:-[0-9]{1,10})*)")


class SidError(ValueError):
    """The bytes or the text are not a security identifier."""


class Sid(bytes):
    """A security identifier, immutable and hashable; ``str()`` gives ``S-1-...``.

    Build one from its text (``Sid("S-1-5-18")``) or its binary form (exact length).

    Raises:
        SidError: neither a valid text nor a valid binary form.
    """

    __slots__ = ()

    def __new__(cls, value: str | bytes) -> Sid:
        """From text or from bytes; see the class."""
        if isinstance(value, str):
            return bytes.__new__(cls, _from_text(value))
        if len(value) < _HEADER_SIZE or len(value) != _HEADER_SIZE + 4 * value[1]:
            raise SidError(f"a SID of {len(value)} bytes has the wrong length")
        if value[0] != SID_REVISION or value[1] > SID_MAX_SUB_AUTHORITIES:
            raise SidError(f"a SID of revision {value[0]} with {value[1]} sub-authorities")
        return bytes.__new__(cls, value)

    @classmethod
    def from_parts(cls, authority: int, *sub_authorities: int) -> Sid:
        """The SID S-1-`authority`-`sub_authorities`.

        Raises:
            SidError: a number is out of its range, or too many sub-authorities.
        """
        if len(sub_authorities) > SID_MAX_SUB_AUTHORITIES or not 0 <= authority <= _MAX_AUTHORITY:
            raise SidError("too many sub-authorities or an authority of more than 48 bits")
        head = bytes((SID_REVISION, len(sub_authorities))) + authority.to_bytes(6, "big")
        try:
            return bytes.__new__(cls, head + b"".join(sub.to_bytes(4, "little") for sub in sub_authorities))
        except OverflowError:
            raise SidError("a sub-authority has more than 32 bits") from None

    @classmethod
    def unpack_from(cls, buffer: bytes, offset: int, end: int) -> Sid:
        """The SID that begins at `offset` of `buffer` and must lie before `end`.

        Raises:
            SidError: it is cut short or malformed.
        """
        if offset < 0 or offset + _HEADER_SIZE > end or end > len(buffer):
            raise SidError("a SID lies outside its buffer")
        count = buffer[offset + 1]
        stop = offset + _HEADER_SIZE + 4 * count
        if buffer[offset] != SID_REVISION or count > SID_MAX_SUB_AUTHORITIES or stop > end:
            raise SidError(f"a SID of revision {buffer[offset]} with {count} sub-authorities")
        return bytes.__new__(cls, buffer[offset:stop])

    @property
    def authority(self) -> int:
        """The identifier authority."""
        return int.from_bytes(self[2:8], "big")

    @property
    def sub_authorities(self) -> tuple[int, ...]:
        """The sub-authorities, most significant first."""
        return tuple(int.from_bytes(self[at : at + 4], "little") for at in range(8, len(self), 4))

    @property
    def rid(self) -> int:
        """The last sub-authority (0 if there is none)."""
        return int.from_bytes(self[-4:], "little") if self[1] else 0

    @property
    def domain(self) -> Sid:
        """This SID without its last sub-authority.

        Raises:
            SidError: there is none to take away.
        """
        if not self[1]:
            raise SidError("a SID without sub-authorities has no domain")
        return bytes.__new__(Sid, bytes((SID_REVISION, self[1] - 1)) + self[2:-4])

    def child(self, rid: int) -> Sid:
        """This SID with `rid` appended.

        Raises:
            SidError: it has 15 sub-authorities already, or `rid` has more than 32 bits.
        """
        if self[1] >= SID_MAX_SUB_AUTHORITIES or not 0 <= rid <= _MAX_SUB_AUTHORITY:
            raise SidError("no room for another sub-authority, or one of more than 32 bits")
        return bytes.__new__(Sid, bytes((SID_REVISION, self[1] + 1)) + self[2:] + rid.to_bytes(4, "little"))

    def in_domain(self, domain: Sid) -> bool:
        """Whether this is `domain` with exactly one more sub-authority."""
        return len(self) == len(domain) + 4 and self[1] == domain[1] + 1 and self[2:-4] == domain[2:]

    def __str__(self) -> str:
        authority = self.authority
        head = f"{authority}" if authority < 1 << 32 else f"0x{authority:012x}"
        return "-".join(("S-1", head, *map(str, self.sub_authorities)))

    def __repr__(self) -> str:
        return f"Sid('{self}')"


def _from_text(text: str) -> bytes:
    match = _TEXT.fullmatch(text)
    if match is None:
        raise SidError(f"not a SID: {text[:80]!r}")
    authority = int(match[1], 16 if match[1][:2] in {"0x", "0X"} else 10)
    return Sid.from_parts(authority, *map(int, match[2].split("-")[1:]))


SID_NULL: Final = Sid("S-1-0-0")
SID_WORLD: Final = Sid("S-1-1-0")
SID_CREATOR_OWNER: Final = Sid("S-1-3-0")
SID_CREATOR_GROUP: Final = Sid("S-1-3-1")
SID_OWNER_RIGHTS: Final = Sid("S-1-3-4")
SID_NETWORK: Final = Sid("S-1-5-2")
SID_ANONYMOUS: Final = Sid("S-1-5-7")
SID_PRINCIPAL_SELF: Final = Sid("S-1-5-10")
SID_AUTHENTICATED_USERS: Final = Sid("S-1-5-11")
SID_SYSTEM: Final = Sid("S-1-5-18")
SID_BUILTIN: Final = Sid("S-1-5-32")
SID_BUILTIN_ADMINISTRATORS: Final = Sid("S-1-5-32-544")
SID_BUILTIN_USERS: Final = Sid("S-1-5-32-545")
SID_BUILTIN_GUESTS: Final = Sid("S-1-5-32-546")
#: Samba's namespaces for Unix ids without a mapped account: S-1-22-1-uid, S-1-22-2-gid.
SID_UNIX_USERS: Final = Sid("S-1-22-1")
SID_UNIX_GROUPS: Final = Sid("S-1-22-2")
#: [MS-NFS] style mode ACE namespace: S-1-5-88-{1 uid,2 gid,3 mode}.
SID_NFS: Final = Sid("S-1-5-88")
SID_NFS_MODE: Final = SID_NFS.child(3)

#: Names people know, for messages and administration tools ([MS-DTYP] 2.4.2.4).
WELL_KNOWN: Final[dict[Sid, str]] = {
    SID_NULL: "NULL SID",
    SID_WORLD: "Everyone",
    Sid("S-1-2-0"): "LOCAL",
    Sid("S-1-2-1"): "CONSOLE LOGON",
    SID_CREATOR_OWNER: "CREATOR OWNER",
    SID_CREATOR_GROUP: "CREATOR GROUP",
    Sid("S-1-3-2"): "CREATOR OWNER SERVER",
    Sid("S-1-3-3"): "CREATOR GROUP SERVER",
    SID_OWNER_RIGHTS: "OWNER RIGHTS",
    Sid("S-1-5-1"): r"NT AUTHORITY\DIALUP",
    SID_NETWORK: r"NT AUTHORITY\NETWORK",
    Sid("S-1-5-3"): r"NT AUTHORITY\BATCH",
    Sid("S-1-5-4"): r"NT AUTHORITY\INTERACTIVE",
    Sid("S-1-5-6"): r"NT AUTHORITY\SERVICE",
    SID_ANONYMOUS: r"NT AUTHORITY\ANONYMOUS LOGON",
    Sid("S-1-5-8"): r"NT AUTHORITY\PROXY",
    Sid("S-1-5-9"): r"NT AUTHORITY\ENTERPRISE DOMAIN CONTROLLERS",
    SID_PRINCIPAL_SELF: r"NT AUTHORITY\SELF",
    SID_AUTHENTICATED_USERS: r"NT AUTHORITY\Authenticated Users",
    Sid("S-1-5-12"): r"NT AUTHORITY\RESTRICTED",
    Sid("S-1-5-13"): r"NT AUTHORITY\TERMINAL SERVER USER",
    Sid("S-1-5-14"): r"NT AUTHORITY\REMOTE INTERACTIVE LOGON",
    Sid("S-1-5-15"): r"NT AUTHORITY\This Organization",
    SID_SYSTEM: r"NT AUTHORITY\SYSTEM",
    Sid("S-1-5-19"): r"NT AUTHORITY\LOCAL SERVICE",
    Sid("S-1-5-20"): r"NT AUTHORITY\NETWORK SERVICE",
    SID_BUILTIN_ADMINISTRATORS: r"BUILTIN\Administrators",
    SID_BUILTIN_USERS: r"BUILTIN\Users",
    SID_BUILTIN_GUESTS: r"BUILTIN\Guests",
    Sid("S-1-5-32-547"): r"BUILTIN\Power Users",
    Sid("S-1-5-32-548"): r"BUILTIN\Account Operators",
    Sid("S-1-5-32-549"): r"BUILTIN\Server Operators",
    Sid("S-1-5-32-550"): r"BUILTIN\Print Operators",
    Sid("S-1-5-32-551"): r"BUILTIN\Backup Operators",
    Sid("S-1-5-32-552"): r"BUILTIN\Replicator",
}


def unix_user_sid(uid: int) -> Sid:
    """The SID of a Unix user who has no account: S-1-22-1-`uid`."""
    return SID_UNIX_USERS.child(uid)


def unix_group_sid(gid: int) -> Sid:
    """The SID of a Unix group that has no account: S-1-22-2-`gid`."""
    return SID_UNIX_GROUPS.child(gid)
