"""Samba's debug levels on the command lines of the account tools."""

from __future__ import annotations

import logging

_LEVELS = {0: logging.ERROR, 1: logging.WARNING, 2: logging.WARNING, 3: logging.INFO, 4: logging.INFO}


def python_level(level: int) -> int:
    """Return the logging level that shows what Samba shows at debug `level`."""
    return _LEVELS.get(max(level, 0), logging.DEBUG)
