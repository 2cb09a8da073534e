"""What testparm prints of a loaded configuration: Samba's layout, spelling and order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from smbd.config.parameters import REGISTRY
from smbd.config.registry import GLOBAL, SHARE, AnyParam, fold_name
from smbd.config.snapshot import Config, ShareParams
from smbd.config.values import parse_bool


class UnknownNameError(LookupError):
    """There is no section or parameter of the name asked for."""


def text_of(param: AnyParam, texts: Mapping[str, str]) -> str:
    """The value of a parameter as testparm prints it."""
    text = texts.get(param.name)
    return param.default_text if text is None else param.kind.normalise(text)


def dump_config(config: Config, *, verbose: bool = False) -> Iterator[str]:
    """The lines of the whole configuration: what differs from the defaults, or in [global] everything.

    A section shows what differs from the share parameters in [global].
    """
    yield from dump_globals(config, verbose=verbose)
    for section in config.sections():
        yield ""
        yield from dump_section(config, section)


def dump_globals(config: Config, *, verbose: bool = False) -> Iterator[str]:
    """The lines of [global]: global parameters, then module options, then share parameters."""
    yield "# Global parameters"
    yield "[global]"
    yield from _settings(REGISTRY.of_scope(GLOBAL), config.globals.texts, verbose=verbose)
    yield from _parametric(config.globals.parametric_texts)
    yield from _settings(REGISTRY.of_scope(SHARE), config.globals.share_defaults.texts, verbose=verbose)


def dump_section(config: Config, section: ShareParams) -> Iterator[str]:
    """The lines of one section, with the empty line that goes before it."""
    defaults = config.globals.share_defaults.texts
    yield ""
    yield f"[{section.name}]"
    for param in REGISTRY.of_scope(SHARE):
        text = text_of(param, section.texts)
        if text != text_of(param, defaults):
            yield f"\t{param.name} = {text}"
    yield from _parametric(section.parametric_texts)


def section_named(config: Config, name: str) -> ShareParams | None:
    """A section by its name, with [homes] and printers; None stands for [global].

    Raises:
        UnknownNameError: if there is no such section.
    """
    if fold_name(name) in {"global", "globals"}:
        return None
    for section in config.sections():
        if section.name.casefold() == name.strip().casefold():
            return section
    raise UnknownNameError(f"Unknown section {name}")


def parameter_text(config: Config, section: ShareParams | None, name: str) -> str:
    """The value of one parameter in one section (None is [global]).

    An inverted synonym gives the inverted value; a module option the value it has there or in [global].

    Raises:
        UnknownNameError: if the section cannot have such a parameter, or does not set the module option.
    """
    where = "global" if section is None else section.name
    if ":" in name:
        holder = config.globals if section is None else section
        text = holder.parametric(name, "\0")
        if text != "\0":
            return text
        raise UnknownNameError(f"Parameter {name} unknown for section {where}")
    found = REGISTRY.find(name)
    if found is None or (section is not None and found[0].scope == GLOBAL):
        raise UnknownNameError(f"Parameter {name} unknown for section {where}")
    param, inverted = found
    if section is not None:
        texts = section.texts
    else:
        texts = config.globals.texts if param.scope == GLOBAL else config.globals.share_defaults.texts
    text = text_of(param, texts)
    if inverted:
        return "No" if parse_bool(text) else "Yes"
    return text


def list_parameters() -> Iterator[str]:
    """All parameters with their types, words and synonyms, in the form of ``--show-all-parameters``."""
    for heading, scope in (("[local]", SHARE), ("[global]", GLOBAL)):
        yield heading
        for param in REGISTRY.of_scope(scope):
            yield from _parameter_lines(param)


def _parameter_lines(param: AnyParam) -> Iterator[str]:
    kind = param.kind.samba_name
    words = f"{'|'.join(param.kind.choices())}," if kind == "P_ENUM" else ""
    names = [*param.synonyms, *(f"{name}[i]" for name in param.inverted)]
    synonyms = f" (synonyms: {', '.join(names)})" if names else ""
    yield f"{param.name}={kind},{words}{synonyms}"
    for name in param.synonyms:
        yield f"{name}={kind},{words}FLAG_SYNONYM (synonym of {param.name})"
    for name in param.inverted:
        yield f"{name}=P_BOOLREV,FLAG_SYNONYM (inverse synonym of {param.name})"


def _settings(params: list[AnyParam], texts: Mapping[str, str], *, verbose: bool) -> Iterator[str]:
    for param in params:
        text = text_of(param, texts)
        if verbose or text != param.default_text:
            yield f"\t{param.name} = {text}"


def _parametric(texts: Mapping[str, str]) -> Iterator[str]:
    # Samba puts each new one in front of those before.
    for name, value in reversed(list(texts.items())):
        yield f"\t{name} = {value}"
