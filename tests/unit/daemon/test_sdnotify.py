from __future__ import annotations

import os
import socket

import pytest

from smbd.sdnotify import Notifier


@pytest.fixture(params=["file", "abstract"])
def manager(request, tmp_path, monkeypatch):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        name = f"{tmp_path}/notify"
        if request.param == "abstract":
            receiver.bind("\0" + name)
            name = "@" + name
        else:
            receiver.bind(name)
        receiver.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", name)
        yield receiver


def test_states(manager):
    notifier = Notifier()
    assert notifier.enabled
    assert "NOTIFY_SOCKET" not in os.environ
    notifier.ready("serving")
    assert manager.recv(999).decode().split("\n") == ["READY=1", f"MAINPID={os.getpid()}", "STATUS=serving"]
    notifier.reloading()
    assert manager.recv(999).startswith(b"RELOADING=1\nMONOTONIC_USEC=")
    notifier.stopping()
    assert manager.recv(999).startswith(b"STOPPING=1")


def test_nobody_wants_to_know(monkeypatch):
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    notifier = Notifier()
    assert not notifier.enabled
    notifier.ready("serving")


def test_a_manager_that_is_gone_is_no_error(monkeypatch, tmp_path):
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    Notifier().ready("serving")
