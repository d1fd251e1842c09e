"""A workspace's slug is a first path segment, so it must be none that the server answers itself."""

import pytest
from fastapi.routing import iter_route_contexts

from dialects.native_kit import on_sqlite
from moorage.core import workspaces
from moorage.core.errors import DomainError


@on_sqlite
async def test_every_first_segment_the_server_answers_is_reserved(running):
    front = running.app._front
    segments = set(front._by_segment)
    ours = front._by_segment["healthz"]
    deployment_manager = running.app.roboflow.api
    routes = [*running.app.native.api.routes, *ours.routes, *deployment_manager.routes]
    for route in iter_route_contexts(routes):
        segments.add(route.path.split("/")[1])
    segments = {one for one in segments if one and not one.startswith("{")}
    assert {"v1", "devices", "healthz", "readyz", "metrics", "install"} <= segments
    assert segments <= workspaces.RESERVED_SLUGS


@on_sqlite
async def test_a_reserved_slug_names_no_workspace(running):
    for slug in sorted(workspaces.RESERVED_SLUGS):
        with pytest.raises(DomainError):
            async with running.db.write() as tx:
                await workspaces.ensure(tx, slug)
