"""Where pysmbd keeps its files unless smb.conf says otherwise: the only place that names them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

CONFIG_FILE: Final = "/etc/pysmbd/smb.conf"
# An administrator who comes from Samba has this file already, and it means the same here.
FALLBACK_CONFIG_FILE: Final = "/etc/samba/smb.conf"

STATE_DIRECTORY: Final = "/var/lib/pysmbd"
PRIVATE_DIRECTORY: Final = "/var/lib/pysmbd/private"
RUN_DIRECTORY: Final = "/run/pysmbd"
LOG_DIRECTORY: Final = "/var/log/pysmbd"
CACHE_DIRECTORY: Final = "/var/cache/pysmbd"

SMB_PASSWD_FILE: Final = "/etc/pysmbd/smbpasswd"  # noqa: S105 - a file name


def default_config_file() -> str:
    """The configuration file used when none is named on the command line.

    The environment variable ``SMB_CONF_PATH`` goes first, as in Samba; then pysmbd's own file, then Samba's
    if only that exists.
    """
    named = os.environ.get("SMB_CONF_PATH")
    if named:
        return named
    if not Path(CONFIG_FILE).exists() and Path(FALLBACK_CONFIG_FILE).exists():
        return FALLBACK_CONFIG_FILE
    return CONFIG_FILE
