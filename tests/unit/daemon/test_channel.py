from __future__ import annotations

import socket

import pytest

from smbd.daemons.channel import Answer, Channel, ChannelClosed, ChildEnded, Order, Question


@pytest.fixture
def pair():
    one, other = Channel.pair()
    yield one, other
    one.close()
    other.close()


@pytest.mark.parametrize(
    "message", [ChildEnded(7, clean=False), Question(1, "ping"), Answer(1, "é"), Order("debug", "3 auth:5")]
)
def test_messages_arrive_as_they_were_sent(pair, message):
    one, other = pair
    assert one.send(message)
    assert list(other.receive()) == [message]
    assert list(other.receive()) == []


def test_a_closed_end_is_noticed_after_what_it_said(pair):
    one, other = pair
    one.send(Answer(1, "last"))
    one.close()
    received = other.receive()
    assert next(received) == Answer(1, "last")
    with pytest.raises(ChannelClosed):
        next(received)
    assert not other.send(Answer(2, "nobody"))


def test_a_full_channel_does_not_block(pair):
    one, _ = pair
    while one.send(Order("debug", "x" * 1000)):
        pass


def test_what_is_not_ours_is_dropped(caplog):
    left, right = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with left:
        channel = Channel(right)
        left.send(b"\xc1nonsense")
        left.send(b"\x92\xa6answer\x01")
        assert list(channel.receive()) == []
        assert len(caplog.records) == 2
        channel.close()
