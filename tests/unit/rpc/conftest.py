from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.rpc.environment import Environment


@pytest.fixture
def rpc(tmp_path: Path) -> Environment:
    return Environment(tmp_path)
