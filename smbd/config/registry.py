"""What a parameter declaration is, and the lookup of parameters by any of their names.

A parameter that the server uses is declared once, as a class attribute of one of the classes in
`smbd.config.parameters`::

    read_only = Param(BOOL, True, "Clients may not change ...", inverted=("writeable", "writable"))

Samba's name follows from the attribute (``read only``). `Param` is a descriptor only for the type checker:
when the class is complete the declarations are moved into the registry, so that reading an attribute of a
loaded configuration is reading a plain instance attribute.

A parameter which Samba knows and pysmbd does not use is a row of `known` instead and has no attribute.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any, Final, Generic, Self, TypeVar, overload

from smbd.config.values import ValueType

T = TypeVar("T")

GLOBAL: Final = "global"
SHARE: Final = "share"

IMPLEMENTED: Final = "implemented"
ACCEPTED: Final = "accepted"
KNOWN: Final = "known"

# testparm lists parameters by name without blanks, except for these, which Samba files elsewhere.
_SORT_AS: Final = {
    "winbind debug traceid": "debugtraceid",
    "smbd force process locks": "folm",
    "client smb encrypt": "clientsmb",
    "client use spnego": "clientusespnegoz",
}


def fold_name(name: str) -> str:
    """A parameter or section name as it is compared: case and all white space are insignificant."""
    return "".join(name.lower().split())


class Param(Generic[T]):
    """The declaration of one parameter.

    Attributes:
        name: Samba's spelling.
        scope: `GLOBAL` or `SHARE`; share parameters may stand in [global] as the default of all shares.
        kind: how the value is read and printed.
        default: the value when smb.conf does not set it.
        doc: what it does, for the generated documentation.
        status: `IMPLEMENTED`, `ACCEPTED` (valid, but without an effect here) or `KNOWN` (not offered).
        synonyms: further names; ``inverted`` those with the opposite meaning.
        since: the Samba version that introduced it, if newer than 4.17.
    """

    def __init__(
        self,
        kind: ValueType[T],
        default: T,
        doc: str,
        *,
        synonyms: Iterable[str] = (),
        inverted: Iterable[str] = (),
        status: str = IMPLEMENTED,
        name: str = "",
        scope: str = "",
        since: str = "",
    ) -> None:
        self.kind = kind
        self.default = default
        self.doc = " ".join(doc.split())
        self.status = status
        self.synonyms = tuple(synonyms)
        self.inverted = tuple(inverted)
        self.name = name
        self.scope = scope
        self.since = since
        self.attribute = ""

    def __set_name__(self, owner: type, attribute: str) -> None:
        self.attribute = attribute
        self.name = self.name or attribute.replace("_", " ")

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...

    @overload
    def __get__(self, instance: object, owner: type) -> T: ...

    def __get__(self, instance: object | None, owner: type) -> Self | T:
        """The declaration, if asked of the class before it is complete; never reached on an instance."""
        return self if instance is None else self.default

    @property
    def sort_key(self) -> str:
        """Where testparm lists this parameter."""
        return _SORT_AS.get(self.name, fold_name(self.name))

    @property
    def default_text(self) -> str:
        """The default as testparm prints it."""
        return self.kind.format(self.default)

    def read(self, text: str) -> T:
        """The value that a text means.

        Raises:
            ValueError: if the text does not fit; the message says what does.
        """
        return self.kind.parse(text)


AnyParam = Param[Any]


class ParameterSet:
    """Base of the classes whose instances carry the values of one scope as plain attributes.

    Instances are snapshots: assignment is refused.
    """

    scope = GLOBAL
    declarations: Mapping[str, AnyParam] = {}

    def __init_subclass__(cls, *, scope: str = "") -> None:
        """Move the declarations of a new subclass, and those of its bases, into ``declarations``."""
        super().__init_subclass__()
        if scope:
            cls.scope = scope
        collected: dict[str, AnyParam] = {}
        for base in reversed(cls.__mro__[1:]):
            collected.update(getattr(base, "declarations", {}))
        for attribute, value in list(vars(cls).items()):
            if isinstance(value, Param):
                value.scope = cls.scope
                collected[attribute] = value
                delattr(cls, attribute)
        cls.declarations = collected

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{name}: a loaded configuration does not change; load a new one")

    @classmethod
    def defaults(cls) -> dict[str, Any]:
        """The values of all declared parameters of this scope when smb.conf sets none."""
        return {
            # A list of its own for each snapshot, so that none can change the default of another.
            attribute: list(param.default) if isinstance(param.default, list) else param.default
            for attribute, param in cls.declarations.items()
        }


class Registry:
    """All parameters of both scopes, found by any of their names."""

    def __init__(self, params: Iterable[AnyParam]) -> None:
        self.params = sorted(params, key=lambda param: param.sort_key)
        self._names: dict[str, tuple[AnyParam, bool]] = {}
        for param in self.params:
            for name in (param.name, *param.synonyms):
                self._add(name, param, inverted=False)
            for name in param.inverted:
                self._add(name, param, inverted=True)

    def _add(self, name: str, param: AnyParam, *, inverted: bool) -> None:
        folded = fold_name(name)
        if folded in self._names:
            raise ValueError(f"two parameters are called {name!r}")
        self._names[folded] = (param, inverted)

    def find(self, name: str) -> tuple[AnyParam, bool] | None:
        """The parameter of this name, and whether the name is an inverted synonym of it."""
        return self._names.get(fold_name(name))

    def suggest(self, name: str) -> str | None:
        """The known name closest to an unknown one, if there is one close enough."""
        close = difflib.get_close_matches(fold_name(name), self._names, n=1, cutoff=0.75)
        if not close:
            return None
        param, _ = self._names[close[0]]
        for known in (param.name, *param.synonyms, *param.inverted):
            if fold_name(known) == close[0]:
                return known
        return param.name

    def of_scope(self, scope: str) -> list[AnyParam]:
        """The parameters of one scope in testparm's order."""
        return [param for param in self.params if param.scope == scope]
