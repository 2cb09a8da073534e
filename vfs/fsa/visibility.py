"""Which names a share hides or refuses: veto files, hide files, hide dot files."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from vfs.fsa.names import component_to_str
from vfs.fsa.wildcards import compile_expression

NameTest = Callable[[str], bool]


def name_test(patterns: Sequence[str], ignore_case: bool = True) -> NameTest | None:
    """Return a function that tells whether a component is in one of `patterns`; None if there are none."""
    matchers = [compile_expression(pattern, ignore_case) for pattern in patterns if pattern]
    if not matchers:
        return None

    def test(name: str) -> bool:
        return name not in {".", ".."} and any(matcher(name) for matcher in matchers)

    return test


def path_is_vetoed(veto: NameTest, path: bytes) -> tuple[bool, bool]:
    """Tell whether any component of the unix `path` is vetoed, and whether it is the last one."""
    components = component_to_str(path).split("/")
    for index, component in enumerate(components):
        if veto(component):
            return True, index == len(components) - 1
    return False, False
