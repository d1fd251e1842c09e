"""The workspace's layer: what devices begin with that are made from now on."""

from moorage.core import audit
from moorage.core.caller import Caller, Scope
from moorage.core.config import rules, servers, store
from moorage.core.config.model import DefaultConfig, Document, Draft, Layer, Merged
from moorage.core.errors import DomainError, Kind
from moorage.kit.jsonvalue import check_json
from moorage.storage import Tx

_POSITION = 100


async def get_default(tx: Tx, caller: Caller) -> DefaultConfig:
    """Return what new devices of the workspace begin with (``config:read``)."""
    caller.require(Scope.CONFIG_READ)
    return await _shown(tx, caller)


async def set_default(
    tx: Tx, caller: Caller, patch: Document, *, if_match: str | None
) -> DefaultConfig:
    """Set the workspace's patch over the base (``config:write``), for devices made from now on.

    Raises:
        DomainError: ``precondition``; ``invalid`` naming the path.

    """
    caller.require(Scope.CONFIG_WRITE)
    check_json(patch, "/patch")
    return await _set(tx, caller, await _now(tx, caller.workspace_id), patch, if_match)


async def replace_default(
    tx: Tx, caller: Caller, patch: Document, *, if_match: str | None
) -> DefaultConfig:
    """Set it as ``set_default`` does, for people who saw its secrets masked.

    A mask that comes back where a secret stands means the secret; anywhere else it is refused.
    """
    caller.require(Scope.CONFIG_WRITE)
    check_json(patch, "/patch")
    now = await _now(tx, caller.workspace_id)
    return await _set(tx, caller, now, rules.unmasked(patch, now.patch), if_match)


async def try_default(tx: Tx, caller: Caller, patch: Document) -> Draft:
    """Say what ``replace_default`` would make of it (``config:write``); nothing is changed.

    Secrets are masked, whoever asks. Raises DomainError ``invalid`` naming the path.
    """
    caller.require(Scope.CONFIG_WRITE)
    check_json(patch, "/patch")
    now = await _now(tx, caller.workspace_id)
    merged = await _merged(tx, rules.unmasked(patch, now.patch))
    return Draft(
        document=rules.masked(merged.document),
        origins=merged.origins,
        changed=rules.changed_pointers(now.document, merged.document),
        patch=rules.masked(rules.patch_between(now.document, merged.document)),
    )


async def _set(
    tx: Tx, caller: Caller, now: DefaultConfig, patch: Document, if_match: str | None
) -> DefaultConfig:
    if if_match is not None and if_match != now.digest:
        raise DomainError(
            Kind.PRECONDITION,
            "revision_changed",
            "the default config was changed since it was read; read it again and repeat the change",
        )
    await _merged(tx, patch)
    layer = Layer(rules.WORKSPACE_LAYER, patch)
    await store.set_layer(tx, caller.workspace_id, layer, _POSITION)
    changed = rules.changed_pointers(now.patch, patch)
    details = {"changed": changed}
    await audit.record(tx, caller, "default_config.changed", caller.workspace_id, details)
    return await _shown(tx, caller)


async def _merged(tx: Tx, patch: Document) -> Merged:
    merged = rules.merge([rules.base(), Layer(rules.WORKSPACE_LAYER, patch)])
    await servers.check_document(tx, merged.document)
    return merged


async def _shown(tx: Tx, caller: Caller) -> DefaultConfig:
    found = await _now(tx, caller.workspace_id)
    if caller.may(Scope.CONFIG_READ_SECRETS):
        return found
    return DefaultConfig(rules.masked(found.document), rules.masked(found.patch), found.digest)


async def _now(tx: Tx, workspace_id: str) -> DefaultConfig:
    layers = await store.layers_of(tx, workspace_id)
    document = rules.merge([rules.base(), *layers]).document
    patch = next((layer.patch for layer in layers if layer.name == rules.WORKSPACE_LAYER), {})
    return DefaultConfig(document, patch, rules.digest_of(document))
