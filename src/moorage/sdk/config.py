"""``client.config``, ``client.default_config``: what devices are to run."""

from typing import Any

from moorage.sdk.calls import Call, D, Paged, Resource
from moorage.sdk.models import Command, Config, DefaultConfig, Revision, RevisionEntry
from moorage.sdk.requests import (
    LARGEST_PAGE,
    Json,
    Listing,
    Request,
    change,
    get,
    if_match,
    path_of,
    post,
)


def _path(device_id: str, *rest: str) -> str:
    return path_of("devices", device_id, "config", *rest)


class DeviceConfig(Resource[D]):
    """A device's config, a document of ``config``, ``services`` and ``streams``."""

    @Call
    def get(self, device_id: str) -> Request[Config]:
        """Return the desired config and what the device proved of it. Raises NotFound."""
        return get(Config, _path(device_id))

    @Call
    def change(self, device_id: str, patch: Json, *, digest: str | None = None) -> Request[Config]:
        """Merge a patch (RFC 7396) into the device's own layer; null takes a value away.

        With the ``digest`` that was read, a change in between is refused.

        Raises PreconditionFailed, Invalid (naming the path), NotFound.
        """
        return if_match(change(Config, "PATCH", _path(device_id), patch), digest)

    @Call
    def plan(self, device_id: str, patch: Json) -> Request[Command]:
        """Ask the device what a patch would do to it, and change nothing.

        Once the command succeeded its ``result`` says it: ``effects``, ``obstacles`` and
        ``would_apply``.

        Raises Invalid (naming the path), NotFound, MissingScope (``command:send`` is needed too).
        """
        return post(Command, _path(device_id, "plan"), patch)

    @Paged
    def revisions(self, device_id: str, *, page_size: int = LARGEST_PAGE) -> Listing[RevisionEntry]:
        """List revisions, newest first."""
        return Listing(RevisionEntry, _path(device_id, "revisions"), (), page_size)

    @Call
    def revision(self, device_id: str, revision: int) -> Request[Revision]:
        """Return one revision. Raises NotFound."""
        return get(Revision, _path(device_id, "revisions", str(revision)))

    @Call
    def rollback(
        self, device_id: str, revision: int, *, digest: str | None = None
    ) -> Request[Config]:
        """Make an earlier revision the desired one again, as a new revision.

        Raises PreconditionFailed, NotFound.
        """
        return if_match(post(Config, _path(device_id, "rollback"), {"revision": revision}), digest)


class WorkspaceConfig(Resource[D]):
    """What all devices of the workspace begin with."""

    @Call
    def get(self) -> Request[DefaultConfig]:
        """Return the default and the workspace's part of it."""
        return get(DefaultConfig, "/v1/default-config")

    @Call
    def replace(
        self, patch: dict[str, Any], *, digest: str | None = None
    ) -> Request[DefaultConfig]:
        """Put another patch in the place of the workspace's. Raises PreconditionFailed, Invalid."""
        return if_match(
            change(DefaultConfig, "PUT", "/v1/default-config", {"patch": patch}), digest
        )
