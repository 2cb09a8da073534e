"""What follows from the parameters of an open alone."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from tests.unit.vfs_fsa.support import Share
from vfs import ntstatus as nt
from vfs.access import DELETE, FILE_READ_ATTRIBUTES, FILE_READ_DATA, FILE_WRITE_DATA, GENERIC_READ, MAXIMUM_ALLOWED
from vfs.constants import FILE_DIRECTORY_FILE, FILE_NON_DIRECTORY_FILE, FILE_OPEN, FILE_OVERWRITE, FILE_SUPERSEDE
from vfs.fsa import open_plan
from vfs.fsa.open_plan import plan_of
from vfs.fsa.params import OpenParams


def plan(access: int, disposition: int = FILE_OPEN, options: int = 0) -> open_plan.OpenPlan:
    return plan_of(OpenParams("f", access, create_disposition=disposition, create_options=options))


def test_a_plan_is_made_once() -> None:
    assert plan(FILE_READ_DATA) is plan(FILE_READ_DATA)
    assert plan(FILE_READ_DATA) is not plan(FILE_READ_DATA, options=FILE_NON_DIRECTORY_FILE)


def test_what_is_invalid_is_refused_every_time() -> None:
    for _ in range(2):
        with pytest.raises(nt.NTStatusError) as refused:
            plan(FILE_READ_DATA, options=FILE_DIRECTORY_FILE | FILE_NON_DIRECTORY_FILE)
        assert refused.value.status == nt.STATUS_INVALID_PARAMETER


def test_the_disposition_needs_rights_that_are_not_granted() -> None:
    assert plan(GENERIC_READ).desired & FILE_READ_DATA
    assert plan(FILE_READ_DATA, FILE_OVERWRITE).needed & FILE_WRITE_DATA
    assert plan(FILE_READ_DATA, FILE_SUPERSEDE).needed & DELETE
    assert plan(FILE_READ_DATA, FILE_SUPERSEDE).desired == FILE_READ_DATA


def test_the_table_does_not_grow_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_plan, "MAX_PLANS", 4)
    monkeypatch.setattr(open_plan, "_plans", {})
    for access in range(1, 20):
        plan(access)
        assert len(open_plan._plans) <= 4


@pytest.mark.parametrize(
    ("access", "first"),
    [
        (FILE_READ_DATA, os.O_RDONLY),
        (FILE_WRITE_DATA, os.O_RDWR),
        (FILE_READ_ATTRIBUTES, os.O_RDONLY),
        (MAXIMUM_ALLOWED, os.O_RDWR),
    ],
)
def test_nothing_is_opened_for_writing_on_a_read_only_share(
    make_share: Callable[..., Share], access: int, first: int
) -> None:
    volume = make_share().volume
    assert plan(access).modes_in(volume)[0] == first
    volume.read_only = True
    assert plan(access).modes_in(volume)[0] == os.O_RDONLY
