"""control: the parent's place on the bus.

The parent forks all the time, so it may not hold a ZeroMQ context. This helper holds one for it: it answers to the name
``smbd``, passes questions and orders to the parent over its channel, and messages for clients on to all workers, which
is what Samba's parent does with them.

A ping is answered only after the parent has answered it: the reply proves that the parent's loop turns.
"""

from __future__ import annotations

import logging
from functools import partial

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
    MSG_SMB_NUM_CHILDREN,
    MSG_SMB_TELL_NUM_CHILDREN,
    message_name,
)
from messaging.server_id import ServerId
from smbd.control import reply, set_levels
from smbd.daemons import channel
from smbd.daemons.channel import Answer, Message, Order, Question
from smbd.daemons.helper import Helper
from smbd.daemons.names import PARENT

NAME = "control"

_log = logging.getLogger(__name__)

#: Questions that the parent has not answered; more mean that it hangs, and that nobody waits for the oldest any more.
_MAX_QUESTIONS = 1024


class ControlState:
    """Relays between the bus and the parent.

    Args:
        helper: the process.
    """

    def __init__(self, helper: Helper) -> None:
        self._helper = helper
        self._number = 0
        self._questions: dict[int, tuple[ServerId, int]] = {}
        helper.on_message = self._from_parent
        bus = helper.bus
        bus.register(MSG_PING, lambda source, _: self._ask(source, channel.ASK_PING, MSG_PONG))
        bus.register(
            MSG_SMB_TELL_NUM_CHILDREN,
            lambda source, _: self._ask(source, channel.ASK_NUM_CHILDREN, MSG_SMB_NUM_CHILDREN),
        )
        bus.register(
            MSG_REQ_DEBUGLEVEL, lambda source, _: self._ask(source, channel.ASK_DEBUGLEVEL, MSG_DEBUGLEVEL)
        )
        bus.register(MSG_RELOAD_CONFIG, lambda source, _: self._order(source, channel.ORDER_RELOAD))
        bus.register(MSG_SHUTDOWN, lambda source, _: self._order(source, channel.ORDER_SHUTDOWN))
        bus.register(MSG_DEBUG, self._debug)
        for msg_type in (MSG_SMB_FORCE_TDIS, MSG_SMB_KILL_CLIENT_IP):
            bus.register(msg_type, partial(self._forward, msg_type))
        helper.names.register(PARENT, bus.server_id, helper.parent_pid)

    def _ask(self, source: ServerId, topic: str, reply_type: int) -> None:
        self._number += 1
        if len(self._questions) >= _MAX_QUESTIONS:
            del self._questions[next(iter(self._questions))]
        self._questions[self._number] = (source, reply_type)
        self._helper.send_parent(Question(self._number, topic))

    def _from_parent(self, message: Message) -> None:
        if not isinstance(message, Answer):
            return
        asked = self._questions.pop(message.number, None)
        if asked is not None:
            source, reply_type = asked
            reply(self._helper.bus, source, reply_type, message.text)

    def _order(self, source: ServerId, what: str, argument: str = "") -> None:
        _log.info("%s orders %s %s", source, what, argument)
        self._helper.send_parent(Order(what, argument))

    def _debug(self, source: ServerId, payload: bytes) -> None:
        """The levels of the parent are those of everybody: of itself, of its children now and later."""
        text = payload.decode("utf-8", "replace")
        self._order(source, channel.ORDER_DEBUG, text)
        set_levels(text, str(source))
        self._pass_on(source, MSG_DEBUG, payload)

    def _forward(self, msg_type: int, source: ServerId, payload: bytes) -> None:
        self._pass_on(source, msg_type, payload)

    def _pass_on(self, source: ServerId, msg_type: int, payload: bytes) -> None:
        sent = self._helper.bus.broadcast(msg_type, payload)
        _log.info("%s of %s passed on to %d processes", message_name(msg_type), source, sent)


def main(helper: Helper) -> None:
    """Run the helper."""
    ControlState(helper)
    helper.run()
