"""Parameters of Samba that pysmbd knows by name only, from all topics."""

from __future__ import annotations

from smbd.config.parameters.known_domain import DOMAIN_TOPICS
from smbd.config.parameters.known_services import SERVICE_TOPICS
from smbd.config.registry import AnyParam


def known_parameters() -> list[AnyParam]:
    """One declaration for each."""
    return [param for topic in (*DOMAIN_TOPICS, *SERVICE_TOPICS) for param in topic.declarations()]
