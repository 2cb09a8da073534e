"""Expressions against a naive recursive matcher."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vfs.fsa.wildcards import compile_expression, has_wildcards, is_in_expression


def naive(name: str, expression: str, at: int = 0) -> bool:
    """The definition, one rule after the other, with all the back-tracking it takes."""
    if not expression:
        return at == len(name)
    head, rest = expression[0], expression[1:]
    end = at == len(name)
    if head == "*":
        return naive(name, rest, at) or (not end and naive(name, expression, at + 1))
    if head == "<":
        may_eat = not end and (name[at] != "." or "." in name[at + 1 :])
        return naive(name, rest, at) or (may_eat and naive(name, expression, at + 1))
    if head == ">":
        if end or name[at] == ".":
            return naive(name, rest, at)
        return naive(name, rest, at + 1)
    if head == '"':
        if end:
            return naive(name, rest, at)
        return name[at] == "." and naive(name, rest, at + 1)
    if end:
        return False
    return (head == "?" or head == name[at]) and naive(name, rest, at + 1)


@given(
    st.text("ab.", min_size=1, max_size=9),
    st.text('ab.*?<>"', min_size=1, max_size=9).filter(lambda text: text != "*.*"),
)
def test_like_the_definition(name: str, expression: str) -> None:
    assert is_in_expression(name, expression, ignore_case=False) == naive(name, expression)


@pytest.mark.parametrize(
    ("expression", "matches", "fails"),
    [
        ("*", ["a", "a.b", ".", ".."], []),
        ("*.*", ["a", "a.b"], []),
        ("*.txt", ["a.txt", "A.TXT", "a.b.txt"], ["a.txtx", "txt"]),
        ("<.txt", ["a.txt", "a.b.txt"], ["a"]),
        ("<", ["abc"], ["a.b"]),
        ("a?c", ["abc", "a.c"], ["ac", "abbc"]),
        ('>>>>>>>>">>>', ["abc", "abc.txt", "readme.md"], ["ninechars.txt", "a.html"]),
        ('abc"', ["abc", "abc."], ["abcd"]),
        ("STRASSE", ["strasse"], ["straße"]),
        ("ÄÖ*", ["äöü"], ["ao"]),
    ],
)
def test_examples(expression: str, matches: list[str], fails: list[str]) -> None:
    matcher = compile_expression(expression)
    assert [name for name in matches if not matcher(name)] == []
    assert [name for name in fails if matcher(name)] == []


def test_empty() -> None:
    assert is_in_expression("", "")
    assert not is_in_expression("", "*")
    assert not is_in_expression("a", "")


def test_no_blow_up() -> None:
    before = time.process_time()
    assert not is_in_expression("a" * 255, "*a<" * 85 + "b?")
    assert not is_in_expression("." * 255, '<>*"' * 60 + "b?")
    assert time.process_time() - before < 0.2


def test_has_wildcards() -> None:
    assert all(has_wildcards(f"a{char}") for char in '*?<>"')
    assert not has_wildcards("a.b")
