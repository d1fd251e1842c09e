"""``device import``: rows of a table or devices of another server, made here one by one."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from moorage import sdk
from moorage.cli.owner import bulk, login, output, roboflow
from moorage.cli.owner.bulk import Row
from moorage.cli.owner.editing import patch_of
from moorage.cli.owner.outcomes import Exit, Refused, usage
from moorage.cli.owner.session import connected, is_device_id

COLUMNS = ("name", "type", "tags", "reference")
_LARGEST_FILE = 32 * 1024 * 1024
_MOST_ROWS = 100_000
_LONGEST_NAME = 256


@dataclass(frozen=True)
class Wanted:
    """A device to make, or why it cannot be. ``where`` says where it came from."""

    where: str
    name: str
    type: str | None = None
    tags: tuple[str, ...] = ()
    reference: str | None = None
    config: Mapping[str, Any] = field(default_factory=dict, repr=False)
    fault: str | None = None


def from_table(profile: str | None, file: Path | None, *, dry_run: bool, as_json: bool) -> Exit:
    """Make the devices of a table; return how it went."""
    if file is None:
        raise usage("name the table with --csv FILE, or another server with `import roboflow`")
    wanted = read_table(_text_of(file))
    return _import(profile, wanted, dry_run=dry_run, as_json=as_json)


def from_roboflow(
    profile: str | None,
    url: str,
    workspace: str,
    *,
    key_stdin: bool,
    ca_file: Path | None,
    dry_run: bool,
    as_json: bool,
) -> Exit:
    """Make the devices of another server, with their configs; return how it went."""
    key = login.read_key(
        "Key of the other server", key_stdin=key_stdin, variable="MOORAGE_SOURCE_KEY"
    )
    with roboflow.Source(url, workspace, key, ca_file=ca_file) as source:
        found = source.devices()
        wanted: list[Wanted] = []
        with output.progress("reading configs", len(found)) as one_more:
            for device in found:
                wanted.append(_taken_over(source, device, reference_of(workspace, device.id)))
                one_more()
    return _import(profile, wanted, dry_run=dry_run, as_json=as_json)


def reference_of(workspace: str, device: str) -> str:
    """Return what a device taken over is known by here: its id there, so that it is found again.

    One with the form of our ids could be taken for a device here, so it goes by its workspace too.
    """
    return f"{workspace}:{device}" if is_device_id(device) else device


def _taken_over(source: roboflow.Source, device: roboflow.SourceDevice, reference: str) -> Wanted:
    try:
        config, fault = source.config(device.id), None
    except roboflow.SourceFailed as error:
        config, fault = {}, str(error)
    return Wanted(
        device.id, device.name, device.type, device.tags, reference, config=config, fault=fault
    )


def _text_of(file: Path) -> str:
    with file.open("rb") as opened:
        content = opened.read(_LARGEST_FILE + 1)
    if len(content) > _LARGEST_FILE:
        raise usage(f"{file} is larger than {_LARGEST_FILE // 2**20} MiB; import it in parts")
    try:
        # What spreadsheets save begins with a byte order mark.
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise usage(f"{file} is not UTF-8; save it as CSV in UTF-8") from None


def read_table(text: str) -> list[Wanted]:
    """Read the rows; one that cannot be made carries its fault.

    Raises:
        Refused: this is no such table.

    """
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    wanted: list[Wanted] = []
    try:
        columns = [name.strip().lower() for name in next(reader, [])]
        strange = [name for name in columns if name not in COLUMNS]
        if "name" not in columns or strange or len(set(columns)) < len(columns):
            raise usage(
                "the first line names the columns, each once: name, and if wanted "
                f"{', '.join(COLUMNS[1:])}; this has {', '.join(columns) or 'nothing'}"
            )
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if len(wanted) >= _MOST_ROWS:
                raise usage(f"the table has more than {_MOST_ROWS} rows; import it in parts")
            wanted.append(_row(f"line {reader.line_num}", columns, cells))
    except csv.Error as error:
        raise usage(f"line {reader.line_num} is not CSV: {error}") from None
    return wanted


def _row(where: str, columns: Sequence[str], cells: Sequence[str]) -> Wanted:
    given = {name: cell.strip() for name, cell in zip(columns, cells, strict=False)}
    name = given.get("name", "")
    fault = None
    if len(cells) != len(columns):
        fault = f"it has {len(cells)} cells, the first line has {len(columns)}"
    return Wanted(
        where,
        name,
        given.get("type") or None,
        tuple(part.strip() for part in given.get("tags", "").split(";") if part.strip()),
        given.get("reference") or None,
        fault=fault,
    )


def _import(profile: str | None, wanted: Sequence[Wanted], *, dry_run: bool, as_json: bool) -> Exit:
    with connected(profile) as client:
        importing = _Import(client, dry_run=dry_run)
        rows: list[Row] = []
        with output.progress("looking" if dry_run else "making devices", len(wanted)) as one_more:
            for one in wanted:
                rows.append(importing.one(one))
                one_more()
    _show(wanted, rows, as_json=as_json)
    if dry_run:
        output.note("dry run: nothing was changed")
    return bulk.code(rows)


def _show(wanted: Sequence[Wanted], rows: Sequence[Row], *, as_json: bool) -> None:
    if as_json:
        output.emit(
            [
                {
                    "from": one.where,
                    "name": one.name,
                    "reference": one.reference,
                    "result": row.result,
                    "id": row.id,
                    "detail": row.detail,
                }
                for one, row in zip(wanted, rows, strict=True)
            ]
        )
        return
    output.table(
        ["from", "name", "result", "id", "detail"],
        [
            [one.where, one.name, row.result, row.id or "", row.detail or ""]
            for one, row in zip(wanted, rows, strict=True)
        ],
    )
    counts = {row.result: sum(one.result == row.result for one in rows) for row in rows}
    output.note(", ".join(f"{n} {result}" for result, n in counts.items()) or "no rows")


class _Import:
    """Makes one device after the other, going on after a failure."""

    def __init__(self, client: sdk.Moorage, *, dry_run: bool) -> None:
        self._client = client
        self._dry_run = dry_run
        listed = client.devices.iterate(sort="created_at")
        self._by_reference = {one.reference: one for one in listed if one.reference}
        self._named: set[str] = set()
        self._gone: sdk.ConnectionFailed | None = None

    def one(self, wanted: Wanted) -> Row:
        """Make one, or say why not."""
        if self._gone is not None:
            return bulk.not_tried(wanted.name, self._gone)
        fault = wanted.fault or self._fault(wanted)
        if fault is not None:
            return Row(wanted.name, "failed", None, fault, Exit.USAGE)
        if wanted.reference is not None:
            self._named.add(wanted.reference)
        device = self._by_reference.get(wanted.reference or "")
        try:
            return self._make(wanted) if device is None else self._complete(wanted, device)
        except sdk.Unauthenticated:
            # It will be the same for all that follow.
            raise
        except (sdk.MoorageError, Refused) as error:
            if isinstance(error, sdk.ConnectionFailed):
                self._gone = error
            return bulk.failed(wanted.name, error, device.id if device else None)

    def _fault(self, wanted: Wanted) -> str | None:
        if not wanted.name.strip():
            return "it has no name"
        if len(wanted.name) > _LONGEST_NAME:
            return f"its name is longer than {_LONGEST_NAME} characters"
        if wanted.reference is not None and wanted.reference in self._named:
            return f"the reference {wanted.reference!r} stands twice in what is imported"
        return None

    def _make(self, wanted: Wanted) -> Row:
        if self._dry_run:
            return Row(wanted.name, "would make", None, _told(wanted))
        made = self._client.devices.create(
            wanted.name, type=wanted.type, tags=wanted.tags, reference=wanted.reference
        )
        try:
            self._configure(made.id, wanted.config)
        except sdk.ApiError as error:
            row = bulk.failed(wanted.name, error, made.id)
            detail = f"made, but its config was refused: {row.detail}"
            return Row(wanted.name, "failed", made.id, detail, row.code)
        return Row(wanted.name, "made", made.id, _told(wanted))

    def _complete(self, wanted: Wanted, device: sdk.Device) -> Row:
        """Skip what is there; give it its config when an earlier run did not get so far."""
        if wanted.config:
            before = self._client.config.get(device.id)
            patch = {} if before.own else _missing(before, wanted.config)
            if patch and self._dry_run:
                return Row(wanted.name, "would configure", device.id, _told(wanted))
            if patch:
                self._client.config.change(device.id, patch, digest=before.digest)
                return Row(wanted.name, "configured", device.id, _told(wanted))
        detail = "there already"
        if device.name != wanted.name:
            detail += f", as {device.name!r}"
        return Row(wanted.name, "skipped", device.id, detail)

    def _configure(self, device: str, config: Mapping[str, Any]) -> None:
        if config:
            before = self._client.config.get(device)
            patch = _missing(before, config)
            if patch:
                self._client.config.change(device, patch, digest=before.digest)


def _missing(before: sdk.Config, config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the patch for what differs from what a new device has anyway."""
    return patch_of({name: before.document.get(name, {}) for name in config}, config)


def _told(wanted: Wanted) -> str:
    parts = [f"type {wanted.type}"] if wanted.type else []
    parts += [f"tags {', '.join(wanted.tags)}"] if wanted.tags else []
    parts += [
        f"{len(part)} {name}"
        for name, part in wanted.config.items()
        if isinstance(part, Mapping) and part and name != "config"
    ]
    return "; ".join(parts)
