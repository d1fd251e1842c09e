"""Shapes of setting devices up and of what proves their reports."""

from typing import Any

from pydantic import BaseModel, Field

from moorage.core.audit import Entry
from moorage.core.keys import NewKey
from moorage.core.provisioning import AGENT_PATH, AgentRelease, Attempt, OfflinePayload
from moorage.core.reports import Epoch, Record
from moorage.dialects.native.wire import Body, PageOut
from moorage.kit.clock import rfc3339
from moorage.kit.qr import qr_svg


class AttemptOut(BaseModel):
    """Something tried with an install token; ``outcome`` is ``fetched`` or ``refused``."""

    at: str
    address: str | None
    outcome: str
    reason: str

    @classmethod
    def of(cls, attempt: Attempt) -> "AttemptOut":
        """Render."""
        return cls(
            at=rfc3339(attempt.at),
            address=attempt.address,
            outcome=attempt.outcome,
            reason=attempt.reason,
        )


class OfflineIn(Body):
    """How long the secret in the payload is to live."""

    expires_in_s: int = Field(default=365 * 86_400, ge=60, le=3650 * 86_400)


class OfflineOut(BaseModel):
    """A signed payload, shown once: as text, as a QR code (SVG), and as ``device.json``."""

    payload: str
    qr_svg: str
    device_json: dict[str, Any]
    expires_at: str

    @classmethod
    def of(cls, made: OfflinePayload) -> "OfflineOut":
        """Render. What the file repeats beside the payload is for people to read."""
        readable = {name: value for name, value in made.document.items() if name != "secret"}
        return cls(
            payload=made.text,
            qr_svg=qr_svg(made.text),
            device_json={"payload": made.text, **readable},
            expires_at=rfc3339(made.expires_at),
        )


class DeviceKeyOut(BaseModel):
    """A device's new key. ``device_key`` is its text, shown once."""

    id: str
    device_key: str

    @classmethod
    def of(cls, made: NewKey) -> "DeviceKeyOut":
        """Render."""
        return cls(id=made.key.id, device_key=made.text)


class ServerKeyOut(BaseModel):
    """The server's public key: base64url of 32 bytes, unpadded."""

    algorithm: str
    public_key: str


class AgentOut(BaseModel):
    """The agent that the server hands out: `sha256` in hex, `size` in bytes.

    `signed` says version, digest and size again, signed by the server's key: `MRU1.` + base64url of
    JSON + `.` + base64url of the Ed25519 signature over all before that last point.
    """

    version: str
    sha256: str
    size: int
    path: str
    signed: str

    @classmethod
    def of(cls, release: AgentRelease) -> "AgentOut":
        """Render it."""
        return cls(
            version=release.version,
            sha256=release.sha256,
            size=release.size,
            path=AGENT_PATH,
            signed=release.signed,
        )


class PointOut(BaseModel):
    """A place in an epoch."""

    epoch: str
    sequence: int


class CheckpointOut(BaseModel):
    """The chain of an epoch as it stood at a time."""

    sequence: int
    chain: str
    at: str


class EpochOut(BaseModel):
    """One ordered stream of reports, up to ``sequence``, whose chain is then ``chain``."""

    epoch: str
    store: str | None
    backfill: bool
    sequence: int
    chain: str
    began_at: str
    last_at: str
    continues: PointOut | None
    checkpoints: list[CheckpointOut]

    @classmethod
    def of(cls, epoch: Epoch) -> "EpochOut":
        """Render."""
        return cls(
            epoch=epoch.epoch,
            store=epoch.store,
            backfill=epoch.backfill,
            sequence=epoch.sequence,
            chain=epoch.chain,
            began_at=rfc3339(epoch.began_at),
            last_at=rfc3339(epoch.last_at),
            continues=epoch.continues
            and PointOut(epoch=epoch.continues[0], sequence=epoch.continues[1]),
            checkpoints=[
                CheckpointOut(sequence=one.sequence, chain=one.chain, at=rfc3339(one.at))
                for one in epoch.checkpoints
            ],
        )


class RecordOut(BaseModel):
    """One received report. ``chain`` is null when it claimed no order."""

    epoch: str
    sequence: int
    digest: str
    chain: str | None
    received_at: str

    @classmethod
    def of(cls, record: Record) -> "RecordOut":
        """Render."""
        return cls(
            epoch=record.epoch,
            sequence=record.sequence,
            digest=record.digest,
            chain=record.chain,
            received_at=rfc3339(record.received_at),
        )


class LedgerOut(PageOut[RecordOut]):
    """A page of received reports by epoch and sequence, with all epochs there are."""

    epochs: list[EpochOut]


class AuditEntryOut(BaseModel):
    """Who changed what. ``details`` hold no secret."""

    id: str
    at: str
    actor: str
    action: str
    entity_id: str
    details: dict[str, Any]

    @classmethod
    def of(cls, entry: Entry) -> "AuditEntryOut":
        """Render. A number this long would lose digits in a program that reads JSON as floats."""
        return cls(
            id=str(entry.id),
            at=rfc3339(entry.at),
            actor=entry.actor,
            action=entry.action,
            entity_id=entry.entity_id,
            details=dict(entry.details),
        )
