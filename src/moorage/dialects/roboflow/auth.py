"""Keys as that API takes them: in the query or as bearer; its scopes are wider than ours."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from starlette.requests import Request

from moorage.core import keys, workspaces
from moorage.core.caller import Caller, Scope
from moorage.core.errors import DomainError, Kind
from moorage.core.workspaces import Workspace
from moorage.dialects.common import Services, bearer_of
from moorage.storage import Tx

# What one of its scopes opens of ours.
_ALSO = {
    Scope.DEVICE_READ: {Scope.CONFIG_READ, Scope.CONFIG_READ_SECRETS},
    Scope.DEVICE_UPDATE: {Scope.CONFIG_WRITE},
}
_OWN_READS = frozenset({Scope.DEVICE_READ, Scope.CONFIG_READ, Scope.CONFIG_READ_SECRETS})


def key_of(request: Request) -> str:
    """Return the request's key. Raises DomainError ``unauthenticated`` without one."""
    told = request.query_params.get("api_key")
    return told or bearer_of(request.headers.get("authorization"))


class Sessions:
    """Opens transactions for the callers of this API."""

    def __init__(self, services: Services) -> None:
        """Keep the services."""
        self._services = services

    @asynccontextmanager
    async def reading(
        self, request: Request, slug: str, device_id: str | None = None
    ) -> AsyncIterator[tuple[Tx, Caller]]:
        """Read in a workspace; a device's key may read that device and nothing else."""
        text = key_of(request)
        async with self._services.db.read() as tx:
            caller = widened((await _caller(tx, text, slug))[0])
            if caller.device_id is not None and caller.device_id == device_id:
                caller = replace(caller, scopes=_OWN_READS, device_id=None)
            yield tx, caller

    @asynccontextmanager
    async def writing(
        self, request: Request, slug: str, *, widen: bool = True
    ) -> AsyncIterator[tuple[Tx, Caller, Workspace]]:
        """Change something in a workspace; committed at the block's end.

        Without ``widen`` the caller has what its key says and no more: what it may hand on.
        """
        text = key_of(request)
        async with self._services.db.write(brief=True) as tx:
            caller, workspace = await _caller(tx, text, slug)
            yield tx, widened(caller) if widen else caller, workspace


async def _caller(tx: Tx, text: str, slug: str) -> tuple[Caller, Workspace]:
    caller = await keys.authenticate(tx, text)
    workspace = await workspaces.find_by_slug(tx, slug)
    if workspace is None or workspace.id != caller.workspace_id:
        raise keys.unauthenticated()
    return caller, workspace


def widened(caller: Caller) -> Caller:
    """Return the caller with what its scopes open besides in this API."""
    if caller.scopes is None:
        return caller
    also = {scope for held in caller.scopes for scope in _ALSO.get(held, ())}
    return replace(caller, scopes=caller.scopes | also)


def require(caller: Caller, scope: Scope) -> None:
    """Raise unless the caller holds the scope: a device's key is refused before any look-up."""
    if caller.device_id is not None:
        raise DomainError(
            Kind.FORBIDDEN,
            "device_key_not_allowed",
            "a device's key reads its own device only; use a workspace key",
        )
    caller.require(scope)
