"""Devices: listed, shown, made, changed, ended."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from moorage import sdk
from moorage.cli.owner import bulk, output
from moorage.cli.owner.outcomes import Exit, Refused, usage
from moorage.cli.owner.session import connected, device_id, find
from moorage.cli.owner.text import seconds, time_text
from moorage.sdk.requests import LARGEST_PAGE

_SKEW_WORTH_SAYING_MS = 1000
_APPROVED = "approved"
_CLONE_SUSPECTED = "device.clone_suspected"
COLUMNS = ("id", "name", "status", "type", "tags", "last contact", "reference")


def rows_of(devices: Iterable[sdk.Device]) -> list[list[str]]:
    """Return a table's rows."""
    return [
        [
            one.id,
            one.name,
            _status(one),
            one.type,
            ",".join(one.tags),
            time_text(one.presence.last_contact_at),
            one.reference or "",
        ]
        for one in devices
    ]


def _status(device: sdk.Device) -> str:
    """Say whether it is there, and what else its owner should know."""
    marks = [device.status]
    if device.approval != _APPROVED:
        marks.append(device.approval)
    if device.clone_suspected_at is not None:
        marks.append("clone suspected")
    return ", ".join(marks)


def list_devices(
    profile: str | None, *, limit: int | None, counts: bool, as_json: bool, **filters: Any
) -> None:
    """Print devices, or how many there are by status."""
    with connected(profile) as client:
        if counts:
            pages = client.devices.iterate(include="counts", page_size=1, **filters).pages()
            found = next(pages).rest.get("counts") or {}
            if as_json:
                output.emit(found)
            else:
                output.table(["status", "devices"], [[k, str(v)] for k, v in found.items()])
            return
        size = LARGEST_PAGE if limit is None else min(limit, LARGEST_PAGE)
        devices = list(islice(client.devices.iterate(page_size=size, **filters), limit))
    if as_json:
        output.emit(devices)
    else:
        output.table(COLUMNS, rows_of(devices))


def get(profile: str | None, named: str, *, as_json: bool) -> None:
    """Print one device."""
    with connected(profile) as client:
        device = find(client, named)
        if as_json:
            output.emit(device)
        else:
            _show(device, _clone(client, device))


def _show(device: sdk.Device, clone: str | None) -> None:
    told = {name: device.facts.get(name) for name in ("hostname", "agent_version", "ip_address")}
    skew = device.clock_skew_ms or 0
    output.facts(
        {
            "id": device.id,
            "name": device.name,
            "status": f"{device.status}: {device.presence.reason}",
            "approval": None if device.approval == _APPROVED else device.approval,
            "type": device.type,
            "tags": ", ".join(device.tags),
            "reference": device.reference,
            "mode": "live" if device.live_mode else "test",
            "last contact": time_text(device.presence.last_contact_at),
            "next expected": time_text(device.presence.next_expected_at),
            "clock": f"{skew / 1000:+.1f} s" if abs(skew) >= _SKEW_WORTH_SAYING_MS else None,
            "clone": clone,
            "released": time_text(device.released_at),
            "made": time_text(device.created_at),
            **{name.replace("_", " "): str(value) for name, value in told.items() if value},
        }
    )


def _clone(client: sdk.Moorage, device: sdk.Device) -> str | None:
    """Say why there may be two of it, as the event does that came with the mark."""
    if device.clone_suspected_at is None:
        return None
    found = client.devices.events(device.id, event=_CLONE_SUSPECTED, page_size=1)
    why = next((event.description for event in found), None)
    since = f"suspected since {time_text(device.clone_suspected_at)}"
    return f"{since}: {why}" if why else since


def create(
    profile: str | None,
    name: str,
    *,
    type: str | None,  # noqa: A002 - named as the API names it
    tags: Sequence[str],
    reference: str | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Make a device and print the line to paste on it."""
    wanted = {"name": name, "type": type, "tags": list(tags), "reference": reference}
    with connected(profile) as client:
        if dry_run:
            _check_free(client, reference)
            output.dry_run(None, wanted, as_json=as_json)
            return
        made = made_with_line(
            client, client.devices.create(name, type=type, tags=tags, reference=reference)
        )
    if as_json:
        output.emit(made)
    else:
        show_made(made)


def _check_free(client: sdk.Moorage, reference: str | None) -> None:
    """Refuse as the server would when another device has the reference."""
    if not reference:
        return
    for device in client.devices.iterate(q=reference):
        if device.reference == reference:
            raise Refused(
                f"another device has the reference {reference!r}: {device.id} ({device.name})",
                Exit.CONFLICT,
            )


def made_with_line(client: sdk.Moorage, made: sdk.DeviceMade) -> sdk.DeviceMade:
    """Return the device with its install line, also when the first answer was lost with it."""
    if made.install_command is not None:
        return made
    token = client.devices.install(made.id)
    return replace(
        made,
        install_token=token.install_token,
        install_command=token.install_command,
        expires_at=token.expires_at,
    )


def show_made(made: sdk.DeviceMade) -> None:
    """Print what to do next; the line is shown this once."""
    output.say(f"made {made.name} ({made.id}); run this on it before {time_text(made.expires_at)}:")
    output.say("")
    output.say(f"  {made.install_command}")
    output.say("")


def update(
    profile: str | None,
    named: str,
    *,
    name: str | None,
    type: str | None,  # noqa: A002 - named as the API names it
    reference: str | None,
    no_reference: bool,
    approval: str | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Change what is given."""
    if reference is not None and no_reference:
        raise usage("use either --reference or --no-reference")
    if not (no_reference or any(one is not None for one in (name, type, reference, approval))):
        raise usage("say what to change: --name, --type, --reference, --no-reference or --approval")
    with connected(profile) as client:
        before = find(client, named)
        after = replace(
            before,
            name=before.name if name is None else name,
            type=before.type if type is None else type,
            reference=None
            if no_reference
            else before.reference
            if reference is None
            else reference,
            approval=before.approval if approval is None else approval,
        )
        if dry_run:
            if after.reference != before.reference:
                _check_free(client, after.reference)
            output.dry_run(_owned(before), _owned(after), as_json=as_json)
            return
        changed = client.devices.update(
            before.id,
            name=name,
            type=type,
            reference=None if no_reference else sdk.KEEP if reference is None else reference,
            approval=approval,
        )
    if as_json:
        output.emit(changed)
    else:
        output.show_difference(_owned(before), _owned(changed), as_json=False)


def _owned(device: sdk.Device) -> dict[str, Any]:
    """Return what an owner sets of a device."""
    return {
        "id": device.id,
        "name": device.name,
        "type": device.type,
        "tags": list(device.tags),
        "reference": device.reference,
        "approval": device.approval,
    }


def tag(
    profile: str | None,
    named: Sequence[str],
    *,
    add: Sequence[str],
    remove: Sequence[str],
    replace_by: Sequence[str] | None,
    dry_run: bool,
    as_json: bool,
) -> Exit:
    """Add and take away tags, or put others in their place; return how it went."""
    if not (add or remove or replace_by is not None):
        raise usage("say which tags: --add, --remove or --set")
    if replace_by is not None and (add or remove):
        raise usage("use --set alone, or --add and --remove")
    with connected(profile) as client:

        def work(one: str) -> bulk.Row:
            before = find(client, one)
            base = before.tags if replace_by is None else replace_by
            # Each once, in the order of the device's own.
            wanted = [t for t in dict.fromkeys([*base, *add]) if t not in remove]
            if sorted(wanted) == sorted(before.tags):
                return bulk.Row(before.name, "unchanged", before.id, ", ".join(before.tags))
            if dry_run:
                return bulk.Row(before.name, "would change", before.id, _change(before, wanted))
            changed = client.devices.update(before.id, tags=wanted)
            return bulk.Row(before.name, "changed", before.id, _change(before, changed.tags))

        rows = bulk.each("tagging", list(dict.fromkeys(named)), work)
    return bulk.show(rows, as_json=as_json)


def _change(before: sdk.Device, tags: Iterable[str]) -> str:
    wanted = list(tags)
    more = [f"+{one}" for one in wanted if one not in before.tags]
    less = [f"-{one}" for one in before.tags if one not in wanted]
    return " ".join(more + less)


def delete(
    profile: str | None, named: Sequence[str], *, yes: bool, dry_run: bool, as_json: bool
) -> Exit:
    """End devices: their keys stop at once. Return how it went."""
    with connected(profile) as client:

        def look(one: str) -> bulk.Row:
            found = find(client, one)
            detail = f"{found.status}, {found.presence.reason}"
            return bulk.Row(found.name, "would delete", found.id, detail)

        rows = bulk.each("looking", list(dict.fromkeys(named)), look)
        if dry_run:
            return bulk.show(rows, as_json=as_json)
        ids = {row.id: row for row in rows if row.id is not None and row.code is Exit.OK}
        if ids:
            output.confirm(
                f"deleting {', '.join(f'{r.name} ({r.id})' for r in ids.values())}", yes=yes
            )

        def work(one: str) -> bulk.Row:
            client.devices.delete(one)
            return bulk.Row(ids[one].name, "deleted", one)

        done = bulk.each("deleting", list(ids), work)
    return bulk.show([*done, *(row for row in rows if row.code is not Exit.OK)], as_json=as_json)


def events(profile: str | None, named: str, *, limit: int, as_json: bool, **filters: Any) -> None:
    """Print events, newest first."""
    with connected(profile) as client:
        listed = client.devices.events(
            device_id(client, named), page_size=min(limit, LARGEST_PAGE), **filters
        )
        found = list(islice(listed, limit))
    if as_json:
        output.emit(found)
    else:
        output.table(
            ["at", "event", "about", "description", "error"],
            [
                [
                    time_text(one.at),
                    one.event,
                    f"{one.entity_type} {one.entity_id}",
                    one.description or "",
                    one.error_code or "",
                ]
                for one in found
            ],
        )


_MEASURES = (
    "cpu_percent",
    "memory_percent",
    "disk_percent",
    "gpu_percent",
    "temperature_c",
    "network_upload_bytes_per_sec",
    "network_download_bytes_per_sec",
)


def telemetry(
    profile: str | None,
    named: str,
    *,
    limit: int,
    bucket: str | None,
    as_json: bool,
    **window: Any,
) -> None:
    """Print samples, newest first, or means over spans of time, oldest first."""
    with connected(profile) as client:
        device = device_id(client, named)
        size = min(limit, LARGEST_PAGE)
        found: list[sdk.Sample] | list[sdk.Bucket]
        if bucket is None:
            listed = client.devices.telemetry(device, page_size=size, **window)
            found = list(islice(listed, limit))
        else:
            means = client.devices.telemetry_buckets(device, bucket_s=seconds(bucket), **window)
            found = list(islice(means, limit))
    if as_json:
        output.emit(found)
        return
    rows = []
    for one in found:
        at = one.at if isinstance(one, sdk.Sample) else one.bucket_start
        values = [getattr(one, name) for name in _MEASURES]
        rows.append([time_text(at), *("" if v is None else f"{v:.1f}" for v in values)])
    output.table(["at", "cpu %", "memory %", "disk %", "gpu %", "°C", "up B/s", "down B/s"], rows)
