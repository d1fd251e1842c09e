"""Making, finding, revoking keys, and turning a key's text into a Caller."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from moorage.core import audit
from moorage.core.caller import Caller, Scope
from moorage.core.errors import DomainError, Kind, not_found
from moorage.core.keys import rules, store
from moorage.core.keys.model import Key, NewKey
from moorage.kit.ids import new_id, new_key_text
from moorage.kit.jsonvalue import check_json
from moorage.kit.pages import Page, decode_cursor, encode_cursor
from moorage.kit.unset import UNSET, Unset
from moorage.storage import Tx

DEVICE_TOPIC: Final = "device-keys:"


def topic_of(key_id: str) -> str:
    """Name the announcement that a workspace's key opens something else now, or nothing."""
    return f"key:{key_id}"


def topic_of_device(device_id: str) -> str:
    """Name the announcement that a device's keys open nothing now, or something again."""
    return f"{DEVICE_TOPIC}{device_id}"


async def create(
    tx: Tx,
    caller: Caller,
    *,
    name: str,
    scopes: Iterable[str] | None,
    live: bool | None = None,
) -> NewKey:
    """Make a workspace key (``api-key:create``). ``scopes`` None means all.

    ``live`` defaults to the caller's mode; a key of the other mode can be made by a live key only,
    or a test key could reach live devices by making itself one.

    Raises:
        DomainError: ``missing_scope``; ``forbidden`` for more than the caller holds; ``invalid``.

    """
    caller.require(Scope.API_KEY_CREATE)
    wanted = None if scopes is None else rules.parse_scopes(scopes)
    rules.check_grant(caller, wanted)
    mode = caller.live if live is None else live
    if mode and not caller.live:
        raise DomainError(
            Kind.FORBIDDEN,
            "test_key_not_allowed",
            "a test key cannot make a live key; use a live key",
        )
    return await issue(tx, caller, name=name, scopes=wanted, live=mode)


async def issue(  # noqa: PLR0913 - the parts of a key
    tx: Tx,
    caller: Caller,
    *,
    name: str,
    live: bool,
    scopes: frozenset[Scope] | None = None,
    device_id: str | None = None,
    text: str | None = None,
    last: bool = False,
) -> NewKey:
    """Make a key without asking for a scope: for capabilities that asked for their own.

    ``text`` is one the device proposed; None makes one here. ``last``: the text is new, and nobody
    looks the key up before the transaction ends, so it is written with the last of its rows.

    Raises:
        UniqueViolation: the proposed text is some key's already.

    """
    workspace_prefix = rules.LIVE_PREFIX if live else rules.TEST_PREFIX
    text = text or new_key_text(rules.DEVICE_PREFIX if device_id else workspace_prefix)
    key = Key(
        id=new_id("key_"),
        workspace_id=caller.workspace_id,
        live=live,
        name=name,
        prefix=rules.shown_prefix(text),
        scopes=scopes,
        device_id=device_id,
        created_at=tx.now,
        created_by=caller.actor,
        revoked_at=None,
    )
    if last:
        store.append(tx, key, rules.digest(text))
    else:
        await store.insert(tx, key, rules.digest(text))
    await audit.record(
        tx,
        caller,
        "key.created",
        key.id,
        {
            "name": name,
            "scopes": None if scopes is None else sorted(scopes),
            "device_id": device_id,
        },
    )
    return NewKey(key, text)


async def issue_pair(tx: Tx, workspace_id: str, actor: str) -> tuple[NewKey, NewKey]:
    """Make a workspace's first keys, live and test, with all scopes; for whoever made it."""
    caller = Caller(workspace_id, live=True, actor=actor)
    live = await issue(tx, caller, name="bootstrap", live=True)
    test = await issue(tx, caller, name="bootstrap (test)", live=False)
    return live, test


async def issue_admin(tx: Tx, workspace_id: str) -> NewKey:
    """Make a key that may make workspaces and nothing else, in the administration's workspace."""
    caller = Caller(workspace_id, live=True, actor="system:bootstrap")
    scopes = frozenset({Scope.WORKSPACE_ADMIN})
    return await issue(tx, caller, name="administration", live=True, scopes=scopes)


async def authenticate(tx: Tx, text: str) -> Caller:
    """Return who stands behind a key's text.

    Raises:
        DomainError: ``unauthenticated``, one text for missing, mistyped, unknown and revoked.

    """
    key = await find_by_text(tx, text)
    if key is None or not key.works:
        raise unauthenticated()
    return key.caller


async def find_callers(tx: Tx, digests: Sequence[str]) -> dict[str, Caller]:
    """Return who stands behind keys, by their digests; without those that open nothing."""
    found = await store.find_by_digests(tx, digests)
    return {digest: key.caller for digest, key in found.items() if key.works}


async def authenticate_by_id(tx: Tx, workspace_id: str, key_id: str, *, live: bool) -> Caller:
    """Return who stands behind a workspace's own key, for proofs of it that are not its text.

    Raises:
        DomainError: ``unauthenticated`` as from ``authenticate``.

    """
    key = await store.find(tx, workspace_id, key_id, live=live)
    if key is None or not key.works:
        raise unauthenticated()
    return key.caller


def unauthenticated() -> DomainError:
    """Refuse a key without telling which part of it was wrong."""
    return DomainError(
        Kind.UNAUTHENTICATED,
        "key_invalid",
        "this key does not exist or was revoked; send a valid one as 'Authorization: Bearer KEY'",
    )


async def find_by_text(tx: Tx, text: str) -> Key | None:
    """Return the key of that text, revoked or not; None for an unknown one (or a typo, unasked)."""
    if not rules.looks_like_key(text):
        return None
    return await store.find_by_digest(tx, rules.digest(text))


async def get(tx: Tx, caller: Caller, key_id: str) -> Key:
    """Return one of the workspace's own keys (``api-key:read``)."""
    caller.require(Scope.API_KEY_READ)
    return await _own(tx, caller, key_id)


async def list_all(tx: Tx, caller: Caller) -> Sequence[Key]:
    """List every key of the caller's mode that is not revoked, devices' too (``api-key:read``)."""
    caller.require(Scope.API_KEY_READ)
    found = await store.list_keys(
        tx, caller.workspace_id, live=caller.live, after=None, limit=None, of_devices=True
    )
    return [key for key in found if key.revoked_at is None]


async def list_keys(tx: Tx, caller: Caller, *, cursor: str | None, limit: int) -> Page[Key]:
    """List the workspace's own keys of the caller's mode, newest first (``api-key:read``)."""
    caller.require(Scope.API_KEY_READ)
    after = decode_cursor(cursor, str)[0] if cursor else None
    found = await store.list_keys(
        tx,
        caller.workspace_id,
        live=caller.live,
        after=None if after is None else str(after),
        limit=limit + 1,
        of_devices=False,
    )
    more = len(found) > limit
    return Page(found[:limit], encode_cursor(found[limit - 1].id) if more else None)


async def revoke(tx: Tx, caller: Caller, key_id: str) -> Key:
    """Revoke a workspace key, at once and for good (``api-key:revoke``); again is no error."""
    caller.require(Scope.API_KEY_REVOKE)
    key = await _own(tx, caller, key_id)
    _refuse_protected(key)
    if await store.revoke(tx, caller.workspace_id, key_id):
        await audit.record(tx, caller, "key.revoked", key_id, {"name": key.name})
        tx.announce(topic_of(key_id))
    return await store.find(tx, caller.workspace_id, key_id, live=caller.live) or key


async def update(  # noqa: PLR0913 - what may be changed
    tx: Tx,
    caller: Caller,
    key_id: str,
    *,
    name: str | None = None,
    scopes: Iterable[str] | Unset | None = UNSET,
    disabled: bool | None = None,
    protected: bool | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> Key:
    """Change a key (``api-key:update``); what is not given stays. ``scopes`` None means all.

    Raises:
        DomainError: ``not_found``; ``forbidden`` for more scopes than the caller holds, or to take
            a protection back; ``conflict`` for a protected key.

    """
    caller.require(Scope.API_KEY_UPDATE)
    key = await _own_unrevoked(tx, caller, key_id)
    values: dict[str, Any] = {}
    if name is not None:
        values["name"] = name
    if not isinstance(scopes, Unset):
        wanted = None if scopes is None else rules.parse_scopes(scopes)
        rules.check_grant(caller, wanted)
        values["scopes"] = None if wanted is None else sorted(wanted)
    if disabled is not None:
        if disabled:
            _refuse_protected(key)
        values["disabled_at"] = (key.disabled_at or tx.now) if disabled else None
    if key.protected and protected is False:
        raise DomainError(
            Kind.FORBIDDEN, "key_protected", "a protection cannot be taken back with a key"
        )
    values |= _noted(protected=protected, metadata=metadata)
    if values:
        await store.update(tx, caller.workspace_id, key_id, values)
        changed = {name: value for name, value in values.items() if name != "disabled_at"}
        await audit.record(tx, caller, "key.updated", key_id, changed)
        tx.announce(topic_of(key_id))
    return await _own(tx, caller, key_id)


async def finish(
    tx: Tx,
    caller: Caller,
    key_id: str,
    *,
    protected: bool | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> Key:
    """Complete a key just made by the same caller (``api-key:create``)."""
    caller.require(Scope.API_KEY_CREATE)
    values = _noted(protected=protected, metadata=metadata)
    if values:
        await store.update(tx, caller.workspace_id, key_id, values)
    return await _own(tx, caller, key_id)


async def roll(tx: Tx, caller: Caller, key_id: str) -> NewKey:
    """Replace a key by a new one of the same name and scopes (``api-key:create`` and ``revoke``).

    Raises:
        DomainError: ``not_found``; ``conflict`` for a protected key; ``forbidden``.

    """
    caller.require(Scope.API_KEY_REVOKE)
    caller.require(Scope.API_KEY_CREATE)
    key = await _own_unrevoked(tx, caller, key_id)
    _refuse_protected(key)
    rules.check_grant(caller, key.scopes)
    await store.revoke(tx, caller.workspace_id, key_id)
    await audit.record(tx, caller, "key.rolled", key_id, {"name": key.name})
    tx.announce(topic_of(key_id))
    made = await issue(tx, caller, name=key.name, live=key.live, scopes=key.scopes)
    kept = {"metadata": dict(key.metadata), "disabled_at": key.disabled_at}
    await store.update(tx, caller.workspace_id, made.key.id, kept)
    return NewKey(await _own(tx, caller, made.key.id), made.text)


async def _own(tx: Tx, caller: Caller, key_id: str) -> Key:
    key = await store.find(tx, caller.workspace_id, key_id, live=caller.live)
    if key is None:
        raise not_found("key")
    return key


async def _own_unrevoked(tx: Tx, caller: Caller, key_id: str) -> Key:
    key = await _own(tx, caller, key_id)
    if key.revoked_at is not None:
        raise not_found("key")
    return key


def _noted(*, protected: bool | None, metadata: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the columns of what is given. Raises DomainError ``invalid`` for the metadata."""
    values: dict[str, Any] = {} if protected is None else {"protected": protected}
    if metadata is not None:
        check_json(metadata, "/customMetadata")
        values["metadata"] = dict(metadata)
    return values


def _refuse_protected(key: Key) -> None:
    if key.protected:
        raise DomainError(
            Kind.CONFLICT,
            "key_protected",
            "this key is protected: it cannot be disabled, revoked or rolled",
        )


async def find_for_device(tx: Tx, workspace_id: str, device_id: str) -> Sequence[Key]:
    """Return all keys of a device, newest first, for the capability that owns its enrolment."""
    return await store.find_for_device(tx, workspace_id, device_id)


async def revoke_for_device(
    tx: Tx, caller: Caller, device_id: str, *, keep: str | None = None
) -> None:
    """Revoke a device's keys but for ``keep``: old hardware is locked out."""
    count = await store.revoke_for_device(tx, caller.workspace_id, device_id, keep=keep)
    if count:
        tx.announce(topic_of_device(device_id))
        await audit.record(tx, caller, "key.device_keys_revoked", device_id, {"count": count})


async def enable_for_device(tx: Tx, caller: Caller, device_id: str, *, enabled: bool) -> None:
    """Let a device's keys open what they opened, or nothing until they are enabled again."""
    at = None if enabled else tx.now
    await store.set_disabled_for_device(tx, caller.workspace_id, device_id, at)
    tx.announce(topic_of_device(device_id))


async def standing(tx: Tx, key_ids: Sequence[str]) -> set[str]:
    """Return those of the keys that are not revoked, read in this transaction."""
    return await store.standing(tx, key_ids)


async def digests_of_device(tx: Tx, workspace_id: str, device_id: str) -> Sequence[str]:
    """Return the digests of a device's keys, to recognise them by when the device is gone."""
    return await store.digests_of_device(tx, workspace_id, device_id)
