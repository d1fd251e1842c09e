"""``client.workspaces``, ``client.server``: what stands above devices."""

from collections.abc import Mapping, Sequence

from moorage.sdk.calls import Call, D, Paged, Resource
from moorage.sdk.models_access import ServerKey, Workspace, WorkspaceMade
from moorage.sdk.requests import (
    LARGEST_PAGE,
    Listing,
    Request,
    body_of,
    change,
    get,
    path_of,
    post,
)


class Workspaces(Resource[D]):
    """Workspaces: all of them with the administration's key, with an owner's its own."""

    @Paged
    def iterate(self, *, page_size: int = LARGEST_PAGE) -> Listing[Workspace]:
        """List workspaces by slug."""
        return Listing(Workspace, "/v1/workspaces", (), page_size)

    @Call
    def get(self, slug: str) -> Request[Workspace]:
        """Return one workspace. Raises NotFound."""
        return get(Workspace, path_of("workspaces", slug))

    @Call
    def create(
        self, slug: str, *, name: str | None = None, features: Sequence[str] = ()
    ) -> Request[WorkspaceMade]:
        """Make a workspace; the result holds its first keys, once.

        Raises Forbidden to an owner's key, Conflict (``slug_taken``), Invalid.
        """
        body = body_of(slug=slug, name=name, features=list(features))
        return post(WorkspaceMade, "/v1/workspaces", body)

    @Call
    def update(
        self,
        slug: str,
        *,
        name: str | None = None,
        features: Sequence[str] | None = None,
        retention: Mapping[str, float | None] | None = None,
    ) -> Request[Workspace]:
        """Change what is given; ``features`` are the administration's to give.

        ``retention`` is in days by kind (``logs_days``); None for as long as everybody has.

        Raises NotFound, Forbidden, Invalid.
        """
        body = body_of(
            name=name,
            features=None if features is None else list(features),
            retention=None if retention is None else dict(retention),
        )
        return change(Workspace, "PATCH", path_of("workspaces", slug), body)


class Server(Resource[D]):
    """The server itself."""

    @Call
    def key(self) -> Request[ServerKey]:
        """Return the public key that devices check offline payloads with."""
        return get(ServerKey, "/v1/server-key")
