"""Functions that ran are moved and stay what they were."""

import functools
import gc
import inspect
import sys
from types import FunctionType

from smbd.gather import gather


class Base:
    def __init__(self, value):
        self.value = value

    def plain(self, more: int = 1, *, times: int = 2) -> int:
        """Docstring."""
        return (self.value + more) * times


class Derived(Base):
    def plain(self, more=1, *, times=2):
        return super().plain(more, times=times) + 1

    @classmethod
    def made(cls):
        return cls(5)

    @staticmethod
    def constant():
        return 7

    @property
    def doubled(self):
        return 2 * self.value

    @doubled.setter
    def doubled(self, value):
        self.value = value / 2

    def never_ran(self):
        raise NotImplementedError


def at_module():
    at_module.calls = getattr(at_module, "calls", 0) + 1
    return at_module.calls


@functools.cache
def cached():
    return object()


def _everything():
    derived = Derived.made()
    derived.doubled = 12
    return derived.plain(), derived.constant(), derived.doubled, cached()


def test_what_ran_is_moved_and_still_does_the_same():
    before = _everything()
    at_module()
    table = {"kept": at_module}
    ran = (Base.__init__, Base.plain, Derived.plain, Derived.made, Derived.constant, Derived.doubled.fget, at_module)
    codes = {id(getattr(one, "__func__", one).__code__) for one in ran}
    old = {name: vars(Derived)[name] for name in ("plain", "made", "constant", "doubled", "never_ran")}
    plain = Base.plain
    gather(codes)
    assert Base.plain is not plain
    for attribute in ("__doc__", "__module__", "__name__", "__qualname__", "__defaults__", "__kwdefaults__"):
        assert getattr(Base.plain, attribute) == getattr(plain, attribute)
    assert inspect.signature(Base.plain) == inspect.signature(plain)
    assert {name for name, value in old.items() if vars(Derived)[name] is not value} == {
        "plain", "made", "constant", "doubled",
    }  # fmt: skip
    assert _everything() == before
    assert table["kept"] is not at_module
    assert at_module() == 2
    assert not [
        thing for thing in gc.get_objects() if type(thing) is FunctionType and id(thing.__code__) in codes
    ]
    assert sys.modules[__name__].at_module is at_module
