from __future__ import annotations

import socket

import pytest

from smbd.config.loadparm import load_config
from smbd.listen import ListenError, bind_all, describe


def config(port, interfaces="127.0.0.1"):
    settings = [("interfaces", interfaces), ("bind interfaces only", "yes"), ("smb ports", str(port))]
    return load_config("", settings)


@pytest.fixture
def taken():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_listens_without_blocking_and_not_in_children():
    (listener,) = bind_all(config(free_port()))
    with listener:
        assert not listener.getblocking()
        assert not listener.get_inheritable()
        with pytest.raises(BlockingIOError):
            listener.accept()


def test_a_port_that_is_taken_is_an_error_in_words(taken):
    with pytest.raises(ListenError, match=rf"127\.0\.0\.1:{taken}.*another program"):
        bind_all(config(taken))


def test_nothing_to_listen_on():
    with pytest.raises(ListenError, match="interfaces"):
        bind_all(config(free_port(), "no-such-interface"))


def test_addresses_as_people_write_them():
    assert describe("::1", 445) == "[::1]:445"
    assert describe("10.0.0.1", 445) == "10.0.0.1:445"
