"""The files that clients carry up and down: small by default, of full size with PYSMBD_INTEROP_FULL=1."""

from __future__ import annotations

import hashlib
import os
import random
from pathlib import Path
from typing import Self

import msgspec

FULL = os.environ.get("PYSMBD_INTEROP_FULL") == "1"
_BIG = 1 << 30 if FULL else 3 << 20
_FILES = 10_000 if FULL else 60
_PER_DIRECTORY = 25
_BLOCK = 1 << 20


class Load(msgspec.Struct, frozen=True):
    """A big file and a tree of small ones.

    Attributes:
        big: the big file; its size is no multiple of any block size.
        tree: the root of the tree.
    """

    big: Path
    tree: Path

    @classmethod
    def make(cls, directory: Path) -> Self:
        """Write the files; the same ones in every run."""
        source = random.Random(20121016)
        big = directory / "big.bin"
        with big.open("wb") as file:
            block = source.randbytes(_BLOCK)
            for index in range(_BIG // _BLOCK):
                file.write(index.to_bytes(8, "little") + block[8:])
            file.write(b"tail")
        tree = directory / "tree"
        for index in range(_FILES):
            group = index // _PER_DIRECTORY
            folder = tree / f"d{group % 20}" / f"sub {group}"
            folder.mkdir(parents=True, exist_ok=True)
            name = f"file {index}.txt" if index % 7 else f"Gr\u00f6\u00dfe-{index}.\u2713"
            (folder / name).write_bytes(source.randbytes(index % 5000))
        return cls(big, tree)


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digests(root: Path) -> dict[str, str]:
    """Relative path to digest of every file below a directory."""
    return {str(path.relative_to(root)): digest(path) for path in sorted(root.rglob("*")) if path.is_file()}
