"""All parameters: those the server uses, as typed attributes, and those it only knows by name."""

from __future__ import annotations

from typing import Any, Final

from smbd.config.parameters.known import known_parameters
from smbd.config.parameters.logging import LoggingParams
from smbd.config.parameters.network import NetworkParams
from smbd.config.parameters.protocol import ProtocolParams
from smbd.config.parameters.security import SecurityParams
from smbd.config.parameters.server import ServerParams
from smbd.config.parameters.share_access import ShareAccessParams
from smbd.config.parameters.share_files import ShareFileParams
from smbd.config.parameters.share_io import ShareIoParams
from smbd.config.registry import GLOBAL, SHARE, AnyParam, Registry


class GlobalDeclarations(ServerParams, NetworkParams, ProtocolParams, SecurityParams, LoggingParams, scope=GLOBAL):
    """The global parameters that the server uses."""


class ShareDeclarations(ShareAccessParams, ShareFileParams, ShareIoParams, scope=SHARE):
    """The share parameters that the server uses."""


def _all_parameters() -> list[AnyParam]:
    params: list[AnyParam] = [
        *GlobalDeclarations.declarations.values(),
        *ShareDeclarations.declarations.values(),
    ]
    used = {param.name for param in params}
    params += [param for param in known_parameters() if param.name not in used]
    return params


REGISTRY: Final = Registry(_all_parameters())


def default_values(scope: str) -> dict[str, Any]:
    """Values of the typed attributes of a scope when smb.conf sets none."""
    owner = GlobalDeclarations if scope == GLOBAL else ShareDeclarations
    return owner.defaults()
