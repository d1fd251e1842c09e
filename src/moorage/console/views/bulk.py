"""``/console/fleet/bulk``: one change to many devices, a step at a time."""

from dataclasses import replace

from starlette.requests import Request
from starlette.responses import Response

from moorage.console import bulk, web
from moorage.console.contexts.bulk import Form, Order, Result, Step
from moorage.core import commands, devices
from moorage.core.caller import Scope
from moorage.core.errors import DomainError, Kind, not_found, of_exception


async def ask(request: Request) -> Response:
    """Show the dialog that asks what exactly is to be done."""
    action = bulk.ACTIONS.get(request.path_params["action"])
    if action is None:
        raise not_found("action")
    query = request.query_params
    selection = bulk.selection_of(web.Form({name: query.getlist(name) for name in query}))
    async with web.reading(request) as (tx, caller):
        caller.require(action.needs)
        total = await bulk.count(tx, caller, selection)
    if total > bulk.MOST:
        raise DomainError(
            Kind.INVALID,
            "invalid",
            f"at most {bulk.MOST:,} devices are changed at once, and these are {total:,}; "
            "narrow the filter",
        )
    page = Form(request.path_params["action"], action.title, selection, total, commands.KINDS)
    return web.render(request, "fleet/_bulk_form.html", page)


async def run(request: Request) -> Response:
    """Do it to the next devices, and show what came of it."""
    form = await web.form_of(request)
    known = bulk.ACTIONS.get(form.text("action"))
    async with web.reading(request) as (tx, caller):
        caller.require(known.needs if known else Scope.DEVICE_UPDATE)
        order = bulk.order_of(form)
        ids, after = await bulk.next_ids(tx, caller, order)
        names = {one.id: one.name for one in (await devices.get_many(tx, caller, ids)).values()}
    results = [await _one(request, order, one, names.get(one, one)) for one in ids]
    failed = sum(not one.ok for one in results)
    before = order.progress
    progress = replace(
        before,
        done=before.done + len(ids),
        failed=before.failed + failed,
        after=after,
    )
    named = order.selection.matching is None
    rest = order.selection.device_ids[len(ids) :]
    is_over = not rest if named else len(ids) < bulk.STEP
    listed = progress.total <= bulk.LISTED
    page = Step(
        order=order,
        title=bulk.ACTIONS[order.action].title,
        results=results if listed else [one for one in results if not one.ok],
        progress=progress,
        rest=rest,
        is_first=form.text("begun") != "1",
        is_over=is_over,
        listed=listed,
    )
    name = "fleet/_bulk_run.html" if page.is_first else "fleet/_bulk_step.html"
    return web.render(request, name, page)


async def _one(request: Request, order: Order, device_id: str, name: str) -> Result:
    """Change one device. What is refused is told in its row, and the others go on."""
    try:
        async with web.writing(request) as (tx, caller):
            device = await devices.get(tx, caller, device_id)
            told = await bulk.ACTIONS[order.action].run(tx, caller, device, order)
    except Exception as error:
        said = of_exception(error)
        # Without a session, elsewhere, or for a fault of ours, no other would fare better.
        if said is None or said.kind is Kind.UNAUTHENTICATED or said.code == "place_changed":
            raise
        return Result(device_id, name, ok=False, told=said.detail)
    return Result(device_id, name, ok=True, told=told)
