"""The tables of devices, and how a row becomes a record; the stores beside this hold the SQL."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from moorage.core.devices import rules
from moorage.core.devices.model import Approval, Device, Status
from moorage.kit.clock import to_ms
from moorage.storage import JsonText, Millis, Row, TextIndex, table
from moorage.storage.alive import Absence

devices = table(
    "devices",
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("workspace_id", sa.ForeignKey("workspaces.id", ondelete="CASCADE"), nullable=False),
    sa.Column("live", sa.Boolean, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("type", sa.Text, nullable=False),
    sa.Column("external_id", sa.Text),
    sa.Column("reference", sa.Text),
    sa.Column("hostname", sa.Text),
    sa.Column("facts", JsonText, nullable=False),
    sa.Column("created_at", Millis, nullable=False),
    sa.Column("clone_suspected_at", Millis),
    sa.Column("approval", sa.Text, nullable=False),
    sa.Column("released_at", Millis),
    # What tells a row from all others comes first: see ``owned_by_key``.
    sa.UniqueConstraint("external_id", "workspace_id", "live"),
    sa.UniqueConstraint("reference", "workspace_id", "live"),
    sa.Index("ix_devices_list", "workspace_id", "live", "id"),
    sa.Index("ix_devices_by_name", "workspace_id", "live", "name", "id"),
)

TEXTS = TextIndex(devices, "id", ("name", "id", "hostname", "external_id", "reference"))

# A row of its own: it changes with every report, and must not drag the record and its indexes
# along. No index has a column that changes: each would be written with every report. A workspace's
# rows lie together instead, so that those who count or sort them read nothing else.
presence = table(
    "device_presence",
    sa.Column("workspace_id", sa.Text, primary_key=True),
    sa.Column("live", sa.Boolean, primary_key=True),
    sa.Column("device_id", sa.ForeignKey("devices.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("interval_s", sa.Integer, nullable=False),
    sa.Column("last_seen_at", Millis),
    sa.Column("last_heartbeat_at", Millis),
    sa.Column("boot_id", sa.Text),
    sa.Column("uptime_s", sa.BigInteger),
    sa.Column("skew_ms", sa.BigInteger),
    sa.UniqueConstraint("device_id"),
    clustered=True,
)

tags = table(
    "device_tags",
    sa.Column("device_id", sa.ForeignKey("devices.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("tag", sa.Text, primary_key=True),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Index("ix_device_tags_tag", "tag", "device_id"),
    clustered=True,
)

# What is left of a retired device: enough to answer its reports with "gone" and to clear up after
# it.
tombstones = table(
    "device_tombstones",
    sa.Column("device_id", sa.Text, primary_key=True),
    sa.Column("workspace_id", sa.Text, nullable=False),
    sa.Column("live", sa.Boolean, nullable=False),
    sa.Column("retired_at", Millis, nullable=False),
    sa.Column("purged_at", Millis),
)
tombstone_keys = table(
    "device_tombstone_keys",
    sa.Column("digest", sa.Text, primary_key=True),
    sa.Column(
        "device_id",
        sa.ForeignKey("device_tombstones.device_id", ondelete="CASCADE"),
        nullable=False,
        index=True,
    ),
)

# Whoever asks by this gives the mode for both: joined by it, PostgreSQL would no longer see that
# rows of one mode come in the order of the index on names.
ITS_PRESENCE = sa.and_(
    presence.c.workspace_id == devices.c.workspace_id, presence.c.device_id == devices.c.id
)
SELECTED = sa.select(
    *(devices.c[name] for name in ("id", "workspace_id", "live", "name", "type")),
    *(devices.c[name] for name in ("external_id", "reference", "facts", "created_at")),
    *(devices.c[name] for name in ("clone_suspected_at", "approval", "released_at")),
    *(presence.c[name] for name in ("interval_s", "last_seen_at", "last_heartbeat_at")),
    *(presence.c[name] for name in ("boot_id", "uptime_s", "skew_ms")),
).join_from(devices, presence, ITS_PRESENCE)
_WIDTH = len(SELECTED.selected_columns)


def device_of(
    row: Row, its_tags: Sequence[str], now: datetime, absences: Sequence[Absence]
) -> Device:
    """Make the record of a row of SELECTED."""
    # By place: to ask ten thousand rows for each column by its name took longer than all the rest.
    id_, workspace_id, live, name, kind, external_id, reference, facts, created_at, *more = row[
        :_WIDTH
    ]
    clone_suspected_at, approval, released_at, interval_s, last_seen_at, last_heartbeat_at = more[
        :6
    ]
    boot_id, uptime_s, skew_ms = more[6:]
    return Device(
        id_,
        workspace_id,
        live,
        name,
        kind,
        external_id,
        reference,
        tuple(its_tags),
        facts,
        created_at,
        interval_s,
        last_seen_at,
        boot_id,
        uptime_s,
        skew_ms,
        clone_suspected_at,
        Approval(approval),
        released_at,
        rules.presence_at(now, last_heartbeat_at, interval_s, absences),
    )


def fresh_device(
    record: Mapping[str, Any], its_tags: Sequence[str], interval_s: int, seen_at: datetime | None
) -> Device:
    """Make what would be read of a record just inserted."""
    values = {name: value for name, value in record.items() if name != "hostname"}
    return Device(
        **{**values, "approval": Approval(record["approval"])},
        tags=tuple(its_tags),
        interval_s=interval_s,
        last_seen_at=seen_at,
        boot_id=None,
        uptime_s=None,
        skew_ms=None,
        clone_suspected_at=None,
        released_at=None,
        presence=rules.presence_at(record["created_at"], None, interval_s, ()),
    )


def owned_by_key(workspace_id: str | sa.BindParameter[str]) -> sa.ColumnElement[bool]:
    """Whose a record is that is looked up by something of its own: that finds it, and not this.

    An engine that has no statistics yet may as well take an index of the workspace, and read all of
    its devices; PostgreSQL keeps such a plan for as long as it has none.
    """
    return sa.func.coalesce(devices.c.workspace_id, "") == workspace_id


last_heartbeat = sa.type_coerce(presence.c.last_heartbeat_at, sa.BigInteger)


def status_expression(now: datetime, absences: Sequence[Absence]) -> sa.ColumnElement[str]:
    """Presence as SQL; the same decision as ``rules.presence_at``."""
    offline, late = _too_silent(now, absences)
    return sa.case(
        (last_heartbeat.is_(None), str(Status.NEVER_SEEN)),
        (offline, str(Status.OFFLINE)),
        (late, str(Status.LATE)),
        else_=str(Status.ONLINE),
    )


def has_status(
    wanted: Collection[Status], now: datetime, absences: Sequence[Absence]
) -> sa.ColumnElement[bool]:
    """Whether presence is one of these, by comparisons whose yield an engine can guess."""
    offline, late = _too_silent(now, absences)
    is_so = {
        Status.NEVER_SEEN: last_heartbeat.is_(None),
        Status.ONLINE: sa.not_(late),
        Status.LATE: sa.and_(late, sa.not_(offline)),
        Status.OFFLINE: offline,
    }
    return sa.or_(*(is_so[status] for status in sorted(wanted)))


def status_totals(now: datetime, absences: Sequence[Absence]) -> sa.Select[int, int, int, int]:
    """Totals of presence rows: all, heard of, offline, and late or worse.

    They need one pass and no sorting, as groups by ``status_expression`` would.
    """
    offline, late = _too_silent(now, absences)
    return sa.select(
        sa.func.count().label("all"),
        sa.func.count(last_heartbeat).label("heard"),
        sa.func.count().filter(offline).label("offline"),
        sa.func.count().filter(late).label("late_or_worse"),
    ).select_from(presence)


def _too_silent(
    now: datetime, absences: Sequence[Absence]
) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]:
    """Whether it was silent for so long that it is offline, and that it is at least late."""
    now_ms = to_ms(now)
    # Absences only ever shorten a silence, so most devices are done with after one comparison.
    silent = past = sa.literal(now_ms, sa.BigInteger) - last_heartbeat
    for absence in absences:
        began, ended = to_ms(absence.began_at), min(to_ms(absence.ended_at), now_ms)
        silent = silent - sa.case(
            (last_heartbeat >= ended, 0),
            (last_heartbeat <= began, ended - began),
            else_=ended - last_heartbeat,
        )
    interval = presence.c.interval_s
    least = rules.OFFLINE_LEAST_S * 1000
    gone = interval * (rules.OFFLINE_INTERVALS * 1000)
    overdue = interval * int((1 + rules.GRACE_SHARE) * 1000)
    grace = interval * 1000 + rules.GRACE_LEAST_S * 1000
    return (
        sa.and_(past > least, silent > least, silent > gone),
        sa.and_(past > overdue, silent > overdue, silent > grace),
    )
