"""Changes to many devices: each in a transaction of its own, a step of some at a time.

The page asks for one step after the other, so nothing goes on that nobody looks at, and a server
that restarts loses nothing: a step that was not answered is asked for again.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import msgspec
from starlette.datastructures import QueryParams

from moorage.console.contexts.bulk import Order, Progress, Selection
from moorage.console.queries import fleet
from moorage.console.web import Form
from moorage.core import attention, commands, config, devices, provisioning
from moorage.core.caller import Caller, Scope
from moorage.core.devices import Approval, Changes, Device, Sort
from moorage.core.errors import invalid
from moorage.kit.pages import encode_cursor
from moorage.storage import Tx

STEP = 50
MOST = 10_000
# Of more than so many only those that failed are named.
LISTED = 500

_Run: TypeAlias = Callable[[Tx, Caller, Device, Order], Awaitable[str]]


@dataclass(frozen=True)
class Action:
    """A change: what it is called, what it needs, what it does to one device."""

    title: str
    needs: Scope
    run: _Run


# --- what is ordered


def selection_of(form: Form) -> Selection:
    """Read which devices are meant. Raises DomainError ``invalid`` for an unknown state."""
    query = form.text("query")
    if form.text("all") != "1":
        named = dict.fromkeys(form.texts("id"))
        return Selection(tuple(named)[:MOST], query=query)
    state = fleet.asked(QueryParams(query.lstrip("?")))
    return Selection((), state, form.text("attention") == "1", query)


def order_of(form: Form) -> Order:
    """Read what is to be done. Raises DomainError ``invalid`` naming the field."""
    action = form.text("action")
    if action not in ACTIONS:
        raise invalid("/action", f"an action is one of {', '.join(ACTIONS)}")
    total = _number(form.text("total"))
    if total > MOST:
        raise invalid("/total", f"at most {MOST:,} devices are changed at once; narrow the filter")
    names = ("tags", "kind", "document", "typed")
    order = Order(
        action,
        selection_of(form),
        Progress(
            total, _number(form.text("done")), _number(form.text("failed")), form.text("after")
        ),
        fields={name: form.text(name) for name in names if name in form},
    )
    check = _CHECKS.get(action)
    return order if check is None else check(order)


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 0  # noqa: PLR2004


def _with_tags(order: Order) -> Order:
    named = [one.strip() for one in order.fields.get("tags", "").split(",")]
    tags = devices.check_tags([one for one in named if one])
    if not tags:
        raise invalid("/tags", "name at least one tag; several are parted by commas")
    return replace(order, tags=tuple(tags))


def _with_command(order: Order) -> Order:
    kind = order.fields.get("kind", "")
    return replace(order, kind=kind, document=_document(order, "arguments"))


def _with_patch(order: Order) -> Order:
    patch = _document(order, "a merge patch")
    if not patch:
        raise invalid("/document", 'write what is to change, for example {"config": {...}}')
    return replace(order, document=patch)


def _document(order: Order, what: str) -> Mapping[str, Any]:
    text = order.fields.get("document", "").strip() or "{}"
    try:
        value = msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise invalid("/document", f"this is no JSON: {error}") from None
    if not isinstance(value, dict):
        raise invalid("/document", f"{what} is a JSON object, in braces")
    return value


def _typed(order: Order) -> Order:
    if order.fields.get("typed", "").strip() != str(order.progress.total):
        raise invalid("/typed", f"type {order.progress.total}, how many devices are deleted")
    return order


_CHECKS: dict[str, Callable[[Order], Order]] = {
    "tag": _with_tags,
    "untag": _with_tags,
    "command": _with_command,
    "config": _with_patch,
    "delete": _typed,
}


# --- which devices


async def count(tx: Tx, caller: Caller, selection: Selection) -> int:
    """Return how many devices are meant."""
    state = selection.matching
    if state is None:
        return len(await devices.get_many(tx, caller, selection.device_ids))
    if selection.attention:
        survey = await attention.survey(tx, caller, state.wanted)
        return fleet.needing(survey, state.cause)
    found = await devices.counts(tx, caller, state.wanted)
    return sum(found[one] for one in state.wanted.statuses or found.keys())


async def next_ids(tx: Tx, caller: Caller, order: Order) -> tuple[list[str], str]:
    """Return the devices of the next step, none when all had their turn, and where to go on.

    Those that match are walked in an order of their own: a change may take a device out of the
    filter it was found by.
    """
    selection, after = order.selection, order.progress.after
    state = selection.matching
    if state is None:
        return list(selection.device_ids[:STEP]), ""
    # No more than somebody said yes to, whatever began to match since.
    left = min(STEP, min(MOST, order.progress.total) - order.progress.done)
    if left <= 0:
        return [], after
    if selection.attention:
        survey = await attention.survey(tx, caller, state.wanted)
        needs, _ = await attention.list_needs(
            tx, caller, state.wanted, survey, cause=state.cause, after=after or None, limit=left
        )
        at = attention.cursor_at(needs[-1], state.cause) if needs else after
        return [need.device_id for need in needs], at
    page = await devices.list_devices(
        tx,
        caller,
        state.wanted,
        sort=Sort.CREATED_AT,
        cursor=after or None,
        limit=left,
    )
    ids = [one.id for one in page.items]
    return ids, encode_cursor(ids[-1]) if ids else after


# --- what is done to one


async def _tag(tx: Tx, caller: Caller, device: Device, order: Order) -> str:
    fresh = [tag for tag in order.tags if tag not in device.tags]
    if not fresh:
        return "had it already"
    await devices.update(tx, caller, device.id, Changes(tags=[*device.tags, *fresh]))
    return f"tagged {', '.join(fresh)}"


async def _untag(tx: Tx, caller: Caller, device: Device, order: Order) -> str:
    gone = [tag for tag in device.tags if tag in order.tags]
    if not gone:
        return "did not have it"
    kept = [tag for tag in device.tags if tag not in gone]
    await devices.update(tx, caller, device.id, Changes(tags=kept))
    return f"took away {', '.join(gone)}"


async def _command(tx: Tx, caller: Caller, device: Device, order: Order) -> str:
    sent = await commands.send(
        tx, caller, device.ref, kind=order.kind, arguments=dict(order.document)
    )
    return f"{sent.kind} is queued as {sent.id}"


async def _config(tx: Tx, caller: Caller, device: Device, order: Order) -> str:
    before = await config.current_revisions(tx, [device.id])
    changed = await config.change(tx, caller, device.ref, order.document, if_match=None)
    if changed.revision == before.get(device.id):
        return f"is so already, in revision {changed.revision}"
    return f"revision {changed.revision}"


async def _approve(tx: Tx, caller: Caller, device: Device, _order: Order) -> str:
    if device.approval is Approval.APPROVED:
        return "was approved already"
    await provisioning.set_approval(tx, caller, device.id, Approval.APPROVED)
    return "approved"


async def _delete(tx: Tx, caller: Caller, device: Device, _order: Order) -> str:
    await provisioning.retire(tx, caller, device.id)
    return "deleted"


ACTIONS = {
    "tag": Action("Tag", Scope.DEVICE_UPDATE, _tag),
    "untag": Action("Take tags away", Scope.DEVICE_UPDATE, _untag),
    "command": Action("Send a command", Scope.COMMAND_SEND, _command),
    "config": Action("Change config", Scope.CONFIG_WRITE, _config),
    "approve": Action("Approve", Scope.DEVICE_UPDATE, _approve),
    "delete": Action("Delete", Scope.DEVICE_DELETE, _delete),
}
