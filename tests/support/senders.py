"""A device's reports as they reach the core: what a dialect hands to ingest, without the wire."""

import json
import uuid
from datetime import timedelta
from typing import Any

import msgspec
import sqlalchemy as sa

from moorage.core import keys, provisioning
from moorage.core.caller import Caller, DeviceRef
from moorage.core.errors import DomainError
from moorage.ingest import Incoming, Ingest, Received, Report
from support.devices import Device, rfc3339, sha256


class Sender:
    """An enrolled device. Its chain is computed apart from the server (``support.devices``)."""

    def __init__(self, ref: DeviceRef, key: keys.Key, text: str) -> None:
        self.ref = ref
        self.key = key
        self.text = text
        self.wire = Device(text, ref.device_id)

    @property
    def id(self) -> str:
        return self.ref.device_id

    def new_epoch(self, name: str | None = None) -> None:
        """Go on as another ordered stream, as a copy of the device's disk would."""
        self.wire = Device(self.text, self.id, epoch=name or uuid.uuid4().hex)

    def next(self, at: Any, skew_ms: int | None = None, **parts: Any) -> Incoming:
        """The next report of the chain; ``acknowledged`` moves on to the one after it."""
        return self.incoming(self.wire.report(**{"sent_at": rfc3339(at)} | parts), skew_ms)

    def simple(self, at: Any, sequence: int, epoch: str = "simple", **parts: Any) -> Incoming:
        """A report that claims no order, as a device without a store of its own sends it."""
        report = {"epoch": epoch, "sequence": sequence, "sent_at": rfc3339(at), **parts}
        return self.incoming(json.dumps(report).encode())

    def incoming(self, body: bytes, skew_ms: int | None = None) -> Incoming:
        report = msgspec.json.decode(body, type=Report)
        digest = sha256(body)
        known = keys.digest(self.text)
        return Incoming(self.ref, self.key.id, known, report, digest, len(body), skew_ms)

    def acknowledged(self, report: Incoming) -> None:
        self.wire.sequence += 1
        self.wire.chain = sha256(f"{self.wire.chain}:{report.digest}")


async def enrolled(db: Any, owner: Caller, name: str = "camera") -> Sender:
    """A device made by its owner and enrolled with its token."""
    async with db.write() as tx:
        made = await provisioning.register(
            tx, owner, name=name, expires_in=timedelta(days=1), reference=None
        )
        answer = await provisioning.enroll(
            tx, token=made.install_token.text, device_key=None, told={}
        )
        key = await keys.find_by_text(tx, answer.device_key)
    return Sender(made.device.ref, key, answer.device_key)


async def outcome(ingest: Ingest, report: Incoming) -> Received | DomainError:
    """What a report is answered, a refusal too."""
    try:
        return await ingest.submit(report)
    except DomainError as refusal:
        return refusal


async def column(db: Any, sql: str) -> list[Any]:
    """The first column of a query, as the database has it."""
    async with db.read() as tx:
        return [row[0] for row in await tx.rows(sa.text(sql))]


def line(at: Any, message: str = "a line") -> dict[str, Any]:
    return {"at": rfc3339(at), "service": "agent", "severity": "info", "message": message}
