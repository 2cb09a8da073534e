"""A copy over a network that breaks, by workers that die: the short version of ``python -m tests.stress.copy``."""

from __future__ import annotations

import shutil

import pytest

from tests.process.smbd_support import running_server
from tests.stress.copy import Plan, copy_durably, copy_with_smbclient

pytestmark = pytest.mark.slow

_PLAN = Plan(mebibytes=40, cut=0.7, kill=2.5, rate=10e6)


def test_a_copy_with_durable_handles_survives_cuts_and_dead_workers():
    with running_server() as server:
        report = copy_durably(server, _PLAN)
    assert report.problems == []
    assert report.cuts >= 3
    assert report.kills >= 1
    # Each cut costs two handles, which come back; those of a dead worker are gone.
    assert report.reconnected > report.reopened


@pytest.mark.skipif(shutil.which("smbclient") is None, reason="smbclient is not installed")
def test_a_copy_without_durable_handles_fails_and_leaves_nothing():
    with running_server() as server:
        report = copy_with_smbclient(server, _PLAN)
    assert report.problems == []
    assert report.cuts >= 1
