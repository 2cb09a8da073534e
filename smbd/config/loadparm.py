"""Loading smb.conf: from lines to an immutable `Config` with typed attributes.

A configuration is read as a whole: every mistake in it is collected, and if there is one that the server
cannot live with, `ConfigError` carries them all and the caller keeps the configuration it has. Settings are
kept as text per section until the end, so that [global] gives share defaults, `copy` takes over another
section and settings of the command line win over all.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from smbd.config.grammar import ConfigError, Problem, Section, Setting, parse
from smbd.config.parameters import REGISTRY, default_values
from smbd.config.registry import ACCEPTED, GLOBAL, KNOWN, SHARE, AnyParam, fold_name
from smbd.config.snapshot import PRINTERS, Config, GlobalParams, ShareParams, fold_share_name
from smbd.config.substitute import SubstContext, has_variables, substitute
from smbd.config.values import parse_bool

__all__ = ["Config", "ConfigError", "GlobalParams", "Problem", "ShareParams", "load_config"]

# An include that includes itself would never end; nobody nests deeper than this on purpose.
_MAX_INCLUDE_DEPTH: Final = 32
_TRANSPORT_PORTS: Final = {"tcp": 445, "nbt": 139}
_GLOBAL_NAMES: Final = ("global", "globals")
# Samba has this before any file is read, and testparm shows it.
_INITIAL_PARAMETRIC: Final = {"idmap config * : backend": "tdb"}


@dataclass(slots=True)
class _SectionText:
    """The settings of one section as they were written, by Samba's parameter name.

    Attributes:
        base: the share parameters that [global] had set when the section began: they are its defaults.
        given: what the section itself sets.
        parametric: its ``module:option`` settings, by lower-case name.
    """

    name: str
    file: str = ""
    line: int = 0
    base: dict[str, str] = field(default_factory=dict)
    given: dict[str, str] = field(default_factory=dict)
    parametric: dict[str, str] = field(default_factory=dict)


class _Loader:
    """Reads one configuration file with everything it includes."""

    def __init__(self, overrides: Sequence[tuple[str, str]], context: SubstContext) -> None:
        self.problems: list[Problem] = []
        self.warnings: list[Problem] = []
        self.files: list[str] = []
        self.globals = _SectionText("global", parametric=dict(_INITIAL_PARAMETRIC))
        self.share_defaults = _SectionText("global")
        self.sections: dict[str, _SectionText] = {}
        self._section = self.globals
        self._context = context
        # Names set on the command line: the file does not change them.
        self._pinned: frozenset[str] = frozenset()
        for name, value in overrides:
            self._set(Setting("", 0, name, value))
        self._pinned = frozenset(_pin(name) for name, _ in overrides)

    def read_file(self, path: str, depth: int = 0) -> None:
        """Read a file into the sections.

        Raises:
            OSError: if it cannot be read.
        """
        text = Path(path).read_bytes().decode("utf-8", "surrogateescape")
        self.files.append(path)
        for item in parse(text.removeprefix("\ufeff"), path, self.problems, self.warnings):
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
        if folded not in self.sections:
            base = dict(self.share_defaults.given)
            self.sections[folded] = _SectionText(item.name, item.file, item.line, base)
        self._section = self.sections[folded]

    def _include(self, item: Setting, depth: int) -> None:
        path = substitute(item.value.strip('"'), self._context)
        if depth >= _MAX_INCLUDE_DEPTH:
            self._error(item, f"too many nested includes at {path!r}", "does the file include itself?")
            return
        # An absolute name stays as it is; a relative one is sought beside the including file.
        path = str(Path(item.file).parent / path)
        given = self.share_defaults.given if self._section is self.globals else self._section.given
        given["include"] = item.value
        try:
            # As in Samba, a section that the file begins goes on after the include line.
            self.read_file(path, depth + 1)
        except OSError as error:
            # A file per client (%m) or user need not exist for each of them.
            if not has_variables(item.value):
                self._warn(item, f"cannot include {path!r}: {error.strerror}", "the line is ignored")

    def _copy(self, item: Setting) -> None:
        if self._section is self.globals:
            self._warn(item, "copy means nothing in [global]", "the line is ignored")
            return
        source = self.sections.get(fold_share_name(item.value))
        if source is None or source is self._section:
            self._error(item, f"no section [{item.value}] to copy", "it must stand further up in the file")
            return
        self._section.given = {**source.given, **self._section.given, "copy": item.value}
        # In reverse, because that is the order in which testparm of Samba shows copied ones.
        for name, value in reversed(source.parametric.items()):
            self._section.parametric.setdefault(name, value)

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
        if param.name in self._pinned:
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
        if fold_name(item.name) not in self._pinned:
            self._section.parametric[item.name.lower()] = item.value

    def _note_status(self, item: Setting, param: AnyParam) -> None:
        if param.status == KNOWN:
            self._warn(item, f"parameter {param.name!r} is known but not implemented", "the line has no effect")
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
        sections = [self._share(section) for section in self.sections.values()]
        values = default_values(GLOBAL) | _typed(self.globals.given)
        if "server smb transports" in self.globals.given:
            values["smb_ports"] = _ports(values["server_smb_transports"])
        defaults = self._share(self.share_defaults)
        global_params = GlobalParams(values, self.globals.given, self.globals.parametric, defaults)
        return Config(path, self.files, global_params, sections, self.warnings)

    def _share(self, section: _SectionText) -> ShareParams:
        # Settings of the command line are valid for every share, whatever the file says.
        pinned = {name: text for name, text in self.share_defaults.given.items() if name in self._pinned}
        texts = {**section.base, **section.given, **pinned}
        if fold_share_name(section.name) == PRINTERS:
            texts["browseable"] = "No"
        values = default_values(SHARE) | _typed(texts)
        share = ShareParams(section.name, values, texts, section.parametric, self.globals.parametric)
        if section is self.share_defaults:
            return share
        if share.is_printer:
            message = f"[{share.name}] is a printer: printing is not offered"
            self.warnings.append(Problem(section.file, section.line, message, "the section is ignored"))
        elif not share.path and not share.is_homes and share.available:
            message = f"[{share.name}] has no path"
            self.warnings.append(Problem(section.file, section.line, message, "it is made unavailable"))
            values["available"] = False
            texts["available"] = "No"
            share = ShareParams(section.name, values, texts, section.parametric, self.globals.parametric)
        return share


def _pin(name: str) -> str:
    found = REGISTRY.find(name)
    return found[0].name if found is not None else fold_name(name)


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


def _ports(transports: Sequence[str]) -> list[int]:
    """The TCP ports that a list of transports means."""
    ports = []
    for transport in transports:
        kind, _, port = transport.partition(":")
        if kind.isdecimal():
            ports.append(int(kind))
        else:
            ports.append(int(port) if port else _TRANSPORT_PORTS[kind.lower()])
    return ports


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
        if other and other != name and Path(other).exists():
            return load_config(other, overrides, context)
    return loader.finish(name)
