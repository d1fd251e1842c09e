"""JSON values from outside: what of them can be stored and written again."""

import math

from moorage.kit.text import is_plain_text

DEEPEST = 32
_WHOLE = range(-(2**63), 2**63)


class UnfitJsonError(ValueError):
    """A part of a JSON value cannot be kept. ``pointer`` (RFC 6901) says which, the text why."""

    def __init__(self, pointer: str, detail: str) -> None:
        """Keep the parts."""
        super().__init__(detail)
        self.pointer = pointer
        self.detail = detail


def check_json(value: object, pointer: str = "", depth: int = 0) -> None:
    """Raise UnfitJsonError for what databases or other readers of JSON would choke on.

    That is: nesting over 32 deep, NUL and lone surrogates in text, whole numbers beyond 64 bits,
    numbers that are not finite.
    """
    if depth > DEEPEST:
        raise UnfitJsonError(pointer, f"nesting is deeper than {DEEPEST}")
    if isinstance(value, dict):
        for key, part in value.items():
            if not is_plain_text(key):
                raise UnfitJsonError(pointer, "a key holds a NUL or half a character")
            check_json(part, f"{pointer}/{escape_pointer(key)}", depth + 1)
    elif isinstance(value, list):
        for at, part in enumerate(value):
            check_json(part, f"{pointer}/{at}", depth + 1)
    else:
        _check_scalar(value, pointer)


def _check_scalar(value: object, pointer: str) -> None:
    if isinstance(value, str) and not is_plain_text(value):
        raise UnfitJsonError(pointer, "the text holds a NUL or half a character")
    if isinstance(value, int) and value not in _WHOLE:
        raise UnfitJsonError(pointer, "the number does not fit in 64 bits")
    if isinstance(value, float) and not math.isfinite(value):
        raise UnfitJsonError(pointer, "the number is not finite")


def escape_pointer(key: str) -> str:
    """Write a key as one step of a JSON pointer."""
    return key.replace("~", "~0").replace("/", "~1")
