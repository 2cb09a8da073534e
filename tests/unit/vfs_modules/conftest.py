from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.unit.vfs_fsa.support import Share
from vfs.modules.loader import stack


@pytest.fixture
def stacked(tmp_path: Path) -> Iterator[Callable[..., Share]]:
    """Makes a share with modules: their names, and parametric options with ``__`` for the colon."""
    root = tmp_path / "root"
    root.mkdir()
    before = Path.cwd()
    shares = []

    def make(*names: str, expand: Callable[[str], str] = str, **parametric: str) -> Share:
        texts = {name.replace("__", ":", 1): text for name, text in parametric.items()}
        share = Share(root)
        shares.append(share)
        share.volume.backend = stack(share.volume.backend, names, "share", texts.get, expand)
        return share

    yield make
    for share in shares:
        share.close_all()
        assert share.db.records == {}, "an open was left in the share modes"
    os.chdir(before)
