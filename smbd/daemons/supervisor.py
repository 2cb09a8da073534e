"""The parent's care for the helper daemons: starts them, and starts them again when they die.

One that dies at once is tried again later and later, so that a lasting cause does not become a fork loop.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from smbd.daemons.channel import Channel
from smbd.daemons.registry import HELPERS, HelperSpec

_log = logging.getLogger(__name__)

#: Seconds from a death to the next start: the first, and the longest that doubling leads to.
FIRST_PAUSE: Final = 0.2
LONGEST_PAUSE: Final = 30.0
#: A helper that lived so long was sound: its next death counts as the first.
SOUND_AFTER: Final = 60.0

#: Forks a helper: name, main, its end of the channel -> pid, 0 on failure.
Fork = Callable[[str, Callable[..., None], Channel], int]


@dataclass(slots=True)
class _Post:
    """The place of one helper, whether it runs or not."""

    spec: HelperSpec
    channel: Channel | None = None
    started: float = 0.0
    pause: float = FIRST_PAUSE
    due: float | None = None


class Supervisor:
    """All helper daemons.

    Args:
        fork: makes the process.
        specs: which daemons there are.
        clock: monotonic time.
    """

    def __init__(
        self, fork: Fork, specs: Sequence[HelperSpec] = HELPERS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._fork = fork
        self._clock = clock
        self._posts = {spec.name: _Post(spec) for spec in specs}
        self._being_forked: Channel | None = None

    def start(self) -> list[tuple[str, Channel]]:
        """Start all; return the parent's end of the channel of each that runs."""
        now = self._clock()
        for post in self._posts.values():
            post.due = now
        return self.start_due(now)

    def start_due(self, now: float) -> list[tuple[str, Channel]]:
        """Start those whose pause is over; return the channels to watch."""
        started = []
        for post in self._posts.values():
            if post.due is not None and post.due <= now:
                opened = self._start(post, now)
                if opened is not None:
                    started.append((post.spec.name, opened))
        return started

    def _start(self, post: _Post, now: float) -> Channel | None:
        mine, theirs = Channel.pair()
        post.channel, post.due, post.started = mine, None, now
        self._being_forked = theirs
        pid = self._fork(post.spec.name, post.spec.main, theirs)
        self._being_forked = None
        theirs.close()
        if pid:
            return mine
        mine.close()
        post.channel = None
        self._postpone(post, now)
        return None

    def _postpone(self, post: _Post, now: float) -> None:
        post.due = now + post.pause
        post.pause = min(post.pause * 2, LONGEST_PAUSE)

    def ended(self, name: str, now: float) -> Channel | None:
        """Note the death of a helper and plan its next start; return its channel, to be closed."""
        post = self._posts[name]
        lost, post.channel = post.channel, None
        if now - post.started >= SOUND_AFTER:
            post.pause = FIRST_PAUSE
        self._postpone(post, now)
        return lost

    def next_start(self) -> float | None:
        """Return when the next helper is due, None if all run."""
        return min((post.due for post in self._posts.values() if post.due is not None), default=None)

    def channel(self, name: str) -> Channel | None:
        """Return the parent's end of the channel of a running helper."""
        return self._posts[name].channel

    def channels(self) -> Iterator[Channel]:
        """Yield all ends that this process has open."""
        for post in self._posts.values():
            if post.channel is not None:
                yield post.channel
        if self._being_forked is not None:
            yield self._being_forked

    def wanting_deaths(self) -> Iterator[Channel]:
        """Yield the channels of helpers that are told of ended workers."""
        for post in self._posts.values():
            if post.channel is not None and post.spec.wants_deaths:
                yield post.channel
