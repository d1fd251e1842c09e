"""``/v1/audit`` and a device's ledger: who changed what, and what was received."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import AwareDatetime
from starlette.requests import Request

from moorage.core import audit, devices, reports
from moorage.dialects.common import Services
from moorage.dialects.native.pages import Limit
from moorage.dialects.native.wire import PageOut
from moorage.dialects.native.wire_setup import AuditEntryOut, EpochOut, LedgerOut, RecordOut

_Word = Annotated[str | None, Query(max_length=256)]


def router(services: Services) -> APIRouter:
    """Build the routes."""
    routes = APIRouter(tags=["audit"])
    callers = services.callers

    @routes.get("/v1/audit")
    async def list_audit(
        request: Request,
        actor: _Word = None,
        action: _Word = None,
        entity_id: _Word = None,
        start_time: AwareDatetime | None = None,
        end_time: AwareDatetime | None = None,
        limit: Limit = 50,
        cursor: str | None = None,
    ) -> PageOut[AuditEntryOut]:
        """List changes in the workspace, newest first."""
        async with callers.reading(request) as (tx, caller):
            page = await audit.list_entries(
                tx,
                caller,
                actor=actor,
                action=action,
                entity_id=entity_id,
                start=start_time,
                end=end_time,
                cursor=cursor,
                limit=limit,
            )
        data = [AuditEntryOut.of(entry) for entry in page.items]
        return PageOut(data=data, next_cursor=page.next_cursor)

    @routes.get("/v1/devices/{device_id}/reports")
    async def list_reports(
        request: Request, device_id: str, limit: Limit = 50, cursor: str | None = None
    ) -> LedgerOut:
        """List what the ledger has of a device's reports: enough to recompute the chain."""
        async with callers.reading(request) as (tx, caller):
            device = await devices.get(tx, caller, device_id)
            page = await reports.list_records(tx, caller, device.ref, cursor=cursor, limit=limit)
            epochs = await reports.list_epochs(tx, caller, device.ref)
        return LedgerOut(
            data=[RecordOut.of(record) for record in page.items],
            next_cursor=page.next_cursor,
            epochs=[EpochOut.of(epoch) for epoch in epochs],
        )

    return routes
