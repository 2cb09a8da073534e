"""From `vfs objects` to a chain of modules.

Modules of others are found by the entry point group ``vfs.modules``: name in smb.conf, subclass of `VfsModule`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from importlib.metadata import entry_points
from typing import Final

from vfs.modules.base import INTERFACE_VERSION, ModuleError, ModuleOptions, VfsModule
from vfs.modules.catia import Catia
from vfs.modules.fault_inject import FaultInject
from vfs.modules.full_audit import FullAudit
from vfs.modules.readonly import ReadOnly
from vfs.modules.recycle import Recycle
from vfs.modules.shadow_copy2 import ShadowCopy2
from vfs.posix import credentials
from vfs.posix.backend import PosixBackend

ENTRY_POINT_GROUP: Final = "vfs.modules"
PARTS_OF_VOLUME: Final = frozenset({"acl_xattr", "streams_xattr"})
"""Listed like modules, but part of what the volume is, wherever they stand in the list."""
BUILT_IN: Final[dict[str, type[VfsModule]]] = {
    "catia": Catia,
    "fault_inject": FaultInject,
    "full_audit": FullAudit,
    "readonly": ReadOnly,
    "recycle": Recycle,
    "shadow_copy2": ShadowCopy2,
}


@functools.cache
def find_module(name: str) -> type[VfsModule]:
    """Return the module of that name; those of others are imported for it.

    Raises:
        ModuleError: there is none, it fails to load, or it was written for another version of the interface.
    """
    built_in = BUILT_IN.get(name)
    if built_in is not None:
        return built_in
    found = tuple(entry_points(group=ENTRY_POINT_GROUP, name=name))
    if not found:
        raise ModuleError(f"unknown module {name}")
    try:
        module = found[0].load()
    except Exception as error:  # whatever somebody else's code does when it is imported
        raise ModuleError(f"module {name} fails to load: {error!r}") from error
    if not (isinstance(module, type) and issubclass(module, VfsModule)):
        raise ModuleError(f"module {name} is no VfsModule")
    if module.interface_version != INTERFACE_VERSION:
        raise ModuleError(
            f"module {name} is for version {module.interface_version} of the interface, this is {INTERFACE_VERSION}"
        )
    return module


def known_module(name: str) -> None:
    """Check that `name` may stand in `vfs objects`.

    Raises:
        ModuleError: as `find_module`.
    """
    if name not in PARTS_OF_VOLUME:
        find_module(name)


def stack(
    backend: PosixBackend,
    names: Sequence[str],
    share_name: str,
    lookup: Callable[[str, str], str],
    expand: Callable[[str], str] = str,
) -> PosixBackend:
    """Return the chain of the modules `names` on `backend`: the first is the outermost. Without any it is `backend`.

    Args:
        backend: the file system.
        names: `vfs objects`.
        share_name: the share, for the modules.
        lookup: returns the text of a parametric option, or the default given.
        expand: replaces %-variables.

    Raises:
        ModuleError: a module cannot be used; its message names it.
    """
    for name in reversed(names):
        if name in PARTS_OF_VOLUME:
            continue
        # The user whose tree connect it is may not be able to read the modules.
        with credentials.as_root():
            module = find_module(name)
        try:
            backend = module(backend, ModuleOptions(module.options_prefix or name, share_name, lookup, expand))
        except ModuleError as error:
            raise ModuleError(f"module {name}: {error}") from error
        except Exception as error:  # it may be somebody else's
            raise ModuleError(f"module {name} fails to start: {error!r}") from error
    return backend
