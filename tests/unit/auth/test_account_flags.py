"""Flags and letters."""

from __future__ import annotations

import pytest

from smbd.auth.account_flags import (
    ACB_DISABLED,
    ACB_NORMAL,
    ACB_PWNOEXP,
    ACB_PWNOTREQ,
    format_flags,
    parse_flags,
)


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        (ACB_NORMAL, "[U          ]"),
        (ACB_NORMAL | ACB_DISABLED, "[DU         ]"),
        (ACB_NORMAL | ACB_PWNOTREQ | ACB_PWNOEXP, "[NUX        ]"),
        (0, "[           ]"),
    ],
)
def test_layout(flags: int, text: str) -> None:
    assert format_flags(flags) == text
    assert parse_flags(text) == flags


def test_parse() -> None:
    assert parse_flags(" [dx] ") == ACB_DISABLED | ACB_PWNOEXP
    for text in ("UX", "[U", "[Q]", ""):
        with pytest.raises(ValueError, match="flag"):
            parse_flags(text)
