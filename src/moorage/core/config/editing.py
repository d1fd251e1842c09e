"""Editing a device's own layer whole, as people do who see its secrets masked; comparing revisions.

A mask that comes back where a secret stands means the secret; anywhere else it is refused.
"""

from moorage.core.caller import Caller, DeviceRef, Scope
from moorage.core.config import rules, service
from moorage.core.config.model import Comparison, ConfigView, Document, Draft, Revision
from moorage.kit.jsonvalue import check_json
from moorage.storage import Tx


async def replace_own(
    tx: Tx, caller: Caller, device: DeviceRef, own: Document, *, if_match: str | None
) -> ConfigView:
    """Put another layer in the place of the device's own (``config:write``).

    What it does not hold any more is as the layers below have it. Masks stand for what they hide.

    Raises:
        DomainError: ``precondition`` when another revision came in between; ``invalid`` naming the
            path.

    """
    check_json(own)

    def fold(now: Revision) -> Document:
        return rules.unmasked(own, now.own)

    return await service.change_own(tx, caller, device, fold, "config.changed", if_match=if_match)


async def try_own(tx: Tx, caller: Caller, device: DeviceRef, own: Document) -> Draft:
    """Say what ``replace_own`` would make of the config (``config:write``); nothing is changed.

    Secrets are masked, whoever asks. Raises DomainError ``invalid`` naming the path.
    """
    caller.require(Scope.CONFIG_WRITE)
    check_json(own)
    now, merged = await service.try_fold(tx, device, lambda found: rules.unmasked(own, found.own))
    return Draft(
        document=rules.masked(merged.document),
        origins=merged.origins,
        changed=rules.changed_pointers(now.document, merged.document),
        patch=rules.masked(rules.patch_between(now.document, merged.document)),
    )


async def compare(tx: Tx, caller: Caller, device: DeviceRef, before: int, after: int) -> Comparison:
    """Compare two revisions (``config:read``); that a secret differs is told, not how.

    Raises DomainError ``not_found`` for a revision.
    """
    caller.require(Scope.CONFIG_READ)
    one, other = [await service.revision_of(tx, device, number) for number in (before, after)]
    return Comparison(
        before=service.masked_revision(one),
        after=service.masked_revision(other),
        changed=rules.changed_pointers(one.document, other.document),
    )
