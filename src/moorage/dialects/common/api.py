"""The inside of a dialect: an application without pages, which describes itself on demand."""

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from moorage import __version__

# FastAPI's own shapes of a refusal; every dialect has another.
_NOT_OURS = ("HTTPValidationError", "ValidationError")


class DialectApi(FastAPI):
    """FastAPI with the document completed by the dialect, once, and nothing else of its own."""

    def __init__(
        self, *, title: str, complete: Callable[[dict[str, Any]], dict[str, Any]], **more: Any
    ) -> None:
        """``complete`` takes FastAPI's document and returns it with what FastAPI cannot know."""
        self._complete = complete
        super().__init__(
            title=title,
            version=__version__,
            openapi_url=None,
            docs_url=None,
            redoc_url=None,
            redirect_slashes=False,
            **more,
        )

    def openapi(self) -> dict[str, Any]:
        """Return the document."""
        if self.openapi_schema is None:
            found = get_openapi(title=self.title, version=self.version, routes=self.routes)
            schemas = found.setdefault("components", {}).setdefault("schemas", {})
            for name in _NOT_OURS:
                schemas.pop(name, None)
            self.openapi_schema = self._complete(found)
        return self.openapi_schema
