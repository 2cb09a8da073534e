from __future__ import annotations

import pytest

from smbd.tools import smbcontrol


@pytest.fixture
def conf(tmp_path):
    (tmp_path / "lock").mkdir()
    path = tmp_path / "smb.conf"
    path.write_text(f"[global]\nlock directory = {tmp_path}/lock\n")
    return str(path)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["smbd", "nosuch"], "unknown command 'nosuch'"),
        (["smbd", "ping", "surplus"], "Usage: smbcontrol <dest> ping"),
        (["smbd", "close-share"], "Usage: smbcontrol <dest> close-share <sharename>"),
        (["smbd", "kill-client-ip"], "Usage: smbcontrol <dest> kill-client-ip <IP address>"),
        (["smbd", "kill-client-ip", "somewhere"], "'somewhere' is not an IP address"),
        (["smbd", "debug", "much"], "'much' is not a log level"),
        (["smbd", "ping"], "Can't find pid for destination 'smbd'"),
        (["cleanupd", "ping"], "Can't find pid for destination 'cleanupd'"),
        (["4100001", "ping"], "no process 4100001"),
    ],
)
def test_what_cannot_be_done_is_said_with_exit_one(conf, capsys, arguments, message):
    assert smbcontrol.main(["-s", conf, *arguments]) == 1
    assert message in capsys.readouterr().err


def test_nobody_to_tell(conf):
    assert smbcontrol.main(["-s", conf, "-t", "0.1", "all", "ping"]) == 1


def test_without_arguments(capsys):
    with pytest.raises(SystemExit) as ended:
        smbcontrol.main([])
    assert ended.value.code == 1
    assert "Usage" in capsys.readouterr().err.replace("usage", "Usage")
