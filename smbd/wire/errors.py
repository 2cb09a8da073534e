"""The one exception of the codec."""

from __future__ import annotations


class WireError(Exception):
    """Bytes that are not a well-formed message of the kind that was expected.

    The server answers it with STATUS_INVALID_PARAMETER, or drops the connection where [MS-SMB2] says so.
    """
