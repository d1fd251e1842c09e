"""Tokens that many devices enrol with, each making its own record."""

from collections.abc import Sequence
from datetime import timedelta

from moorage.core import audit, devices, keys
from moorage.core.caller import Caller, Scope
from moorage.core.errors import DomainError, Kind, invalid, not_found
from moorage.core.provisioning import store, token_store
from moorage.core.provisioning.model import MadeToken, Policy, ProvisioningToken
from moorage.kit.ids import key_text_prefix, new_key_text, new_uuid
from moorage.kit.pages import Page, decode_cursor, encode_cursor
from moorage.storage import Tx

PREFIX = "apt"
DEFAULT_EXPIRY = timedelta(days=30)
_SHORTEST_EXPIRY = timedelta(seconds=60)
_LONGEST_EXPIRY = timedelta(days=3650)
_MOST_USES = 1_000_000
_LONGEST_NAME = 128


async def create_token(  # noqa: PLR0913 - the parts of a token
    tx: Tx,
    caller: Caller,
    *,
    name: str,
    expires_in: timedelta | None = DEFAULT_EXPIRY,
    max_uses: int | None = None,
    policy: Policy = Policy.REJECT,
    tags: Sequence[str] = (),
    device_type: str | None = None,
) -> MadeToken:
    """Make a token (``token:write``). ``expires_in`` None: it never expires.

    ``tags`` and ``device_type`` are for each device it makes. Devices are of the caller's mode.

    Raises:
        DomainError: ``invalid``, also for policy ``replace`` on a token of several uses.

    """
    caller.require(Scope.TOKEN_WRITE)
    if expires_in is not None and not _SHORTEST_EXPIRY <= expires_in <= _LONGEST_EXPIRY:
        raise invalid("/expires_in_s", "a token lives from 60 seconds to 3650 days, or for ever")
    if max_uses is not None and not 1 <= max_uses <= _MOST_USES:
        raise invalid("/max_uses", f"max_uses is 1 to {_MOST_USES}, or null for any number")
    if policy is Policy.REPLACE and max_uses != 1:
        raise invalid(
            "/policy",
            "replace is for single-use tokens: with more uses, whoever has the token could take "
            "over any device it made",
        )
    text = new_key_text(PREFIX)
    token = ProvisioningToken(
        id=new_uuid(),
        workspace_id=caller.workspace_id,
        live=caller.live,
        name=_checked_name(name),
        policy=policy,
        max_uses=max_uses,
        use_count=0,
        tags=devices.check_tags(tags),
        device_type=None if device_type is None else devices.check_type(device_type),
        created_at=tx.now,
        created_by=caller.actor,
        expires_at=None if expires_in is None else tx.now + expires_in,
        last_used_at=None,
        revoked_at=None,
    )
    await token_store.insert(
        tx,
        {
            "id": token.id,
            "workspace_id": token.workspace_id,
            "live": token.live,
            "name": token.name,
            "digest": keys.digest(text),
            "policy": str(token.policy),
            "max_uses": token.max_uses,
            "use_count": 0,
            "tags": list(token.tags),
            "device_type": token.device_type,
            "created_at": token.created_at,
            "created_by": token.created_by,
            "expires_at": token.expires_at,
        },
    )
    await audit.record(tx, caller, "provisioning_token.created", token.id, {"name": token.name})
    return MadeToken(token, text)


def _checked_name(name: str) -> str:
    trimmed = name.strip()
    if not trimmed or len(trimmed) > _LONGEST_NAME or not trimmed.isprintable():
        raise invalid("/name", f"a token's name is 1 to {_LONGEST_NAME} printable characters")
    return trimmed


async def count_tokens(tx: Tx, caller: Caller) -> int:
    """Count the tokens of the caller's mode, ended ones too (``token:read``)."""
    caller.require(Scope.TOKEN_READ)
    return await token_store.count(tx, caller.workspace_id, live=caller.live)


async def list_tokens(
    tx: Tx, caller: Caller, *, cursor: str | None, limit: int, offset: int = 0
) -> Page[ProvisioningToken]:
    """List tokens of the caller's mode, newest first (``token:read``).

    ``offset`` is for APIs whose pages are counted.

    Raises:
        BadCursorError: the cursor is not one of ours.

    """
    caller.require(Scope.TOKEN_READ)
    before = None if cursor is None else str(decode_cursor(cursor, str)[0])
    found = await token_store.list_before(
        tx, caller.workspace_id, before, live=caller.live, limit=limit + 1, offset=offset
    )
    shown = found[:limit]
    return Page(shown, encode_cursor(shown[-1].id) if len(found) > limit else None)


async def get_token(
    tx: Tx, caller: Caller, token_id: str, *, needs: Scope = Scope.TOKEN_READ
) -> ProvisioningToken:
    """Return one token (``token:read``). Raises DomainError ``not_found``."""
    caller.require(needs)
    found = await token_store.find(tx, caller.workspace_id, token_id, live=caller.live)
    if found is None:
        raise not_found("provisioning token")
    return found


async def revoke_token(tx: Tx, caller: Caller, token_id: str) -> ProvisioningToken:
    """End a token for good; the devices it made stay (``token:write``). Twice is no fault."""
    await get_token(tx, caller, token_id, needs=Scope.TOKEN_WRITE)
    if await token_store.revoke(tx, token_id):
        await audit.record(tx, caller, "provisioning_token.revoked", token_id)
    return await get_token(tx, caller, token_id, needs=Scope.TOKEN_WRITE)


async def find_token(tx: Tx, text: str) -> ProvisioningToken | None:
    """Return the token of a text, whatever its state, or None."""
    if key_text_prefix(text) != PREFIX:
        return None
    return await token_store.find_by_digest(tx, keys.digest(text))


def check_usable(tx: Tx, token: ProvisioningToken | None) -> ProvisioningToken:
    """Return the token if one more device may enrol with it.

    Raises:
        DomainError: ``unauthenticated`` with code ``token_invalid`` (unknown, revoked and used up
            are not told apart) or ``token_expired``.

    """
    used_up = token is not None and token.max_uses is not None and token.use_count >= token.max_uses
    if token is None or token.revoked_at is not None or used_up:
        raise token_invalid()
    if token.expires_at is not None and token.expires_at <= tx.now:
        raise token_expired()
    return token


def token_invalid() -> DomainError:
    """Refuse a token without telling unknown from spent."""
    return DomainError(
        Kind.UNAUTHENTICATED,
        "token_invalid",
        "this token does not exist or was used already; ask the owner for a fresh one",
    )


def token_expired() -> DomainError:
    """Refuse a token that is too old."""
    return DomainError(
        Kind.UNAUTHENTICATED,
        "token_expired",
        "this token has expired; ask the owner for a fresh one",
    )


async def void_single_use(tx: Tx) -> int:
    """Void whatever enrols one device and was not used: install tokens, offline payloads, tokens.

    For a database that was set back: each of them may have been used since. Returns how many.
    """
    return await store.void_all_unspent(tx) + await token_store.revoke_single_use(tx)
