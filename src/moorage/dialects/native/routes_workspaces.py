"""``/v1/workspaces``: made and changed by whoever runs the server; an owner sees its own."""

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from moorage.core import keys, workspaces
from moorage.core.workspaces import KeptDays, Workspace
from moorage.dialects.common import Services
from moorage.dialects.native.idempotency import answered_once
from moorage.dialects.native.pages import Limit
from moorage.dialects.native.wire import Body, PageOut, Text
from moorage.kit.clock import rfc3339

# Whole or in part; a hundred years is as good as for ever.
Days = Annotated[float, Field(gt=0, le=36_525)]


class WorkspaceIn(Body):
    """A workspace to make."""

    slug: Text
    name: Text | None = None
    features: list[Text] = Field(default=[], max_length=64)


class WorkspacePatchIn(Body):
    """What to change; an absent field stays."""

    name: Text | None = None
    features: list[Text] | None = Field(default=None, max_length=64)
    retention: dict[Text, Days | None] | None = Field(default=None, max_length=64)


class WorkspaceOut(BaseModel):
    """A workspace. ``retention`` is in days by kind, ``retention_own`` which it chose itself."""

    id: str
    slug: str
    name: str
    features: list[str]
    retention: dict[str, float]
    retention_own: list[str]
    created_at: str

    @classmethod
    def of(cls, workspace: Workspace, kept: Mapping[str, KeptDays]) -> "WorkspaceOut":
        """Render."""
        chosen = workspace.retention
        return cls(
            retention={name: days.of(chosen.get(name)) for name, days in kept.items()},
            retention_own=sorted(chosen.keys() & kept.keys()),
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
    callers, kept = services.callers, services.kept_days

    @routes.get("")
    async def list_workspaces(
        request: Request,
        limit: Limit = 50,
        cursor: str | None = None,
    ) -> PageOut[WorkspaceOut]:
        """List all workspaces by slug; to an owner's key its own."""
        async with callers.reading(request) as (tx, caller):
            page = await workspaces.list_workspaces(tx, caller, cursor=cursor, limit=limit)
        data = [WorkspaceOut.of(one, kept) for one in page.items]
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
                    **WorkspaceOut.of(made, kept).model_dump(),
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
            return WorkspaceOut.of(await workspaces.get_by_slug(tx, caller, slug), kept)

    @routes.patch("/{slug}")
    async def change_workspace(request: Request, slug: str, body: WorkspacePatchIn) -> WorkspaceOut:
        """Change what the body names. Features are the administration's to give.

        A kind of ``retention`` that is null is kept as long as the server keeps it for everybody.
        """
        async with callers.writing(request) as (tx, caller):
            changed = await workspaces.update(
                tx,
                caller,
                slug,
                name=body.name,
                features=body.features,
                retention=body.retention,
                bounds=kept,
            )
        return WorkspaceOut.of(changed, kept)

    return routes
