"""Frozen records, as ``dataclasses`` makes them, for a small device.

That module takes ``inspect`` along and writes and compiles six functions for every class. With the
classes of this agent that is two and a half megabytes, a tenth of what it may have. This one does
what is used here and no more: frozen, compared by their fields, with defaults. Type checkers are
shown the original.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, Dict, List

__all__ = ["dataclass", "field", "replace"]

if TYPE_CHECKING:
    from dataclasses import dataclass, field, replace
else:

    class _Made(object):
        """A default that is made for each record."""

        def __init__(self, factory: Callable[[], Any]) -> None:
            self.make = factory

    def field(*, default_factory: Callable[[], Any]) -> Any:
        """Have a field's default be made anew for each record."""
        return _Made(default_factory)

    def dataclass(*, frozen: bool) -> Callable[[type], type]:
        """Make a class one of records; its fields are those that are annotated in it."""
        if not frozen:
            raise TypeError("records are frozen here")
        return _made_a_record

    def replace(record: Any, **changes: Any) -> Any:
        """Return the record with other values in some fields."""
        return type(record)(**{**record.__dict__, **changes})

    def _made_a_record(cls: type) -> type:
        names: List[str] = list(getattr(cls, "__annotations__", {}))
        defaults: Dict[str, Any] = {n: cls.__dict__[n] for n in names if n in cls.__dict__}
        cls.__init__ = _init_of(cls.__name__, names, defaults)
        cls.__match_args__ = tuple(names)
        for method in (_eq, _hash, _repr, _frozen, _kept):
            setattr(cls, _NAMES[method], method)
        return cls

    def _init_of(
        class_name: str, names: List[str], defaults: Dict[str, Any]
    ) -> Callable[..., None]:
        known = frozenset(names)
        most = len(names)

        def __init__(self: Any, *args: Any, **given: Any) -> None:  # noqa: N807 - what it is
            values = dict(zip(names, args))
            if (
                len(args) > most
                or not known.issuperset(given)
                or not values.keys().isdisjoint(given)
            ):
                raise TypeError("%s has the fields %s" % (class_name, ", ".join(names)))
            values.update(given)
            for name in names:
                if name not in values:
                    if name not in defaults:
                        raise TypeError("%s wants %s" % (class_name, name))
                    default = defaults[name]
                    values[name] = default.make() if isinstance(default, _Made) else default
            self.__dict__.update(values)

        return __init__

    def _eq(self: Any, other: Any) -> Any:
        if type(self) is not type(other):
            return NotImplemented
        return self.__dict__ == other.__dict__

    def _hash(self: Any) -> int:
        return hash((type(self), *(self.__dict__[name] for name in self.__match_args__)))

    def _repr(self: Any) -> str:
        shown = ("%s=%r" % (name, self.__dict__[name]) for name in self.__match_args__)
        return "%s(%s)" % (type(self).__name__, ", ".join(shown))

    def _frozen(self: Any, name: str, _value: Any) -> None:
        raise AttributeError("%s is frozen: %s" % (type(self).__name__, name))

    def _kept(self: Any, name: str) -> None:
        raise AttributeError("%s is frozen: %s" % (type(self).__name__, name))

    _NAMES = {
        _eq: "__eq__",
        _hash: "__hash__",
        _repr: "__repr__",
        _frozen: "__setattr__",
        _kept: "__delattr__",
    }
