"""Loading smb.conf: from lines to an immutable `Config` with typed attributes.

A configuration is read as a whole: every mistake in it is collected, and if there is one that the server
cannot live with, `ConfigError` carries them all and the caller keeps the configuration it has. Settings are
kept as text per section until the end, so that [global] gives share defaults, `copy` takes over another
section and settings of the command line win over all.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from smbd.config.enums import REQUIRED
from smbd.config.grammar import ConfigError, Problem, Section, Setting, parse
from smbd.config.parameters import REGISTRY, GlobalDeclarations, ShareDeclarations, default_values
from smbd.config.registry import ACCEPTED, GLOBAL, KNOWN, SHARE, AnyParam, fold_name
from smbd.config.substitute import SubstContext, has_variables, substitute
from smbd.config.values import parse_bool

__all__ = ["Config", "ConfigError", "GlobalParams", "Problem", "ShareParams", "load_config"]

# An include that includes itself would never end; nobody nests deeper than this on purpose.
_MAX_INCLUDE_DEPTH: Final = 32
_GLOBAL_NAMES: Final = ("global", "globals")
HOMES: Final = "homes"
PRINTERS: Final = "printers"


@dataclass(slots=True)
class _SectionText:
    """The settings of one section as they were written, by Samba's parameter name."""

    name: str
    file: str = ""
    line: int = 0
    # Share parameters that [global] had set when the section began.
    base: dict[str, str] = field(default_factory=dict)
    given: dict[str, str] = field(default_factory=dict)
    parametric: dict[str, str] = field(default_factory=dict)


class _Parametric:
    """Access to ``module:option`` settings, shared by both scopes."""

    _parametric: Mapping[str, str]

    def parametric(self, name: str, default: str = "") -> str:
        """The text of a ``module:option`` setting, or ``default`` if it is not set."""
        return self._parametric.get(fold_name(name), default)

    def parametric_bool(self, name: str, default: bool = False) -> bool:
        """A ``module:option`` setting that is a yes/no word; anything else is the default."""
        text = self._parametric.get(fold_name(name))
        if text is None:
            return default
        try:
            return parse_bool(text)
        except ValueError:
            return default

    def parametric_int(self, name: str, default: int = 0) -> int:
        """A ``module:option`` setting that is a number; anything else is the default."""
        text = self._parametric.get(fold_name(name))
        if text is None:
            return default
        try:
            return int(text, 0)
        except ValueError:
            return default


class ShareParams(ShareDeclarations, _Parametric):
    """One share: every share parameter as an attribute, and its ``name``."""

    name: str
    texts: Mapping[str, str]
    auto_loaded: bool

    def __init__(
        self,
        name: str,
        values: Mapping[str, Any],
        texts: Mapping[str, str],
        parametric: Mapping[str, str],
        *,
        auto_loaded: bool = False,
    ) -> None:
        self.__dict__.update(values)
        self.__dict__.update(
            name=name, texts=texts, _parametric={fold_name(key): value for key, value in parametric.items()}
        )
        self.__dict__.update(parametric_texts=parametric, auto_loaded=auto_loaded)

    parametric_texts: Mapping[str, str]

    @property
    def is_homes(self) -> bool:
        """Whether this is the [homes] template, which is not itself a share to connect to."""
        return fold_name(self.name) == HOMES


class GlobalParams(GlobalDeclarations, _Parametric):
    """The global parameters as attributes, and the share defaults that [global] sets."""

    share_defaults: ShareParams
    texts: Mapping[str, str]
    parametric_texts: Mapping[str, str]

    def __init__(
        self,
        values: Mapping[str, Any],
        texts: Mapping[str, str],
        parametric: Mapping[str, str],
        share_defaults: ShareParams,
    ) -> None:
        self.__dict__.update(values)
        self.__dict__.update(
            texts=texts,
            share_defaults=share_defaults,
            parametric_texts=parametric,
            _parametric={fold_name(key): value for key, value in parametric.items()},
        )

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

    __slots__ = ("_shares", "files", "globals", "path", "warnings")

    def __init__(
        self,
        path: str,
        files: Sequence[str],
        global_params: GlobalParams,
        shares: Iterable[ShareParams],
        warnings: Sequence[Problem],
    ) -> None:
        self.path = path
        self.files = tuple(files)
        self.globals = global_params
        self.warnings = tuple(warnings)
        self._shares = {fold_share_name(share.name): share for share in shares}

    def share(self, name: str) -> ShareParams | None:
        """The share of this name, without regard to case. [homes] itself is not a share."""
        share = self._shares.get(fold_share_name(name))
        return None if share is None or share.is_homes else share

    def shares(self) -> list[ShareParams]:
        """All shares in the order of the file, without [homes]."""
        return [share for share in self._shares.values() if not share.is_homes]

    def sections(self) -> list[ShareParams]:
        """All sections but [global], in the order of the file; with [homes]."""
        return list(self._shares.values())

    @property
    def homes(self) -> ShareParams | None:
        """The [homes] template, if there is one."""
        return self._shares.get(HOMES)

    def home_share(self, user: str, home_dir: str) -> ShareParams | None:
        """The share that [homes] makes for a user; None without [homes].

        A share of the file with that name wins: ask `share` first. Without a `path` in [homes] the home
        directory is shared.
        """
        template = self.homes
        if template is None or not template.available:
            return None
        values = {attribute: getattr(template, attribute) for attribute in ShareDeclarations.declarations}
        values["path"] = template.path or home_dir
        values["comment"] = template.comment or f"Home Directory of {user}"
        # A home is shown to its user only if homes are browseable by default, whatever [homes] says of itself.
        values["browseable"] = self.globals.share_defaults.browseable
        return ShareParams(user, values, template.texts, template.parametric_texts, auto_loaded=True)


def fold_share_name(name: str) -> str:
    """A share name as it is compared."""
    return name.strip().casefold()


class _Loader:
    """Reads one configuration file with everything it includes."""

    def __init__(self, overrides: Sequence[tuple[str, str]], context: SubstContext) -> None:
        self.problems: list[Problem] = []
        self.warnings: list[Problem] = []
        self.files: list[str] = []
        self.globals = _SectionText("global")
        self.share_defaults = _SectionText("global")
        self.shares: dict[str, _SectionText] = {}
        self._section = self.globals
        self._context = context
        self._pinned: set[str] = set()
        for name, value in overrides:
            self._set(Setting("", 0, name, value))
            found = REGISTRY.find(name)
            self._pinned.add(found[0].name if found is not None else fold_name(name))
        self._locked = True

    _locked = False

    def read_file(self, path: str, depth: int = 0) -> None:
        """Read a file into the sections.

        Raises:
            OSError: if it cannot be read.
        """
        text = Path(path).read_bytes().decode("utf-8", "surrogateescape")
        self.files.append(path)
        for item in parse(text.removeprefix("\ufeff"), path, self.problems):
            if isinstance(item, Section):
                self._begin(item)
            elif fold_name(item.name) == "include":
                self._include(item, depth)
            elif fold_name(item.name) == "copy":
                self._copy(item)
            else:
                self._set(item)

    def _begin(self, item: Section) -> None:
        folded = fold_share_name(item.name)
        if folded in _GLOBAL_NAMES:
            self._section = self.globals
            return
        if folded not in self.shares:
            self.shares[folded] = _SectionText(
                item.name, item.file, item.line, dict(self.share_defaults.given)
            )
        self._section = self.shares[folded]

    def _include(self, item: Setting, depth: int) -> None:
        path = substitute(item.value.strip('"'), self._context)
        if depth >= _MAX_INCLUDE_DEPTH:
            self._error(item, f"too many nested includes at {path!r}", "does the file include itself?")
            return
        if not os.path.isabs(path):
            path = os.path.join(os.path.dirname(item.file), path)
        section = self._section
        try:
            self.read_file(path, depth + 1)
        except OSError as error:
            # A file per client (%m) or user need not exist for each of them.
            if not has_variables(item.value):
                self._warn(item, f"cannot include {path!r}: {error.strerror}", "the line is ignored")
        self._section = section

    def _copy(self, item: Setting) -> None:
        if self._section is self.globals:
            self._warn(item, "copy means nothing in [global]", "the line is ignored")
            return
        source = self.shares.get(fold_share_name(item.value))
        if source is None or source is self._section:
            self._error(item, f"no section [{item.value}] to copy", "it must stand further up in the file")
            return
        self._section.given = {**source.given, **self._section.given, "copy": item.value}
        self._section.parametric = {**source.parametric, **self._section.parametric}

    def _set(self, item: Setting) -> None:
        if ":" in item.name:
            self._set_parametric(item)
            return
        found = REGISTRY.find(item.name)
        if found is None:
            suggestion = REGISTRY.suggest(item.name)
            remedy = f"did you mean {suggestion!r}?" if suggestion else "the line is ignored"
            self._warn(item, f"unknown parameter {item.name!r}", remedy)
            return
        param, inverted = found
        if self._locked and param.name in self._pinned:
            return
        try:
            text = _checked_text(param, item.value, inverted=inverted)
        except ValueError as error:
            message = f"{item.value!r} is no value for {item.name!r}"
            if param.status == KNOWN and not param.attribute:
                self._warn(item, message, str(error))
            else:
                self._error(item, message, str(error))
            return
        in_share = self._section is not self.globals
        if in_share and param.scope == GLOBAL:
            self._warn(item, f"global parameter {param.name!r} in section [{self._section.name}]", "ignored")
            return
        self._note_status(item, param)
        target = self._section
        if not in_share and param.scope == SHARE:
            target = self.share_defaults
        target.given[param.name] = text

    def _set_parametric(self, item: Setting) -> None:
        if self._locked and fold_name(item.name) in self._pinned:
            return
        module, _, option = item.name.partition(":")
        # Known under this name already, as it was first written: testparm shows it so.
        folded = fold_name(item.name)
        names = {fold_name(name): name for name in self._section.parametric}
        self._section.parametric[names.get(folded, f"{module}:{option}")] = item.value

    def _note_status(self, item: Setting, param: AnyParam) -> None:
        if param.status == KNOWN:
            self._warn(
                item, f"parameter {param.name!r} is known but not implemented", "the line has no effect"
            )
        elif param.status == ACCEPTED:
            self._warn(item, f"parameter {param.name!r} has no effect here", param.doc)

    def _error(self, item: Setting, message: str, remedy: str) -> None:
        self.problems.append(Problem(item.file, item.line, message, remedy))

    def _warn(self, item: Setting, message: str, remedy: str) -> None:
        self.warnings.append(Problem(item.file, item.line, message, remedy))

    def finish(self, path: str) -> Config:
        """Turn the texts into values.

        Raises:
            ConfigError: if there was a mistake in any line.
        """
        if self.problems:
            raise ConfigError(self.problems)
        # Settings of the command line are valid for every share, whatever the file says.
        pinned = {name: text for name, text in self.share_defaults.given.items() if name in self._pinned}
        shares = []
        for section in self.shares.values():
            texts = {**section.base, **section.given, **pinned}
            shares.append(self._share(section, texts))
        for share in shares:
            self._check_share(share)
        defaults = _SectionText("global", parametric=self.globals.parametric)
        global_params = GlobalParams(
            default_values(GLOBAL) | _typed(self.globals.given),
            self.globals.given,
            self.globals.parametric,
            self._share(defaults, self.share_defaults.given),
        )
        _settle_ports(global_params)
        served = [share for share in shares if not _is_printers(share)]
        return Config(path, self.files, global_params, served, self.warnings)

    def _share(self, section: _SectionText, texts: Mapping[str, str]) -> ShareParams:
        values = default_values(SHARE) | _typed(texts)
        return ShareParams(section.name, values, texts, {**self.globals.parametric, **section.parametric})

    def _check_share(self, share: ShareParams) -> None:
        section = self.shares[fold_share_name(share.name)]
        if _is_printers(share):
            message = f"[{share.name}] is a printer: printing is not offered"
            self.warnings.append(Problem(section.file, section.line, message, "the section is ignored"))
        elif not share.path and not share.is_homes and share.available:
            message = f"no path in service {share.name}"
            self.warnings.append(Problem(section.file, section.line, message, "it is made unavailable"))
            share.__dict__["available"] = False


def _checked_text(param: AnyParam, value: str, *, inverted: bool) -> str:
    """The text to keep for a parameter: of the right type, and of the right sense for inverted synonyms.

    Raises:
        ValueError: if the value is not of the parameter's type.
    """
    param.read(value)
    if inverted:
        return "No" if parse_bool(value) else "Yes"
    return value


def _typed(texts: Mapping[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, text in texts.items():
        found = REGISTRY.find(name)
        if found is not None and found[0].attribute:
            values[found[0].attribute] = found[0].read(text)
    return values


def _is_printers(share: ShareParams) -> bool:
    return share.printable or fold_name(share.name) == PRINTERS


def _settle_ports(params: GlobalParams) -> None:
    """Make `smb ports` agree with `server smb transports` where that is given."""
    if "server smb transports" not in params.texts:
        return
    ports = []
    for transport in params.server_smb_transports:
        kind, _, port = transport.partition(":")
        default = {"tcp": 445, "nbt": 139}.get(kind.lower())
        if kind.isdecimal():
            ports.append(int(kind))
        elif default is not None:
            ports.append(int(port) if port.isdecimal() else default)
    params.__dict__["smb_ports"] = ports


def load_config(
    path: str | os.PathLike[str],
    overrides: Sequence[tuple[str, str]] = (),
    context: SubstContext | None = None,
) -> Config:
    """Load a configuration file and everything it includes.

    Args:
        path: the file; empty for none, that is for defaults and ``overrides`` alone.
        overrides: settings of the command line (``--option``), which win over the file.
        context: what %-variables in the names of included files stand for.

    Raises:
        ConfigError: if the file cannot be read or has a mistake; nothing of it is then in force.
    """
    context = context or SubstContext()
    loader = _Loader(overrides, context)
    name = os.fspath(path)
    if name:
        try:
            loader.read_file(name)
        except OSError as error:
            raise ConfigError([Problem(name, 0, f"cannot be read: {error.strerror}")]) from error
        other = loader.globals.given.get("config file", "")
        other = substitute(other, context)
        if other and other != name and os.path.exists(other):
            return load_config(other, overrides, context)
    return loader.finish(name)
