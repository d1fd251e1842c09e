"""What refusal matrices of the dialects are made from."""

from typing import Any

from fastapi.routing import iter_route_contexts

from dialects.native_kit import mistyped
from moorage.kit.ids import new_key_text


def routes_of(api: Any) -> set[tuple[str, str]]:
    """Method and template of every route an application answers."""
    return {
        (method, route.path)
        for route in iter_route_contexts(api.routes)
        for method in (route.methods or ())
        if method != "HEAD"
    }


def texts_that_are_no_key(good: str, *more: str) -> list[str]:
    """Garbage, a typo and keys nobody was given; ``more`` are some that no longer open anything."""
    return [
        "garbage",
        mistyped(good),
        "sk_live_" + "0" * 5000,
        new_key_text("sk_live"),
        new_key_text("sk_test"),
        new_key_text("inst"),
        *more,
    ]
