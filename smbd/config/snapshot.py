"""A loaded configuration: immutable objects with typed attributes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Self

from smbd.config.enums import REQUIRED
from smbd.config.grammar import Problem
from smbd.config.parameters import GlobalDeclarations, ShareDeclarations
from smbd.config.registry import fold_name
from smbd.config.values import parse_bool

HOMES: Final = "homes"
PRINTERS: Final = "printers"


def fold_share_name(name: str) -> str:
    """A share name as it is compared."""
    return name.strip().casefold()


class _Section:
    """What both scopes have beside the typed attributes.

    Attributes:
        texts: the parameters that smb.conf sets, as they were written, by Samba's name.
        parametric_texts: the ``module:option`` settings in the order of the file.
    """

    texts: Mapping[str, str]
    parametric_texts: Mapping[str, str]
    _parametric: Mapping[str, str]

    def __init__(self, values: Mapping[str, Any], texts: Mapping[str, str], own: Mapping[str, str]) -> None:
        # Assignment is refused by ParameterSet, so that a snapshot cannot change by accident.
        self.__dict__.update(values)
        self.__dict__.update(texts=texts, parametric_texts=own)
        self.__dict__.update(_parametric={fold_name(name): value for name, value in own.items()})

    def parametric(self, name: str, default: str = "") -> str:
        """The text of a ``module:option`` setting, or ``default`` if it is not set."""
        return self._parametric.get(fold_name(name), default)

    def parametric_bool(self, name: str, default: bool = False) -> bool:
        """A ``module:option`` setting that is a yes/no word; anything else is the default."""
        try:
            return parse_bool(self._parametric[fold_name(name)])
        except (KeyError, ValueError):
            return default

    def parametric_int(self, name: str, default: int = 0) -> int:
        """A ``module:option`` setting that is a number; anything else is the default."""
        try:
            return int(self._parametric[fold_name(name)], 0)
        except (KeyError, ValueError):
            return default

    def but(self, **changes: Any) -> Self:
        """These parameters with some attributes changed, for instance with the variables of a session replaced.

        Raises:
            AttributeError: if there is no such attribute.
        """
        for attribute in changes:
            if attribute not in self.__dict__:
                raise AttributeError(attribute)
        clone = type(self).__new__(type(self))
        clone.__dict__.update(self.__dict__ | changes)
        return clone


class ShareParams(ShareDeclarations, _Section):
    """One share: every share parameter as an attribute, and its ``name``.

    Attributes:
        name: as it is written in the file, or the user's name for a share made from [homes].
        auto_loaded: whether it was made from [homes].
    """

    name: str
    auto_loaded: bool

    def __init__(
        self,
        name: str,
        values: Mapping[str, Any],
        texts: Mapping[str, str],
        own_parametric: Mapping[str, str],
        global_parametric: Mapping[str, str],
        *,
        auto_loaded: bool = False,
    ) -> None:
        _Section.__init__(self, values, texts, own_parametric)
        inherited = {fold_name(key): value for key, value in global_parametric.items()}
        self.__dict__.update(name=name, auto_loaded=auto_loaded, _parametric=inherited | dict(self._parametric))

    @property
    def is_homes(self) -> bool:
        """Whether this is the [homes] template, which is not itself a share to connect to."""
        return not self.auto_loaded and fold_share_name(self.name) == HOMES

    @property
    def is_printer(self) -> bool:
        """Whether this is a printer, which is not offered."""
        return self.printable or fold_share_name(self.name) == PRINTERS


class GlobalParams(GlobalDeclarations, _Section):
    """The global parameters as attributes, and the share defaults that [global] sets.

    Attributes:
        share_defaults: the share parameters of [global]: the defaults of all shares.
    """

    share_defaults: ShareParams

    def __init__(
        self,
        values: Mapping[str, Any],
        texts: Mapping[str, str],
        own_parametric: Mapping[str, str],
        share_defaults: ShareParams,
    ) -> None:
        _Section.__init__(self, values, texts, own_parametric)
        self.__dict__.update(share_defaults=share_defaults)

    @property
    def smb_encrypt(self) -> str:
        """`server smb encrypt` of [global]: valid for whole sessions, not for a share."""
        return self.share_defaults.server_smb_encrypt

    @property
    def signing_required(self) -> bool:
        """Whether clients that do not sign are refused."""
        return self.server_signing == REQUIRED


class Config:
    """A loaded configuration: an immutable snapshot.

    Attributes:
        path: the file it was loaded from; empty if there was none.
        files: all files that were read, for telling whether anything changed.
        globals: the global parameters.
        warnings: what is worth saying about the file, though the server can live with it.
    """

    __slots__ = ("_sections", "files", "globals", "path", "warnings")

    def __init__(
        self,
        path: str,
        files: Sequence[str],
        global_params: GlobalParams,
        sections: Iterable[ShareParams],
        warnings: Sequence[Problem],
    ) -> None:
        self.path = path
        self.files = tuple(files)
        self.globals = global_params
        self.warnings = tuple(warnings)
        self._sections = {fold_share_name(section.name): section for section in sections}

    def share(self, name: str) -> ShareParams | None:
        """The share of this name, without regard to case; [homes] and printers are not shares."""
        section = self._sections.get(fold_share_name(name))
        return None if section is None or section.is_homes or section.is_printer else section

    def shares(self) -> list[ShareParams]:
        """All shares in the order of the file."""
        return [item for item in self._sections.values() if not item.is_homes and not item.is_printer]

    def sections(self) -> list[ShareParams]:
        """All sections but [global], in the order of the file; with [homes] and printers."""
        return list(self._sections.values())

    @property
    def homes(self) -> ShareParams | None:
        """The [homes] template, if there is one."""
        return self._sections.get(HOMES)

    def home_share(self, user: str, home_dir: str) -> ShareParams | None:
        """The share that [homes] makes for a user; None without [homes].

        A share of the file with that name wins: ask `share` first. Without a `path` in [homes] the home
        directory is shared.
        """
        template = self.homes
        if template is None:
            return None
        values = {attribute: getattr(template, attribute) for attribute in ShareDeclarations.declarations}
        values["path"] = template.path or home_dir
        values["comment"] = template.comment or f"Home directory of {user}"
        # What [homes] says of itself hides the template; homes are shown to their users as shares are.
        values["browseable"] = self.globals.share_defaults.browseable
        return ShareParams(
            user,
            values,
            template.texts,
            template.parametric_texts,
            self.globals.parametric_texts,
            auto_loaded=True,
        )
