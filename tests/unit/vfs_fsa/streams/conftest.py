from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from tests.unit.vfs_fsa.support import Share


@pytest.fixture
def share(make_share: Callable[..., Share]) -> Share:
    made = make_share(streams_xattr=True)
    try:
        os.setxattr(made.root, "user.probe", b"x")
        os.removexattr(made.root, "user.probe")
    except OSError:
        pytest.skip("no extended attributes here")
    return made
