"""What a tree of processes costs, read from /proc: CPU time, memory, who is alive."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import NamedTuple

_TICK = os.sysconf("SC_CLK_TCK")


class Memory(NamedTuple):
    """Bytes of one or several processes, as in proc(5) ``smaps_rollup``."""

    pss: int
    uss: int


def _stat_fields(pid: int) -> list[str]:
    """The fields of ``/proc/PID/stat`` after the command name (which may hold blanks and brackets)."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def is_alive(pid: int) -> bool:
    """Tell whether the process exists and is more than a zombie."""
    try:
        return _stat_fields(pid)[0] not in {"Z", "X"}
    except (OSError, IndexError):
        return False


def descendants(pid: int) -> list[int]:
    """The living processes below ``pid``, without itself."""
    children: dict[int, list[int]] = {}
    for member in (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()):
        with contextlib.suppress(OSError, IndexError):
            fields = _stat_fields(member)
            if fields[0] != "Z":
                children.setdefault(int(fields[1]), []).append(member)
    found: list[int] = []
    todo = [pid]
    while todo:
        below = children.get(todo.pop(), [])
        found += below
        todo += below
    return found


def with_argument(text: str) -> list[int]:
    """The processes that have ``text`` in one of their arguments."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and text.encode() in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
    return found


def cpu_seconds(pid: int) -> float:
    """CPU time of a process, of its finished threads and of the children it has waited for.

    The scheduler's own account (schedstat) has nanoseconds but forgets finished threads; utime and stime of
    proc(5) remember them in clock ticks. The larger of the two is nearer to the truth.
    """
    fine = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):
            fine += int((task / "schedstat").read_text().split()[0])
    utime, stime, cutime, cstime = (int(field) for field in _stat_fields(pid)[11:15])
    return max(fine / 1e9, (utime + stime) / _TICK) + (cutime + cstime) / _TICK


def tree_cpu_seconds(pid: int) -> float:
    """CPU time of a process and of everything it started: grows monotonically as long as it reaps."""
    total = 0.0
    for member in (pid, *descendants(pid)):
        with contextlib.suppress(OSError):
            total += cpu_seconds(member)
    return total


def memory(pid: int) -> Memory:
    """Proportional and unique memory of one process."""
    pss = uss = 0
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        name, _, rest = line.partition(":")
        if name == "Pss":
            pss = int(rest.split()[0]) * 1024
        elif name in {"Private_Clean", "Private_Dirty"}:
            uss += int(rest.split()[0]) * 1024
    return Memory(pss, uss)


def tree_memory(pid: int) -> Memory:
    """Memory of a process and everything below it."""
    pss = uss = 0
    for member in (pid, *descendants(pid)):
        with contextlib.suppress(OSError):
            one = memory(member)
            pss += one.pss
            uss += one.uss
    return Memory(pss, uss)
