"""The client of a newer Linux kernel than this machine's: that kernel is emulated, and mounts a share of ours."""

from __future__ import annotations

import os
import stat
import textwrap

import pytest

from tests.interop import guest
from tests.servers import Server, server_class

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

#: The first that understands the type of the file in the mode that the POSIX extensions tell.
POSIX_SINCE = (6, 12)

#: What a program of the guest does in a directory of its own of the share, and what it prints.
#: What is open and gone from its name is not opened again in the same way: the client would take that old handle. And
#: it forgets the mode for a second when it opens a file.
POSIX_STEPS = {
    "modes": (
        """
        umask 027; mkdir dir; echo > file; sleep 2; stat -c '%a %F' dir file
        chmod 1770 dir; chmod 4711 file; stat -c '%a' dir file
        """,
        "750 directory\n640 regular file\n1770\n4711\n",
    ),
    "case": ("echo A > Name; echo b > name; ls -1; cat Name name", "Name\nname\nA\nb\n"),
    "characters": ("echo > 'a:b\\c*? '; ls -1; rm 'a:b\\c*? '; ls -1", "a:b\\c*? \n"),
    "rename over what is open": (
        "echo old > a; echo new > b; exec 3<>a; mv b a; cat <&3; cat a; exec 3>&-; ls -1",
        "old\nnew\na\n",
    ),
    "delete what is open": (
        "echo first > a; exec 3<>a; rm a; ls -1; echo second >&3; stat -L -c %s /proc/self/fd/3; exec 3>&-; ls -1",
        "7\n",
    ),
    "links": (
        "echo text > a; ln a b; stat -c %h a b; rm a; cat b; stat -c %h b",
        "2\n2\ntext\n1\n",
    ),
    "symbolic links": (
        """
        mkdir dir; echo text > dir/file; ln -s dir/file a; ln -s ../a dir/back; ln -s . here; ln -s nowhere b
        readlink a; readlink dir/back; cat a dir/back here/here/a; stat -c %F a; cat b; echo $?
        """,
        "dir/file\n../a\ntext\ntext\ntext\nsymbolic link\ncat: can't open 'b': No such file or directory\n1\n",
    ),
    "special files": (
        "mkfifo pipe; mknod null c 1 3; stat -c '%F %t %T' pipe null",
        "fifo 0 0\ncharacter special file 1 3\n",
    ),
    "directories": (
        """
        mkdir -p a/b; rmdir a 2>&1; mv a c; ls -1 c; mkdir d; mv -T c d; ls -1; ls -1 d; mv d/b d/x; rmdir d/x d; ls -1
        """,
        "rmdir: 'a': Directory not empty\nb\nd\nb\n",
    ),
    "sizes and times": (
        "echo > a; truncate -s 100000 a; touch -d '2001-02-03 04:05:06' a; stat -c '%s %Y' a",
        "100000 981173106\n",
    ),
    "exclusive": ("set -C; echo 1 > a; (echo 2 > a) 2>&- ; cat a", "1\n"),
    "many": (
        "i=0; while [ $i -lt 200 ]; do i=$((i+1)); echo > $i; done; ls -1 | wc -l; rm *; ls -1 | wc -l",
        "200\n0\n",
    ),
}

#: The same for what a local program of the server's machine made in the share's root.
LOCAL_STEPS = {
    "local links": (
        "readlink local-link; readlink local-absolute; cat local-link; ls -1 local-dir-link; cat local-dir-link/file",
        "local-dir/file\n/mnt/local-dir/file\ninside\nfile\ninside\n",
    ),
    "local special files": ("stat -c '%F %t %T' local-pipe local-null", "fifo 0 0\ncharacter special file 1 3\n"),
    "file system": ("stat -f -c '%l %s %b %c' .", ""),
}

PLAIN_STEPS = {
    "ignores case": ("mkdir Dir; echo text > Dir/File; cat dir/FILE; mv dir/file dir/New; ls -1 DIR", "text\nNew\n"),
    "contents": (
        "dd if=/dev/urandom of=/tmp/data bs=1M count=3 2>&-; cp /tmp/data data; cmp /tmp/data data && echo same",
        "same\n",
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def kernel() -> guest.Guest:
    found = guest.find()
    if isinstance(found, str):
        pytest.skip(found)
    return found


def mounted(server: Server, options: str) -> str:
    """The command that mounts the share ``tmp`` of the server."""
    all_options = (
        f"ip={guest.HOST},port={server.port},username={server.user},password={server.password},vers=3.1.1,{options}"
    )
    return f"mount -i -t cifs //{guest.HOST}/tmp /mnt -o {all_options} || exit; cd /mnt\n"


def script_of(steps: dict[str, tuple[str, str]], *, in_own_directory: bool) -> str:
    """A script that prints a line with the name of each step before what it prints."""
    lines = []
    for index, (name, (commands, _)) in enumerate(steps.items()):
        directory = f"mkdir step{index}; cd step{index};" if in_own_directory else ""
        lines.append(f"echo '== {name}'\n({directory}\n{textwrap.dedent(commands)}\n)\n")
    return "".join(lines)


def printed(output: str) -> dict[str, str]:
    """What each step printed."""
    before, *parts = output.split("== ")
    assert not before, before
    return dict(part.split("\n", 1) for part in parts)  # type: ignore[misc]


@pytest.mark.skipif(server_class().name != "pysmbd", reason="Samba 4.17 does not have the POSIX extensions")
def test_posix_extensions(kernel, interop_server, empty_share) -> None:
    if kernel.version < POSIX_SINCE:
        pytest.skip(f"a kernel of at least {POSIX_SINCE} is needed, this is {kernel.version}")
    (empty_share / "local-dir").mkdir()
    (empty_share / "local-dir" / "file").write_text("inside\n")
    (empty_share / "local-link").symlink_to("local-dir/file")
    (empty_share / "local-absolute").symlink_to("/mnt/local-dir/file")
    (empty_share / "local-dir-link").symlink_to("local-dir")
    os.mkfifo(empty_share / "local-pipe")
    os.mknod(empty_share / "local-null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    system = os.statvfs(empty_share)
    wanted = {name: shown for name, (_, shown) in (POSIX_STEPS | LOCAL_STEPS).items()}
    wanted["file system"] = f"{system.f_namemax} {system.f_frsize} {system.f_blocks} {system.f_files}\n"
    script = (
        mounted(interop_server, "posix,nomapposix")
        + script_of(LOCAL_STEPS, in_own_directory=False)
        + script_of(POSIX_STEPS, in_own_directory=True)
    )
    assert printed(kernel.run(script, 300)) == wanted
    assert stat.S_IMODE((empty_share / "step0" / "dir").stat().st_mode) == 0o1770
    assert stat.S_IMODE((empty_share / "step0" / "file").stat().st_mode) == 0o4711
    assert {path.name for path in (empty_share / "step1").iterdir()} == {"Name", "name"}


def test_without_the_extensions(kernel, interop_server, empty_share) -> None:
    script = mounted(interop_server, "noposix,serverino") + script_of(PLAIN_STEPS, in_own_directory=True)
    assert printed(kernel.run(script, 300)) == {name: shown for name, (_, shown) in PLAIN_STEPS.items()}
    assert (empty_share / "step1" / "data").stat().st_size == 3 << 20
