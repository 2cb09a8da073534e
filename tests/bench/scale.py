"""``scripts/bench scale``: does an operation cost the same when there is much of everything?"""

from __future__ import annotations

import contextlib
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from smbd.wire.constants import SMB2_QUERY_DIRECTORY
from smbd.wire.query_directory import QueryDirectoryRequest
from tests.bench.lab import EVERYWHERE, TOGETHER, Lab
from tests.bench.metadata_rows import close, create
from tests.bench.rawclient import FILE_ID, Lane, RawClient, Step
from tests.bench.svg import chart
from tests.smbxcli import Tree
from vfs.access import FILE_READ_ATTRIBUTES, FILE_READ_DATA
from vfs.constants import FILE_DIRECTORY_FILE, FileIdBothDirectoryInformation
from vfs.ntstatus import STATUS_NO_MORE_FILES, STATUS_OBJECT_NAME_NOT_FOUND

#: Gives the microseconds of server CPU per operation, each time it is called.
Probe = Callable[[], float]


class Plot(NamedTuple):
    """One chart.

    Attributes:
        name: of the file.
        title: above the chart.
        x_label: what there is more and more of.
        points: how many.
        setting: prepares one point; gives the probe.
    """

    name: str
    title: str
    x_label: str
    points: Sequence[int]
    setting: Callable[[Lab, int], contextlib.AbstractContextManager[Probe]]


@contextlib.contextmanager
def _clients(lab: Lab, count: int) -> Iterator[list[RawClient]]:
    with contextlib.ExitStack() as stack:
        stack.callback(lab.wait_idle)
        lab.pin(EVERYWHERE)
        clients = [stack.enter_context(RawClient(lab.server, window=16)) for _ in range(count)]
        lab.pin(TOGETHER)
        yield clients


def _per_operation(lab: Lab, raw: RawClient, steps: list[Step], entries: int = 1) -> Probe:
    lane = Lane(steps)
    raw.run([lane], lab.load.seconds / 4)

    def probe() -> float:
        count = 0

        def work() -> float:
            nonlocal count
            count = raw.run([lane], lab.load.seconds).operations
            return 0

        _, cpu = lab.cpu_of(work)
        return cpu * 1e6 / count / entries

    return probe


def _open_close(tree: Tree, name: str) -> list[Step]:
    return [create(tree, name), close(tree)]


@contextlib.contextmanager
def _connections(lab: Lab, count: int) -> Iterator[Probe]:
    """Many connections take turns."""
    lab.fill("crowd", 1000)
    with _clients(lab, count) as clients:
        lanes = [Lane(_open_close(raw.tree, rf"crowd\file-{number:08}")) for number, raw in enumerate(clients)]

        def turns(seconds: float) -> int:
            done = 0
            deadline = time.monotonic() + seconds
            while done == 0 or time.monotonic() < deadline:
                for raw, lane in zip(clients, lanes, strict=True):
                    raw.run([lane], 0)
                done += count
            return done

        def probe() -> float:
            done = 0

            def work() -> float:
                nonlocal done
                done = turns(2 * lab.load.seconds)
                return 0

            _, cpu = lab.cpu_of(work)
            return cpu * 1e6 / done

        turns(lab.load.seconds / 4)
        yield probe


@contextlib.contextmanager
def _openers(lab: Lab, count: int) -> Iterator[Probe]:
    """Clients have a file open; one of them opens it once more and closes it."""
    lab.fill("popular", 1)
    name = r"popular\file-00000000"
    with _clients(lab, count) as clients:
        for raw in clients:
            raw.call(create(raw.tree, name))
        yield _per_operation(lab, clients[0], _open_close(clients[0].tree, name))


def _directory(lab: Lab, size: int) -> str:
    return lab.fill(f"of-{size}", size).name


def _in_directory(make: Callable[[Tree, str, int], list[Step]], *, per_entry: bool = False):
    @contextlib.contextmanager
    def setting(lab: Lab, size: int) -> Iterator[Probe]:
        directory = _directory(lab, size)
        with _clients(lab, 1) as (raw,):
            yield _per_operation(lab, raw, make(raw.tree, directory, size), size if per_entry else 1)

    return setting


def _existing(tree: Tree, directory: str, size: int) -> list[Step]:
    return _open_close(tree, rf"{directory}\file-{size // 2:08}")


def _missing(tree: Tree, directory: str, _size: int) -> list[Step]:
    return [create(tree, rf"{directory}\No Such File", status=STATUS_OBJECT_NAME_NOT_FOUND)]


def _listing(tree: Tree, directory: str, _size: int) -> list[Step]:
    query = QueryDirectoryRequest(*FILE_ID, FileIdBothDirectoryInformation, "*", 65536, 0)
    return [
        create(tree, directory, FILE_READ_DATA | FILE_READ_ATTRIBUTES, options=FILE_DIRECTORY_FILE),
        Step(tree, (SMB2_QUERY_DIRECTORY, query), until=STATUS_NO_MORE_FILES),
        close(tree),
    ]


_SIZES = (10, 100, 1000, 10_000, 100_000)
_FILES = "files in the directory"
PLOTS = (
    Plot("connections", "open + close, by connections that take turns", "connections", (1, 10, 100, 1000),
         _connections),
    Plot("openers", "open + close of a file that others have open", "clients with the file open",
         (1, 2, 4, 8, 16, 32), _openers),
    Plot("directory-open", "open + close of a file", _FILES, _SIZES, _in_directory(_existing)),
    Plot("directory-missing", "open of a missing name", _FILES, _SIZES, _in_directory(_missing)),
    Plot("directory-list", "list a directory, per entry", _FILES, _SIZES, _in_directory(_listing, per_entry=True)),
)  # fmt: skip


def scale(labs: Sequence[Lab], names: Sequence[str], rounds: int, target: Path | None) -> None:
    """Measure, print, and draw into a directory if one is given."""
    for plot in PLOTS:
        if names and plot.name not in names:
            continue
        points = [point for point in plot.points if point <= labs[0].load.many]
        lines = {lab.server.name: _line(lab, plot, points, rounds) for lab in labs}
        sys.stdout.write(f"{plot.title}, us of server CPU:\n")
        for name, line in lines.items():
            sys.stdout.write(f"  {name:8}" + "".join(f"  {x:,}: {y:,.1f}" for x, y in line.items()) + "\n")
        sys.stdout.flush()
        if target is not None:
            target.mkdir(exist_ok=True)
            drawn = {"Samba" if name == "samba" else name: line for name, line in lines.items()}
            svg = chart(plot.title, plot.x_label, "server CPU per operation (us)", drawn)
            (target / f"{plot.name}.svg").write_text(svg)


def _line(lab: Lab, plot: Plot, points: Sequence[int], rounds: int) -> dict[float, float]:
    line: dict[float, float] = {}
    for point in points:
        with plot.setting(lab, point) as probe:
            line[point] = statistics.median(probe() for _ in range(rounds))
            sys.stderr.write(f"{plot.name} {lab.server.name} {point:,}: {line[point]:.1f} us\n")
    return line
