from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.unit.vfs_fsa.support import Share


@pytest.fixture
def make_share(tmp_path: Path) -> Iterator[Callable[..., Share]]:
    shares: list[Share] = []
    root = tmp_path / "root"
    root.mkdir()
    before = Path.cwd()
    mask = os.umask(0)

    def make(**options: object) -> Share:
        shares.append(Share(root, **options))
        return shares[-1]

    yield make
    for share in shares:
        share.close_all()
        assert share.db.records == {}, "an open was left in the share modes"
    os.umask(mask)
    os.chdir(before)


@pytest.fixture
def share(make_share: Callable[..., Share]) -> Share:
    return make_share()
