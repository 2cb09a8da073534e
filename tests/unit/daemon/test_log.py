from __future__ import annotations

import logging
import re

import pytest

from smbd import log
from smbd.config.loadparm import load_config
from smbd.config.substitute import SubstContext
from smbd.log_levels import parse_log_level
from smbd.logfile import LogFile


@pytest.fixture
def restored():
    """Put pytest's own logging back: `configure` changes what there is one of per process."""
    root = logging.getLogger()
    level = root.level
    yield
    log.configure(log.LogOptions(parse_log_level("0")))
    for handler in [one for one in root.handlers if isinstance(one, log.LogFileHandler | log.StreamHandler)]:
        root.removeHandler(handler)
    for package in ("smbd", "vfs", "messaging"):
        logging.getLogger(package).setLevel(logging.NOTSET)
    root.setLevel(level)
    logging.captureWarnings(capture=False)


def options(path, text="1", **more):
    return log.LogOptions(parse_log_level(text), target=log.FILE, path=str(path), **more)


def speak(name="smbd.parent", level=logging.WARNING, message="hello"):
    logging.getLogger(name).log(level, message)


def test_header_and_indented_message(tmp_path, restored):
    log.configure(options(tmp_path / "log"))
    speak(message="one\ntwo")
    text = (tmp_path / "log").read_text()
    pattern = r"\[\d{4}/\d\d/\d\d \d\d:\d\d:\d\d\.\d{6},  1\] smbd\.parent\(speak\)\n  one\n  two\n"
    assert re.fullmatch(pattern, text)


def test_parts_of_the_header(tmp_path, restored):
    log.configure(options(tmp_path / "log", hires=False, pid=True, uid=True, debug_class=True))
    speak("smbd.auth.policy")
    text = (tmp_path / "log").read_text()
    assert re.match(r"\[[\d/]+ [\d:]+,  1, pid=\d+, effective\(\d+, \d+\), real\(\d+, \d+\), class=auth\] ", text)


def test_without_timestamp_the_message_alone(tmp_path, restored):
    log.configure(options(tmp_path / "log", timestamp=False))
    speak()
    assert (tmp_path / "log").read_text() == "hello\n"


def test_prefix_form(tmp_path, restored):
    log.configure(options(tmp_path / "log", prefix=True))
    speak()
    assert re.fullmatch(r"\[.*,  1\] hello\n", (tmp_path / "log").read_text())


def test_levels_by_class_and_a_file_of_its_own(tmp_path, restored):
    log.configure(options(tmp_path / "log", f"1 auth:3 smb2:5@{tmp_path}/smb2", timestamp=False))
    speak("smbd.auth.policy", logging.INFO, "auth at 3")
    speak("smbd.parent", logging.INFO, "parent at 3")
    speak("smbd.smb2.create", logging.DEBUG, "smb2 at 5")
    assert (tmp_path / "log").read_text() == "auth at 3\n"
    assert (tmp_path / "smb2").read_text() == "smb2 at 5\n"


def test_level_ten_shows_more_than_five(tmp_path, restored):
    log.configure(options(tmp_path / "log", "5", timestamp=False))
    speak(level=5, message="deep")
    log.set_levels("10")
    speak(level=5, message="deeper")
    assert (tmp_path / "log").read_text() == "deeper\n"


def test_set_levels_changes_nothing_on_a_mistake(tmp_path, restored):
    log.configure(options(tmp_path / "log", "2"))
    before = log.levels_text()
    with pytest.raises(ValueError):
        log.set_levels("nonsense")
    assert log.levels_text() == before


def test_reopen_after_the_file_was_moved(tmp_path, restored):
    log.configure(options(tmp_path / "log", timestamp=False))
    speak(message="old")
    (tmp_path / "log").rename(tmp_path / "log.1")
    log.reopen()
    speak(message="new")
    assert (tmp_path / "log.1").read_text() == "old\n"
    assert (tmp_path / "log").read_text() == "new\n"


def test_a_message_that_cannot_be_made_is_no_error(tmp_path):
    file = LogFile(str(tmp_path / "log"))
    handler = log.LogFileHandler(file)
    handler.emit(logging.LogRecord("smbd", logging.ERROR, "x.py", 1, "%d", ("no number",), None))
    assert file.lost == 1
    handler.close()


def test_options_of_a_configuration(tmp_path):
    conf = tmp_path / "smb.conf"
    conf.write_text("[global]\nlog file = /logs/log.%m\nlog level = 1 auth:4\nmax log size = 7\ndebug pid = yes\n")
    config = load_config(str(conf))
    made = log.options_of(config)
    assert (made.path, made.max_size, made.pid, made.levels.classes) == ("/logs/log.smbd", 7168, True, {"auth": 4})
    assert log.options_of(config, SubstContext(client_name="10.0.0.7")).path == "/logs/log.10.0.0.7"
