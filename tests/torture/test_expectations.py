"""Selection of tests and the rule what counts as unexpected."""

from __future__ import annotations

import pytest

from tests.torture import expectations
from tests.torture.expectations import ExpectationError, judge, parse_knownfail, select
from tests.torture.results import Outcome

_NAMES = [
    "smb2.dir.find.find",
    "smb2.dirlease.v2.v2",
    "smb2.compound.related1.related1",
    "smb2.compound.compound-break.compound-break",
    "smb2.session.signing-hmac.signing-hmac",
    "smb2.charset.Testing wide-a.Testing wide-a",
]


def test_a_suite_is_not_a_prefix_of_names():
    assert select(_NAMES, ["smb2.dir"]) == ["smb2.dir.find.find"]


def test_exclusion_and_shell_patterns():
    assert select(_NAMES, ["smb2.compound", "!smb2.compound.compound-break", "smb2.session.*signing*"]) == [
        "smb2.compound.related1.related1",
        "smb2.session.signing-hmac.signing-hmac",
    ]


def test_names_with_blanks():
    assert select(_NAMES, ["smb2.charset"]) == ["smb2.charset.Testing wide-a.Testing wide-a"]


def test_knownfail_wants_a_reason():
    with pytest.raises(ExpectationError, match="without a reason"):
        parse_knownfail("smb2\\.dir\\..*\n")


def test_knownfail_wants_a_valid_expression():
    with pytest.raises(ExpectationError):
        parse_knownfail("smb2.( # because\n")


@pytest.mark.parametrize(
    ("outcome", "listed", "samba", "unexpected"),
    [
        (Outcome.PASS, False, Outcome.PASS, False),
        (Outcome.PASS, True, Outcome.FAIL, True),
        (Outcome.FAIL, True, Outcome.PASS, False),
        (Outcome.FAIL, False, Outcome.FAIL, True),
        (Outcome.TIMEOUT, False, None, True),
        (Outcome.SKIP, False, Outcome.PASS, True),
        (Outcome.SKIP, False, Outcome.SKIP, False),
        (Outcome.SKIP, True, Outcome.PASS, False),
    ],
)
def test_judgement(outcome, listed, samba, unexpected):
    known = parse_knownfail("smb2\\.dir\\..* # told so") if listed else []
    assert judge("smb2.dir.find.find", outcome, known, samba).unexpected is unexpected


def test_our_own_files_parse_and_agree():
    baseline = expectations.parse_baseline(expectations.BASELINE.read_text())
    chosen = select(baseline, expectations.in_scope())
    assert len(chosen) > 50
    for entry in parse_knownfail(expectations.KNOWNFAIL.read_text()):
        assert any(entry.pattern.fullmatch(name) for name in chosen), entry.pattern.pattern
