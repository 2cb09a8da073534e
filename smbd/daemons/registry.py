"""The helper daemons, in the order of their start; they end in the reverse order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from smbd.daemons import cleanupd, control, notifyd, scavenger
from smbd.daemons.helper import Helper


@dataclass(frozen=True, slots=True)
class HelperSpec:
    """A helper daemon.

    Attributes:
        name: its name in ps, in the log and for smbcontrol.
        main: its body.
        wants_deaths: whether the parent tells it of workers that ended.
    """

    name: str
    main: Callable[[Helper], None]
    wants_deaths: bool = False


HELPERS: Final = (
    HelperSpec(cleanupd.NAME, cleanupd.main, wants_deaths=True),
    HelperSpec(control.NAME, control.main),
    HelperSpec(notifyd.NAME, notifyd.main, wants_deaths=True),
    HelperSpec(scavenger.NAME, scavenger.main),
)
