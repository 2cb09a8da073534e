from __future__ import annotations

import pytest

import smbd
from smbd import log
from smbd.__main__ import _source, main, make_parser


def source(*arguments):
    return _source(make_parser().parse_args(arguments))


def test_settings_of_the_command_line():
    made = source("-F", "-s", "/x/smb.conf", "-d", "3", "-p", "4450", "-p", "4451", "--option=ea support = yes")
    assert made.path == "/x/smb.conf"
    assert dict(made.overrides) == {"ea support": "yes", "log level": "3", "smb ports": "4450 4451"}
    assert made.log_target == log.FILE


def test_log_directory():
    assert dict(source("-l", "/logs").overrides) == {"log file": "/logs/log.smbd"}


@pytest.mark.parametrize("flag", ["-i", "--debug-stdout"])
def test_log_to_standard_output(flag):
    assert source(flag).log_target == log.STDOUT


@pytest.mark.parametrize(
    "arguments", [["-X"], ["-D", "-F"], ["--option=nonsense"], ["--option==x"], ["surplus"], ["-s"]]
)
def test_mistakes_end_with_one(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        make_parser().parse_args(arguments)
    assert ended.value.code == 1
    assert "smbd: " in capsys.readouterr().err


def test_version(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["-V"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"Version {smbd.__version__}\n"


def test_build_options_name_the_paths(tmp_path, capsys):
    conf = tmp_path / "smb.conf"
    conf.write_text(f"[global]\npid directory = {tmp_path}/pid\n")
    assert main(["-b", "-s", str(conf)]) == 0
    out = capsys.readouterr().out
    assert f"PIDDIR: {tmp_path}/pid\n" in out
    assert f"CONFIGFILE: {conf}\n" in out


def test_a_broken_configuration_is_told_by_line(tmp_path, capsys):
    conf = tmp_path / "smb.conf"
    conf.write_text("[global]\nsmb ports = none\n")
    assert main(["-F", "-s", str(conf)]) == 1
    assert f"{conf}:2" in capsys.readouterr().err


def test_a_configuration_that_is_not_there(tmp_path, capsys):
    assert main(["-F", "-s", str(tmp_path / "none.conf")]) == 1
    assert "none.conf" in capsys.readouterr().err


def test_a_log_level_that_is_none(tmp_path, capsys):
    conf = tmp_path / "smb.conf"
    conf.write_text("")
    assert main(["-F", "-s", str(conf), "-d", "much"]) == 1
    assert "much" in capsys.readouterr().err
