"""Long names that come back: the tunnel cache of [MS-FSA] 2.1.1.1 and 2.1.5.1.1.

Programs save a file by deleting it and creating it anew, and old ones know only its short name. What was deleted a
moment ago and is created again by its short name therefore gets its long name back.
"""

from __future__ import annotations

import time
from collections import deque
from typing import Final

from vfs.fsa.mangle import could_be_mangled, is_8_3, mangle
from vfs.fsa.names import component_to_str

_SECONDS: Final = 15.0
"""As Windows keeps them."""
_NAMES: Final = 256

#: (share path, share-relative path, when) of names that went. Short names are computed when somebody asks for one.
_gone: deque[tuple[str, bytes, float]] = deque(maxlen=_NAMES)


def removed(share_path: str, path: bytes) -> None:
    """Remember that the share-relative `path` was deleted by this process."""
    _gone.append((share_path, path, time.monotonic()))


def long_path(share_path: str, path: bytes) -> bytes:
    """Return the path under which a file is to be created for which a client has given `path`."""
    head, slash, last = path.rpartition(b"/")
    short = component_to_str(last)
    if not _gone or not could_be_mangled(short):
        return path
    wanted = short.upper()
    oldest = time.monotonic() - _SECONDS
    for share, old, when in reversed(_gone):
        if when < oldest:
            break
        directory, _, name = old.rpartition(b"/")
        if share == share_path and directory == head:
            text = component_to_str(name)
            if not is_8_3(text) and mangle(text) == wanted:
                return head + slash + name
    return path
