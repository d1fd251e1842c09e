"""Configs: shown, compared, taken back."""

from collections.abc import Mapping
from itertools import islice
from typing import Any

from moorage import sdk
from moorage.cli.owner import output
from moorage.cli.owner.outcomes import Exit, Refused, usage
from moorage.cli.owner.session import connected, device_id
from moorage.cli.owner.text import time_text


def get(
    profile: str | None,
    named: str,
    *,
    own: bool,
    origins: bool,
    revision: int | None,
    as_json: bool,
) -> None:
    """Print a config."""
    if origins and (own or revision is not None):
        raise usage("--origins is of the present document; leave --own and --revision out")
    with connected(profile) as client:
        device = device_id(client, named)
        found = (
            client.config.get(device)
            if revision is None
            else client.config.revision(device, revision)
        )
    if as_json:
        output.emit(found.own if own else found)
        return
    said = f"revision {found.revision} of {time_text(found.created_at)} by {found.created_by}"
    if isinstance(found, sdk.Config):
        output.note(f"{said}; {_applied(found.applied)}")
        if origins:
            rows = [
                [pointer, output.compact(_at(found.document, pointer)), layer]
                for pointer, layer in sorted(found.origins.items())
            ]
            output.table(["value", "is", "set by"], rows)
            return
    else:
        output.note(said)
    output.document(found.own if own else found.document)


def _applied(applied: sdk.Applied) -> str:
    said = f"the device: {applied.state}"
    if applied.revision is not None:
        said += f", runs revision {applied.revision}"
    return f"{said} ({applied.error})" if applied.error else said


def _at(value: Any, pointer: str) -> Any:
    for part in pointer.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def history(profile: str | None, named: str, *, limit: int, as_json: bool) -> None:
    """Print revisions, newest first."""
    with connected(profile) as client:
        device = device_id(client, named)
        found = list(islice(client.config.revisions(device, page_size=min(limit, 500)), limit))
    if as_json:
        output.emit(found)
        return
    output.table(
        ["revision", "at", "by", "changed"],
        [
            [str(one.revision), time_text(one.created_at), one.created_by, " ".join(one.changed)]
            for one in found
        ],
    )


def diff(
    profile: str | None,
    named: str,
    before: int | None,
    after: int | None,
    *,
    applied: bool,
    as_json: bool,
) -> None:
    """Print what differs between two revisions."""
    if applied == (before is not None):
        raise usage("name a revision to compare, as in `diff DEVICE 3 5`, or use --applied")
    with connected(profile) as client:
        device = device_id(client, named)
        now = client.config.get(device)
        if applied:
            before = now.applied.revision
            if before is None:
                raise Refused("the device has not proved any revision yet", Exit.NOT_FOUND)
        assert before is not None
        old = client.config.revision(device, before).document
        new = now.document if after is None else client.config.revision(device, after).document
    names = (f"revision {before}", f"revision {now.revision if after is None else after}")
    if as_json:
        output.emit(
            {
                "before": {"revision": before, "document": old},
                "after": {"revision": now.revision if after is None else after, "document": new},
            }
        )
    else:
        output.show_difference(old, new, names, as_json=False)


def rollback(
    profile: str | None, named: str, revision: int, *, dry_run: bool, as_json: bool
) -> None:
    """Make an earlier revision the desired one again, unless somebody was faster."""
    with connected(profile) as client:
        device = device_id(client, named)
        now = client.config.get(device)
        then = client.config.revision(device, revision)
        if dry_run:
            output.dry_run(now.document, then.document, as_json=as_json)
            return
        made = client.config.rollback(device, revision, digest=now.digest)
    if as_json:
        output.emit(made)
    else:
        output.note(f"revision {made.revision} is as {revision} was")
        output.show_difference(now.document, made.document, as_json=False)
