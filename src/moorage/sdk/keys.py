"""``client.keys``, ``client.provisioning_tokens``, ``client.audit``: who may what, and who did."""

from collections.abc import Sequence
from datetime import datetime

from moorage.sdk.calls import Call, D, Paged, Resource
from moorage.sdk.devices import KEEP, Keep
from moorage.sdk.models_access import (
    ApiKey,
    ApiKeyMade,
    AuditEntry,
    ProvisioningToken,
    ProvisioningTokenMade,
)
from moorage.sdk.requests import (
    LARGEST_PAGE,
    Listing,
    Request,
    body_of,
    change,
    get,
    path_of,
    post,
    query_of,
)


class Keys(Resource[D]):
    """Keys of the workspace."""

    @Paged
    def iterate(self, *, page_size: int = LARGEST_PAGE) -> Listing[ApiKey]:
        """List the keys of the caller's mode, newest first, revoked ones too."""
        return Listing(ApiKey, "/v1/api-keys", (), page_size)

    @Call
    def get(self, key_id: str) -> Request[ApiKey]:
        """Return one key, without its text. Raises NotFound."""
        return get(ApiKey, path_of("api-keys", key_id))

    @Call
    def create(
        self, name: str, *, scopes: Sequence[str] | None = None, mode: str | None = None
    ) -> Request[ApiKeyMade]:
        """Make a key; ``scopes`` None means all, ``mode`` is live or test.

        Raises Forbidden for more than the caller holds, Invalid.
        """
        listed = None if scopes is None else list(scopes)
        return post(ApiKeyMade, "/v1/api-keys", body_of(name=name, scopes=listed, mode=mode))

    @Call
    def update(
        self,
        key_id: str,
        *,
        name: str | None = None,
        scopes: Sequence[str] | None = None,
        disabled: bool | None = None,
        protected: bool | None = None,
    ) -> Request[ApiKey]:
        """Change what is given. Raises NotFound, Forbidden, Invalid."""
        body = body_of(
            name=name,
            scopes=None if scopes is None else list(scopes),
            disabled=disabled,
            protected=protected,
        )
        return change(ApiKey, "PATCH", path_of("api-keys", key_id), body)

    @Call
    def roll(self, key_id: str) -> Request[ApiKeyMade]:
        """Give a key another text; the old one stops. Raises NotFound, Forbidden."""
        return post(ApiKeyMade, path_of("api-keys", key_id, "roll"))

    @Call
    def revoke(self, key_id: str) -> Request[ApiKey]:
        """Revoke a key, at once and for good. Raises NotFound."""
        return change(ApiKey, "DELETE", path_of("api-keys", key_id))


class ProvisioningTokens(Resource[D]):
    """Tokens that many devices enrol with."""

    @Paged
    def iterate(self, *, page_size: int = LARGEST_PAGE) -> Listing[ProvisioningToken]:
        """List the tokens of the caller's mode, newest first, revoked ones too."""
        return Listing(ProvisioningToken, "/v1/provisioning-tokens", (), page_size)

    @Call
    def get(self, token_id: str) -> Request[ProvisioningToken]:
        """Return one token, without its text. Raises NotFound."""
        return get(ProvisioningToken, path_of("provisioning-tokens", token_id))

    @Call
    def create(  # noqa: PLR0913 - the fields of a token
        self,
        name: str,
        *,
        expires_in_s: int | Keep | None = KEEP,
        max_uses: int | None = None,
        policy: str | None = None,
        tags: Sequence[str] = (),
        type: str | None = None,  # noqa: A002 - named as the API names it
    ) -> Request[ProvisioningTokenMade]:
        """Make a token; the result holds the line to paste on each device, once.

        ``expires_in_s`` None means never, left out it is the server's own span. ``max_uses`` None
        means any number. ``policy`` replace is for a single use.

        Raises Invalid.
        """
        body = body_of(name=name, max_uses=max_uses, policy=policy, tags=list(tags), type=type)
        if expires_in_s is not KEEP:
            body["expires_in_s"] = expires_in_s
        return post(ProvisioningTokenMade, "/v1/provisioning-tokens", body)

    @Call
    def revoke(self, token_id: str) -> Request[ProvisioningToken]:
        """End a token; devices that used it stay. Raises NotFound."""
        return change(ProvisioningToken, "DELETE", path_of("provisioning-tokens", token_id))


class Audit(Resource[D]):
    """Who changed what."""

    @Paged
    def iterate(  # noqa: PLR0913 - the filters of the list
        self,
        *,
        entity_id: str | None = None,
        action: str | None = None,
        actor: str | None = None,
        start_time: datetime | None = None,
        end_time: datetime | None = None,
        page_size: int = LARGEST_PAGE,
    ) -> Listing[AuditEntry]:
        """List changes, newest first, from ``start_time`` until before ``end_time``."""
        query = query_of(
            entity_id=entity_id,
            action=action,
            actor=actor,
            start_time=start_time,
            end_time=end_time,
        )
        return Listing(AuditEntry, "/v1/audit", query, page_size)
