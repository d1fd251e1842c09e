"""``device verify``: prove from the server's ledger that no report was lost or altered."""

from collections.abc import Iterator, Sequence

from moorage import sdk
from moorage.cli.owner import output
from moorage.cli.owner.outcomes import Exit, usage
from moorage.cli.owner.session import connected, device_id
from moorage.cli.owner.text import time_text
from moorage.sdk import ledger

_HEX_DIGITS = 64


def verify(profile: str | None, named: str, *, expected: Sequence[str], as_json: bool) -> Exit:
    """Recompute a device's chains; return 1 when they do not hold."""
    values = dict(map(_expected, expected))
    with connected(profile) as client:
        device = device_id(client, named)
        found = ledger.verify(ledger.read(_counted(client, device)), values)
    if as_json:
        output.emit(
            {
                "device": device,
                "holds": found.holds,
                "periods": found.periods,
                "spans": found.spans,
                "findings": [{**sdk.encode(one), "kind": str(one.kind)} for one in found.findings],
                "notes": found.notes,
            }
        )
    else:
        _show(found)
    return Exit.OK if found.holds else Exit.FAILED


def _counted(client: sdk.Moorage, device: str) -> Iterator[sdk.Page[sdk.ReportRecord]]:
    with output.progress("reading the ledger") as one_more:
        for page in client.devices.reports(device).pages():
            yield page
            one_more()


def _expected(text: str) -> tuple[sdk.Point, str]:
    """Read EPOCH:SEQUENCE:CHAIN. An epoch may hold colons itself."""
    parts = text.rsplit(":", 2)
    chain = parts[-1].lower()
    if (
        len(parts) != 3  # noqa: PLR2004 - the three parts
        or not (parts[1].isascii() and parts[1].isdigit())
        or len(chain) != _HEX_DIGITS
        or not set(chain) <= set("0123456789abcdef")
    ):
        raise usage(f"{text!r} is no EPOCH:SEQUENCE:CHAIN with a chain of {_HEX_DIGITS} hex digits")
    return sdk.Point(epoch=parts[0], sequence=int(parts[1])), chain


def _show(found: ledger.Verification) -> None:
    for period in found.periods:
        output.say(
            f"from {time_text(period.since)} to {time_text(period.until)} nothing was lost or "
            f"altered: {period.reports} reports" + (" of what came late" if period.backfill else "")
        )
    if not found.periods and found.holds:
        output.say("no report is kept that could be proved")
    for one in found.findings:
        output.say(f"{one.kind}: epoch {one.epoch}, from report {one.sequence}: {one.detail}")
    for note in found.notes:
        output.note(note)
    output.say("it holds" if found.holds else "it does not hold")
