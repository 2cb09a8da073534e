"""The table of what single tests need."""

from __future__ import annotations

import pytest

from tests.torture import expectations
from tests.torture.setups import SETUPS, Setup, SetupError, Setups

_TEXT = """
[smb2.dir.one]
share mangled names = yes
limit = 150

[smb2.create*]
global server signing = required
option torture:localdir = DIR/tmp
file name with blanks = contents = more
"""


def test_the_first_pattern_that_fits_counts():
    setups = Setups(_TEXT)
    assert setups.of("smb2.dir.one.one") == Setup(share=(("mangled names", "yes"),), limit=150)
    assert setups.of("smb2.dir.ones.one") == Setup()
    assert setups.of("smb2.create.gentest.gentest") == Setup(
        globals=(("server signing", "required"),),
        options=(("torture:localdir", "DIR/tmp"),),
        files=(("name with blanks", "contents = more"),),
    )


def test_only_parameters_want_a_server_of_its_own():
    assert Setups(_TEXT).of("smb2.create.x").wants_server
    assert not Setup(options=(("torture:localdir", "DIR"),), limit=3).wants_server


def test_patterns_without_tests_are_told():
    assert Setups(_TEXT).unused(["smb2.dir.one.one"]) == ["smb2.create*"]


@pytest.mark.parametrize(
    "text", ["[a]\nnonsense = 1", "[a]\nshare = 1", "[a]\nshare x = 1\nshare x = 2", "share x = 1", "[a]\nno value"]
)
def test_malformed(text):
    with pytest.raises(SetupError):
        Setups(text)


def test_our_own_file_is_for_tests_in_scope():
    baseline = expectations.parse_baseline(expectations.BASELINE.read_text())
    chosen = expectations.select(baseline, expectations.in_scope())
    assert Setups(SETUPS.read_text()).unused(chosen) == []
