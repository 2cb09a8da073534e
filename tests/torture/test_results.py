"""The parser of smbtorture's output, on what smbtorture really prints."""

from __future__ import annotations

import pytest

from tests.torture.results import Outcome, parse

_HEAD = "smbtorture 4.17.12-Debian\nUsing seed 1795352303\ntime: 2026-11-22 12:58:23.382681\ntest: rw1\n"


def test_success_is_a_pass():
    output = f"{_HEAD}time: 2026-11-22 12:58:23.397210\nsuccess: rw1\nserver fails write with wrong TID\n"
    assert parse(output, 0) == (Outcome.PASS, "")


def test_failure_carries_its_reason():
    output = f"{_HEAD}failure: rw1 [\n../x.c:334: status was OK,\nexpected DISK_FULL\n]\n"
    assert parse(output, 1) == (Outcome.FAIL, "../x.c:334: status was OK, expected DISK_FULL")


def test_error_is_a_failure_even_with_exit_code_0():
    assert parse(f"{_HEAD}error: rw1 [\nno connection\n]\n", 0) == (Outcome.FAIL, "no connection")


def test_skip_carries_its_reason():
    output = f"{_HEAD}skip: rw1 [\nserver doesn't support it\n]\n"
    assert parse(output, 0) == (Outcome.SKIP, "server doesn't support it")


def test_one_failure_among_successes_fails():
    output = "success: Testing wide-a\nfailure: b [\nbad\n]\nsuccess: c\n"
    assert parse(output, 1) == (Outcome.FAIL, "bad")


def test_words_of_a_reason_are_no_reports():
    output = "failure: a [\nsuccess: not really\n]\n"
    assert parse(output, 1) == (Outcome.FAIL, "success: not really")


def test_unclosed_reason_ends_with_the_output():
    assert parse("failure: a [\nconnection lost", 1) == (Outcome.FAIL, "connection lost")


def test_name_with_brackets_and_blanks():
    assert parse("success: Testing composite character (a umlaut)\n", 0).outcome is Outcome.PASS


def test_time_limit_without_report():
    assert parse(_HEAD, None).outcome is Outcome.TIMEOUT


def test_failure_counts_though_the_time_limit_struck():
    assert parse("failure: a\n", None).outcome is Outcome.FAIL


@pytest.mark.parametrize("code", [0, 1, -11])
def test_no_report_never_passes(code):
    result = parse("Unknown torture operation 'smb2.nonsense'\n", code)
    assert result.outcome is Outcome.FAIL
    assert "Unknown torture operation" in result.reason


def test_success_and_bad_exit_code_fails():
    assert parse("success: a\n", 1).outcome is Outcome.FAIL


def test_no_output_at_all():
    assert parse("", 0) == (Outcome.FAIL, "no result reported: no output")
