"""The line structure of smb.conf."""

from __future__ import annotations

from smbd.config.grammar import ConfigError, Problem, Section, Setting, logical_lines, parse


def items(text: str) -> tuple[list[Section | Setting], list[Problem], list[Problem]]:
    problems: list[Problem] = []
    warnings: list[Problem] = []
    return list(parse(text, "f", problems, warnings)), problems, warnings


def test_comments_and_empty_lines_are_dropped() -> None:
    assert list(logical_lines("# a\n; b\n\n  # c\n x = 1\n")) == [(5, "x = 1")]


def test_a_backslash_continues_a_line_and_the_first_number_counts() -> None:
    assert list(logical_lines("a = b \\\n  c\\\n d\ne = f")) == [(1, "a = b c d"), (4, "e = f")]


def test_a_comment_does_not_continue() -> None:
    assert list(logical_lines("# c \\\nread only = no")) == [(2, "read only = no")]


def test_a_continued_line_may_look_like_a_comment() -> None:
    assert list(logical_lines("comment = one \\\n;two")) == [(1, "comment = one ;two")]


def test_a_backslash_at_the_end_of_the_file() -> None:
    assert list(logical_lines("a = b \\")) == [(1, "a = b")]


def test_the_first_equals_sign_splits() -> None:
    found, _, _ = items("[s]\n a  b = c = d # e\n")
    assert found == [Section("f", 1, "s"), Setting("f", 2, "a b", "c = d # e")]


def test_a_section_that_cannot_be_read_is_an_error() -> None:
    _, problems, _ = items("[abc\n[ ]\n")
    assert [(problem.line, problem.remedy) for problem in problems] == [(1, "write [name]"), (2, "write [name]")]


def test_other_lines_are_left_out_with_a_warning() -> None:
    found, problems, warnings = items("nonsense\n= 1\n[s] junk\na = 1\n")
    assert found == [Section("f", 3, "s"), Setting("f", 4, "a", "1")]
    assert problems == []
    assert [warning.line for warning in warnings] == [1, 2, 3]


def test_problems_name_file_and_line() -> None:
    problem = Problem("/etc/x.conf", 7, "wrong", "do it right")
    assert str(problem) == "/etc/x.conf:7: wrong: do it right"
    assert str(Problem("/etc/x.conf", 0, "wrong")) == "/etc/x.conf: wrong"
    assert str(Problem("", 0, "wrong")) == "wrong"
    assert str(ConfigError([problem, problem])).count("\n") == 1
