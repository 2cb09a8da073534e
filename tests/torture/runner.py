"""Run smbtorture's leaf tests one at a time, over several servers at once.

Most tests wait more than they work, so a handful of servers side by side, each with its own directory and
port, takes a fraction of the time; a test never shares its server with another one. Those that may take longest begin
first, so that none of them is what the end waits for.
"""

from __future__ import annotations

import contextlib
import os
import queue
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.servers import Server, ServerError, unix_user_exists
from tests.torture import network
from tests.torture.results import Outcome, Result, parse
from tests.torture.setups import Setup

SMBTORTURE = "smbtorture"
_PLAIN = Setup()


class Report(NamedTuple):
    """One finished leaf test."""

    name: str
    result: Result
    seconds: float
    output: str
    server_log: str


def leaf_tests() -> list[str]:
    """All leaf tests of the installed smbtorture.

    ``--list`` prints one per line; some names hold blanks.
    """
    listed = subprocess.run([SMBTORTURE, "--list"], capture_output=True, text=True, check=True, timeout=60)
    return [line.strip() for line in listed.stdout.splitlines() if line.strip().startswith("smb2.")]


def _empty(directory: Path) -> None:
    for entry in directory.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            entry.unlink(missing_ok=True)


def _put(share: Path, file: str, contents: str) -> None:
    """Make a file of the share, or a stream of one, where both servers look for it."""
    name, _, stream = file.partition(":")
    path = share / name
    for directory in reversed(path.relative_to(share).parents[:-1]):
        (share / directory).mkdir(exist_ok=True)
        (share / directory).chmod(0o777)
    if stream:
        os.setxattr(path, f"user.DosStream.{stream}:$DATA", contents.encode() + b"\0")
        return
    path.write_text(contents)
    path.chmod(0o777)


def run_leaf(
    server: Server, name: str, *, limit: float, options: Sequence[str] = (), setup: Setup = _PLAIN
) -> Report:
    """Run one leaf test against a running server, in an empty share.

    Args:
        server: where; it is restarted first if an earlier test took it down.
        name: the leaf test.
        limit: seconds before the test is stopped.
        options: further ``--option=`` arguments.
        setup: options and files that it needs.
    """
    try:
        server.check_alive()
    except ServerError:
        server.start()
    _empty(server.share_path("tmp"))
    for file, contents in setup.files:
        _put(server.share_path("tmp"), file, contents)
    logs_before = {log: len(text) for log, text in server.logs().items()}
    command = [SMBTORTURE, "//127.0.0.1/tmp", "-p", str(server.port), "-U", server.credentials]
    command += [f"--option={option}" for option in options]
    command += [f"--option={option}={server.expand(value)}" for option, value in setup.options]
    began = time.monotonic()
    with subprocess.Popen(
        [*command, name], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        code: int | None
        try:
            output, _ = process.communicate(timeout=limit)
            code = process.returncode
        except subprocess.TimeoutExpired:
            process.kill()
            output, _ = process.communicate()
            code = None
    text = output.decode(errors="replace")
    result = parse(text, code)
    try:
        server.check_alive()
    except ServerError as failure:
        result = Result(Outcome.FAIL, f"the server died: {failure}")
    new_log = "".join(log[logs_before.get(name, 0) :] for name, log in server.logs().items())
    return Report(name, result, time.monotonic() - began, text, new_log)


def _directory(name: str) -> str:
    """A directory for the server of one test: short, as the paths of its sockets have a limit."""
    suite, _, leaf = name.rpartition(".")
    return suite if suite.endswith(f".{leaf}") else name


def run(
    names: Iterable[str],
    make_server: Callable[[str, Setup], Server],
    setup_of: Callable[[str], Setup] = lambda _name: _PLAIN,
    *,
    jobs: int,
    limit: float,
    options: Sequence[str] = (),
    progress: Callable[[Report], None] = lambda _report: None,
    isolated: bool = False,
) -> list[Report]:
    """Run leaf tests over ``jobs`` servers.

    Args:
        names: the leaf tests.
        make_server: makes a server (not started yet) for all tests or for a single one, by the name of its directory.
        setup_of: what a test needs.
        jobs: how many servers.
        limit: seconds for one test whose setup names none.
        options: further ``--option=`` arguments.
        progress: told of each finished test, from one thread at a time.
        isolated: each job gets a network of its own, where tests can block connections.

    Raises:
        ServerError: a server did not start.
    """
    waiting: queue.SimpleQueue[str] = queue.SimpleQueue()
    for name in sorted(names, key=lambda name: -(setup_of(name).limit or 0)):
        waiting.put(name)
    reports: list[Report] = []
    failures: list[BaseException] = []
    lock = threading.Lock()

    def work(index: int) -> None:
        try:
            further = options
            if isolated:
                network.isolate()
                further = (*options, *network.OPTIONS)
            with make_server(f"server{index}", _PLAIN) as server:
                while not failures:
                    try:
                        name = waiting.get_nowait()
                    except queue.Empty:
                        return
                    setup = setup_of(name)
                    with contextlib.ExitStack() as own:
                        used = own.enter_context(make_server(_directory(name), setup)) if setup.wants_server else server
                        report = run_leaf(used, name, limit=setup.limit or limit, options=further, setup=setup)
                    with lock:
                        reports.append(report)
                        progress(report)
        except BaseException as error:  # noqa: BLE001 - carried to the caller's thread
            failures.append(error)

    threads = [threading.Thread(target=work, args=(index,), daemon=True) for index in range(jobs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return sorted(reports)


def unavailable() -> str | None:
    """Say why smbtorture cannot be run here, or None."""
    if shutil.which(SMBTORTURE) is None:
        return "smbtorture (Debian: samba-testsuite) is not installed"
    if not unix_user_exists("alice"):
        return "the unix user alice does not exist"
    return None
