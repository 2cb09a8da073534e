"""What the administrator can tell any process of the server over the bus (smbcontrol's other end)."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from messaging.bus import Bus, MessagingError
from messaging.msg_types import (
    MSG_DEBUG,
    MSG_DEBUGLEVEL,
    MSG_PING,
    MSG_PONG,
    MSG_RELOAD_CONFIG,
    MSG_REQ_DEBUGLEVEL,
    MSG_SHUTDOWN,
    MSG_SMB_FORCE_TDIS,
    MSG_SMB_KILL_CLIENT_IP,
)
from messaging.server_id import ServerId
from smbd import log

if TYPE_CHECKING:
    from smbd.context import ServerContext

_log = logging.getLogger(__name__)


def register_common(bus: Bus, *, on_reload: Callable[[], None], on_shutdown: Callable[[], None]) -> None:
    """Answer the messages that every process understands: ping, debug, debuglevel, reload-config, shutdown."""

    def ping(source: ServerId, _payload: bytes) -> None:
        reply(bus, source, MSG_PONG, str(os.getpid()))

    def tell_levels(source: ServerId, _payload: bytes) -> None:
        reply(bus, source, MSG_DEBUGLEVEL, f"PID {os.getpid()}: {log.levels_text()}")

    def reload_config(source: ServerId, _payload: bytes) -> None:
        _log.info("%s asks for a reload of the configuration", source)
        on_reload()

    def shutdown(source: ServerId, _payload: bytes) -> None:
        _log.warning("%s asks for the end of this process", source)
        on_shutdown()

    bus.register(MSG_PING, ping)
    bus.register(MSG_REQ_DEBUGLEVEL, tell_levels)
    bus.register(MSG_DEBUG, _set_levels)
    bus.register(MSG_RELOAD_CONFIG, reload_config)
    bus.register(MSG_SHUTDOWN, shutdown)


def register_worker(ctx: ServerContext) -> None:
    """Answer the messages about clients: close-share and kill-client-ip."""

    def close_share(_source: ServerId, payload: bytes) -> None:
        ctx.close_share(payload.decode("utf-8", "replace"))

    def kill_client(_source: ServerId, payload: bytes) -> None:
        ctx.kill_client_ip(payload.decode("utf-8", "replace"))

    ctx.bus.register(MSG_SMB_FORCE_TDIS, close_share)
    ctx.bus.register(MSG_SMB_KILL_CLIENT_IP, kill_client)


def _set_levels(source: ServerId, payload: bytes) -> None:
    set_levels(payload.decode("utf-8", "replace"), str(source))


def set_levels(text: str, source: str) -> None:
    """Change this process' log levels as `source` wishes; a mistake in `text` changes nothing."""
    try:
        log.set_levels(text)
    except ValueError as error:
        _log.error("%s wants other log levels: %s", source, error)
        return
    _log.info("log level set to %r by %s", text, source)


def reply(bus: Bus, dest: ServerId, msg_type: int, text: str) -> None:
    """Send `text`; who asked and is gone by now does not want it any more."""
    try:
        bus.send(dest, msg_type, text.encode())
    except MessagingError as error:
        _log.info("no reply to %s: %s", dest, error)
