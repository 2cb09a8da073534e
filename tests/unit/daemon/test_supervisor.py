from __future__ import annotations

import pytest

from smbd.daemons.registry import HELPERS, HelperSpec
from smbd.daemons.supervisor import FIRST_PAUSE, LONGEST_PAUSE, SOUND_AFTER, Supervisor


class Forks:
    def __init__(self):
        self.names = []
        self.fail = False

    def __call__(self, name, main, channel):
        self.names.append(name)
        return 0 if self.fail else 1000 + len(self.names)


def nothing(helper):
    del helper


SPECS = (HelperSpec("one", nothing, wants_deaths=True), HelperSpec("two", nothing))


@pytest.fixture
def forks():
    return Forks()


@pytest.fixture
def supervisor(forks):
    made = Supervisor(forks, SPECS, clock=lambda: 0.0)
    yield made
    for channel in list(made.channels()):
        channel.close()


def test_all_are_started_in_order(supervisor, forks):
    assert [name for name, _ in supervisor.start()] == ["one", "two"]
    assert forks.names == ["one", "two"]
    assert supervisor.next_start() is None
    assert len(list(supervisor.channels())) == 2
    assert list(supervisor.wanting_deaths()) == [supervisor.channel("one")]


def test_one_that_dies_is_started_again_after_a_pause(supervisor, forks):
    supervisor.start()
    lost = supervisor.ended("one", now=1.0)
    lost.close()
    assert supervisor.channel("one") is None
    assert supervisor.next_start() == 1.0 + FIRST_PAUSE
    assert supervisor.start_due(1.0) == []
    assert [name for name, _ in supervisor.start_due(1.0 + FIRST_PAUSE)] == ["one"]


def test_pauses_grow_up_to_a_limit(supervisor):
    supervisor.start()
    now, pauses = 0.0, []
    for _ in range(12):
        supervisor.ended("two", now).close()
        pauses.append(supervisor.next_start() - now)
        now = supervisor.next_start()
        supervisor.start_due(now)
    assert pauses[:3] == pytest.approx([FIRST_PAUSE, 2 * FIRST_PAUSE, 4 * FIRST_PAUSE])
    assert pauses[-1] == pytest.approx(LONGEST_PAUSE)


def test_a_long_life_forgives(supervisor):
    supervisor.start()
    supervisor.ended("two", 0.0).close()
    supervisor.start_due(1.0)
    supervisor.ended("two", 1.0 + SOUND_AFTER).close()
    assert supervisor.next_start() == 1.0 + SOUND_AFTER + FIRST_PAUSE


def test_a_fork_that_fails_is_tried_again(supervisor, forks):
    forks.fail = True
    assert supervisor.start() == []
    assert supervisor.next_start() == FIRST_PAUSE
    forks.fail = False
    assert len(supervisor.start_due(FIRST_PAUSE)) == 2


def test_the_helpers_have_names_of_their_own():
    assert len({spec.name for spec in HELPERS}) == len(HELPERS)
    assert any(spec.wants_deaths for spec in HELPERS)
