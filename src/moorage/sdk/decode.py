"""JSON to frozen dataclasses and back, by their type hints: what a field may hold is said once."""

import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from moorage.sdk.errors import UnexpectedAnswer

T = TypeVar("T")


def decode(cls: type[T], value: Any) -> T:
    """Build a dataclass from a JSON object; members it does not know are left out.

    Raises:
        UnexpectedAnswer: a member is missing or of another type; its path is named, not its value.

    """
    built: T = _value(cls, value, "")
    return built


def encode(value: Any) -> Any:
    """Turn dataclasses into plain JSON values, times into RFC 3339 with milliseconds."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: encode(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, datetime):
        return time_text(value)
    if isinstance(value, Mapping):
        return {str(key): encode(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [encode(one) for one in value]
    return value


def time_text(at: datetime) -> str:
    """RFC 3339 in UTC with milliseconds.

    Raises:
        ValueError: the time has no zone.

    """
    if at.tzinfo is None:
        raise ValueError("a time needs a zone; use datetime.now(UTC) or .replace(tzinfo=...)")
    utc = at.astimezone(UTC)
    return f"{utc:%Y-%m-%dT%H:%M:%S}.{utc.microsecond // 1000:03d}Z"


_shapes: dict[type[Any], tuple[tuple[Field[Any], Any], ...]] = {}


def _shape(cls: type[Any]) -> tuple[tuple[Field[Any], Any], ...]:
    known = _shapes.get(cls)
    if known is None:
        hints = typing.get_type_hints(cls)
        known = _shapes[cls] = tuple((field, hints[field.name]) for field in fields(cls))
    return known


def _value(hint: Any, value: Any, at: str) -> Any:  # noqa: PLR0911 - one a kind of hint
    if hint is Any:
        return value
    origin = typing.get_origin(hint)
    if origin in (types.UnionType, typing.Union):
        if value is None:
            return None
        (hint,) = (part for part in typing.get_args(hint) if part is not type(None))
        return _value(hint, value, at)
    if origin is tuple:
        item = typing.get_args(hint)[0]
        return tuple(_value(item, one, f"{at}/{n}") for n, one in enumerate(_of(list, value, at)))
    if origin is not None and issubclass(origin, Mapping):
        item = typing.get_args(hint)[1]
        return {key: _value(item, one, f"{at}/{key}") for key, one in _of(dict, value, at).items()}
    if is_dataclass(hint):
        return _object(typing.cast("type[Any]", hint), _of(dict, value, at), at)
    return _scalar(hint, value, at)


def _object(cls: type[Any], given: dict[str, Any], at: str) -> Any:
    parts: dict[str, Any] = {}
    for field, hint in _shape(cls):
        if field.name in given:
            parts[field.name] = _value(hint, given[field.name], f"{at}/{field.name}")
        elif field.default is MISSING and field.default_factory is MISSING:
            raise UnexpectedAnswer(f"the server's answer lacks {at}/{field.name}")
    return cls(**parts)


def _scalar(hint: Any, value: Any, at: str) -> Any:
    if hint is datetime:
        try:
            return datetime.fromisoformat(_of(str, value, at))
        except ValueError as error:
            raise UnexpectedAnswer(f"the server's answer has no time at {at}") from error
    if hint is float and type(value) is int:
        return float(value)
    return _of(hint, value, at)


def _of(kind: type[T], value: Any, at: str) -> T:
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise UnexpectedAnswer(
            f"the server's answer has {type(value).__name__} at {at or '/'}, "
            f"where {kind.__name__} belongs"
        )
    return value
