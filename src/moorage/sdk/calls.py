"""How a method that only builds a request becomes one that is sent, blocking or awaited.

A resource is written once. Which driver it holds decides, also for the type checker, whether
``devices.get(id)`` is a Device or is awaited to become one.
"""

import functools
from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, overload

from moorage.sdk.drivers import AsyncDriver, AsyncPages, Pages, SyncDriver
from moorage.sdk.requests import Listing, Request

D = TypeVar("D", SyncDriver, AsyncDriver)
P = ParamSpec("P")
T = TypeVar("T")


class Resource(Generic[D]):
    """Methods over one part of the API."""

    def __init__(self, driver: D) -> None:
        """Keep the driver."""
        self._driver: D = driver


class Call(Generic[P, T]):
    """Decorates a method that returns a Request: it then sends it and returns the result."""

    def __init__(self, build: Callable[Concatenate[Any, P], Request[T]]) -> None:
        """Keep the method."""
        self._build = build
        self.__doc__ = build.__doc__

    @overload
    def __get__(self, at: Resource[SyncDriver], owner: type) -> Callable[P, T]: ...
    @overload
    def __get__(
        self, at: Resource[AsyncDriver], owner: type
    ) -> Callable[P, Coroutine[Any, Any, T]]: ...
    @overload
    def __get__(self, at: None, owner: type) -> "Call[P, T]": ...
    def __get__(self, at: Any, owner: type) -> Any:
        """Bind to a resource."""
        if at is None:
            return self

        @functools.wraps(self._build)
        def sent(*args: P.args, **kwargs: P.kwargs) -> Any:
            return at._driver.send(self._build(at, *args, **kwargs))  # noqa: SLF001 - its own

        return sent


class Paged(Generic[P, T]):
    """Decorates a method that returns a Listing: it then returns a list to iterate."""

    def __init__(self, build: Callable[Concatenate[Any, P], Listing[T]]) -> None:
        """Keep the method."""
        self._build = build
        self.__doc__ = build.__doc__

    @overload
    def __get__(self, at: Resource[SyncDriver], owner: type) -> Callable[P, Pages[T]]: ...
    @overload
    def __get__(self, at: Resource[AsyncDriver], owner: type) -> Callable[P, AsyncPages[T]]: ...
    @overload
    def __get__(self, at: None, owner: type) -> "Paged[P, T]": ...
    def __get__(self, at: Any, owner: type) -> Any:
        """Bind to a resource."""
        if at is None:
            return self

        @functools.wraps(self._build)
        def listed(*args: P.args, **kwargs: P.kwargs) -> Any:
            return at._driver.iterate(self._build(at, *args, **kwargs))  # noqa: SLF001 - its own

        return listed
