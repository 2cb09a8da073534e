"""Parameters of Samba that pysmbd knows by name only."""

from __future__ import annotations

from smbd.config.registry import AnyParam


def known_parameters() -> list[AnyParam]:
    """One declaration for each."""
    return []
