"""Opens of what was: a snapshot is named by the TWrp create context or an ``@GMT-`` token ([MS-SMB2] 3.3.5.9.4)."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from msgspec import structs

from vfs.access import FILE_GENERIC_READ, MAXIMUM_ALLOWED, map_generic
from vfs.constants import FILE_DELETE_ON_CLOSE, FILE_OPEN, FILE_OPEN_IF
from vfs.fsa import times
from vfs.fsa.access_check import WRITE_RIGHTS
from vfs.ntstatus import STATUS_MEDIA_WRITE_PROTECTED, STATUS_OBJECT_NAME_NOT_FOUND, NTStatusError

if TYPE_CHECKING:
    from vfs.fsa.names import ParsedName
    from vfs.fsa.params import OpenParams
    from vfs.volume import Volume

LABEL_FORMAT: Final = "@GMT-%Y.%m.%d-%H.%M.%S"
"""How snapshots are named on the wire, [MS-SMB2] 2.2.32.2."""
_TOKEN: Final = re.compile(rb"@GMT-\d{4}\.\d\d\.\d\d-\d\d\.\d\d\.\d\d")
_NS: Final = 1_000_000_000


def label(moment: int) -> str:
    """Return the name of a snapshot by its time in seconds since 1970."""
    return datetime.fromtimestamp(moment, UTC).strftime(LABEL_FORMAT)


def redirect(volume: Volume, parsed: ParsedName, params: OpenParams) -> ParsedName:
    """Let an open that names a snapshot open the file there, for reading only; leave all others as they are.

    Returns the name to open.

    As with Windows and Samba it may ask for more, and what takes that is refused later: STATUS_MEDIA_WRITE_PROTECTED.

    Raises:
        NTStatusError: STATUS_OBJECT_NAME_NOT_FOUND (no such snapshot), STATUS_MEDIA_WRITE_PROTECTED.
    """
    moment = times.to_unix_ns(params.timewarp) // _NS if params.timewarp else None
    path = parsed.path
    if b"@GMT-" in path:
        moment, path = _take_token(path)
    if moment is None:
        return parsed
    try:
        path = volume.backend.snapshot_path(path, moment)
    except FileNotFoundError:
        raise NTStatusError(STATUS_OBJECT_NAME_NOT_FOUND, "no such snapshot") from None
    desired = map_generic(params.desired_access)
    if desired & MAXIMUM_ALLOWED:
        desired = desired & ~MAXIMUM_ALLOWED | FILE_GENERIC_READ
    if (
        params.create_disposition not in {FILE_OPEN, FILE_OPEN_IF} or params.create_options & FILE_DELETE_ON_CLOSE
    ):
        raise NTStatusError(STATUS_MEDIA_WRITE_PROTECTED, "a snapshot does not change")
    params.withheld_access |= desired & WRITE_RIGHTS  # if the open waits, it comes here again
    params.desired_access = desired & ~WRITE_RIGHTS
    params.create_disposition = FILE_OPEN
    return structs.replace(parsed, path=path)


def _take_token(path: bytes) -> tuple[int | None, bytes]:
    """Return the time that the token in a path means, and the path without; None if there is none after all."""
    components = path.split(b"/")
    for index, component in enumerate(components):
        if _TOKEN.fullmatch(component):
            try:
                moment = datetime.strptime(component.decode(), LABEL_FORMAT).replace(tzinfo=UTC)
            except ValueError:
                break
            return int(moment.timestamp()), b"/".join(components[:index] + components[index + 1 :])
    return None, path
