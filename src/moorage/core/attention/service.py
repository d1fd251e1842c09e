"""Asking every capability what it knows to be amiss."""

from moorage.core import config, devices, services, streams
from moorage.core.attention import rules
from moorage.core.attention.model import Cause, Survey
from moorage.core.caller import Caller
from moorage.core.devices import Filter
from moorage.storage import Tx


async def survey(tx: Tx, caller: Caller, wanted: Filter) -> Survey:
    """Find the devices that need somebody (``device:read``, ``config:read``).

    The filter's statuses are not looked at: what is amiss is the question.
    """
    astray = await config.list_astray(tx, caller, behind_for=rules.BEHIND_FOR)
    failed_streams = await streams.failed(tx, caller)
    failed_services = await services.failed(tx, caller)
    flagged = sorted({*astray, *failed_streams, *failed_services})
    amiss = await devices.list_amiss(
        tx, caller, wanted, unheard_for=rules.UNHEARD_FOR, flagged=flagged
    )
    judged = (
        rules.need_of(
            one,
            streams=failed_streams.get(one.id, ()),
            services=failed_services.get(one.id, ()),
            config=astray.get(one.id),
            now=tx.now,
        )
        for one in amiss
    )
    needs = sorted((one for one in judged if one is not None), key=rules.order_of)
    counts = dict.fromkeys(Cause, 0)
    for need in needs:
        for cause in need.causes:
            counts[cause] += 1
    return Survey(needs, {cause: count for cause, count in counts.items() if count})
