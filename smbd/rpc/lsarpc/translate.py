"""What lookups of names and of SIDs have in common ([MS-LSAT] 2.2.12, 3.1.4.5): domains, counts, levels."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Final

from smbd.auth.lookup import SID_TYPE_DOMAIN, Translation
from smbd.rpc.ndr import NdrError, NdrReader, NdrWriter
from vfs.ntstatus import (
    STATUS_INVALID_PARAMETER,
    STATUS_NONE_MAPPED,
    STATUS_SOME_NOT_MAPPED,
    STATUS_SUCCESS,
    NTStatusError,
)
from vfs.sid import Sid

#: A domain index that points nowhere.
NO_DOMAIN: Final = -1
#: LSA_REF_DOMAIN_LIST_MULTIPLIER ([MS-LSAT] 2.2.12): what MaxEntries of the list is a multiple of.
_MAX_ENTRIES: Final = 32
#: LSAP_LOOKUP_LEVEL ([MS-LSAT] 2.2.16): LsapLookupWksta to LsapLookupRODCReferralToFullDC.
_LOOKUP_LEVELS: Final = range(1, 8)


class Domains:
    """The domains that the answers of one call refer to by index."""

    def __init__(self) -> None:
        self._indices: dict[Sid, int] = {}
        self._names: list[tuple[str, Sid]] = []

    def index(self, name: str, sid: Sid) -> int:
        """Return the index of a domain, which is added if it is new."""
        found = self._indices.get(sid)
        if found is None:
            found = self._indices[sid] = len(self._names)
            self._names.append((name, sid))
        return found

    def of(self, found: Translation) -> int:
        """Return the index of the domain of a translation."""
        return self.index(found.domain, found.sid if found.type == SID_TYPE_DOMAIN else found.sid.domain)

    def write(self, writer: NdrWriter) -> None:
        """Write LSAPR_REFERENCED_DOMAIN_LIST, behind its pointer."""
        writer.parameter(partial(self._write_list, writer))

    def _write_list(self, writer: NdrWriter) -> None:
        rows = [partial(self._write_entry, writer, name, sid) for name, sid in self._names]
        writer.u32(len(rows))
        writer.pointer(partial(writer.array, rows) if rows else None)
        writer.u32(_MAX_ENTRIES)

    @staticmethod
    def _write_entry(writer: NdrWriter, name: str, sid: Sid) -> None:
        writer.unicode_string(name)
        writer.sid_pointer(sid)


def read_empty_translations(reader: NdrReader) -> None:
    """Read the [in] half of the list that the answer goes into.

    Raises:
        NdrError: it is not empty.
    """
    reader.u32()
    if reader.pointer() and reader.u32():
        raise NdrError("translations in a request for them")


def check_level(level: int) -> None:
    """Check the scope of a lookup, which makes no difference without a domain.

    Raises:
        NTStatusError: STATUS_INVALID_PARAMETER: there is no such level.
    """
    if level not in _LOOKUP_LEVELS:
        raise NTStatusError(STATUS_INVALID_PARAMETER, f"lookup level {level}")


def status_of(found: Sequence[Translation | None]) -> int:
    """Return the status that tells whether all, some or none were found ([MS-LSAT] 3.1.4.5)."""
    mapped = len(found) - found.count(None)
    if mapped == len(found):
        return STATUS_SUCCESS
    return STATUS_SOME_NOT_MAPPED if mapped else STATUS_NONE_MAPPED
