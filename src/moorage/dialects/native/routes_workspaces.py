"""``/v1/workspaces``: made and changed by whoever runs the server; an owner sees its own."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from moorage.core import keys, workspaces
from moorage.core.workspaces import Workspace
from moorage.dialects.common import Services
from moorage.dialects.native.idempotency import answered_once
from moorage.dialects.native.wire import Body, PageOut, Text
from moorage.kit.clock import rfc3339


class WorkspaceIn(Body):
    """A workspace to make."""

    slug: Text
    name: Text | None = None
    features: list[Text] = Field(default=[], max_length=64)


class WorkspacePatchIn(Body):
    """What to change; an absent field stays."""

    name: Text | None = None
    features: list[Text] | None = Field(default=None, max_length=64)


class WorkspaceOut(BaseModel):
    """A workspace."""

    id: str
    slug: str
    name: str
    features: list[str]
    created_at: str

    @classmethod
    def of(cls, workspace: Workspace) -> "WorkspaceOut":
        """Render."""
        return cls(
            id=workspace.id,
            slug=workspace.slug,
            name=workspace.name,
            features=sorted(workspace.features),
            created_at=rfc3339(workspace.created_at),
        )


class WorkspaceMadeOut(WorkspaceOut):
    """A workspace just made, with its first keys, shown once."""

    api_key: str
    test_api_key: str


def router(services: Services) -> APIRouter:
    """Build the routes."""
    routes = APIRouter(prefix="/v1/workspaces", tags=["workspaces"])
    callers = services.callers

    @routes.get("")
    async def list_workspaces(
        request: Request,
        limit: Annotated[int, Query(ge=1, le=500)] = 50,
        cursor: str | None = None,
    ) -> PageOut[WorkspaceOut]:
        """List all workspaces by slug; to an owner's key its own."""
        async with callers.reading(request) as (tx, caller):
            page = await workspaces.list_workspaces(tx, caller, cursor=cursor, limit=limit)
        data = [WorkspaceOut.of(one) for one in page.items]
        return PageOut(data=data, next_cursor=page.next_cursor)

    @routes.post("", status_code=201, response_model=WorkspaceMadeOut)
    async def make_workspace(request: Request, body: WorkspaceIn) -> Response:
        """Make a workspace; the answer holds its first keys, once."""
        async with callers.writing(request) as (tx, caller):

            async def work() -> WorkspaceMadeOut:
                made = await workspaces.create(
                    tx, caller, body.slug, name=body.name, features=body.features
                )
                live, test = await keys.issue_pair(tx, made.id, caller.actor)
                return WorkspaceMadeOut(
                    **WorkspaceOut.of(made).model_dump(),
                    api_key=live.text,
                    test_api_key=test.text,
                )

            secrets = frozenset({"api_key", "test_api_key"})
            answer = await answered_once(request, tx, caller, work, secrets=secrets)
        return answer

    @routes.get("/{slug}")
    async def get_workspace(request: Request, slug: str) -> WorkspaceOut:
        """Return one workspace."""
        async with callers.reading(request) as (tx, caller):
            return WorkspaceOut.of(await workspaces.get_by_slug(tx, caller, slug))

    @routes.patch("/{slug}")
    async def change_workspace(request: Request, slug: str, body: WorkspacePatchIn) -> WorkspaceOut:
        """Change what the body names. Features are the administration's to give."""
        async with callers.writing(request) as (tx, caller):
            changed = await workspaces.update(
                tx, caller, slug, name=body.name, features=body.features
            )
        return WorkspaceOut.of(changed)

    return routes
