"""What the tab Config of a device reads. Secrets are masked, whoever asks; here they are set."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from moorage.console import jsontext
from moorage.console.contexts.device_config import (
    Check,
    Compared,
    ConfigTab,
    Conflict,
    DocumentLine,
    Editor,
    RevisionRow,
    Secret,
    Wrong,
)
from moorage.console.contexts.device_overview import ConfigBrief
from moorage.console.queries import device_diff as diff
from moorage.console.queries.device import authors, frame_of
from moorage.core import config, devices
from moorage.core.caller import Caller, Scope
from moorage.core.config import ConfigView, Revision, RevisionEntry
from moorage.core.errors import DomainError, Kind, invalid, of_exception
from moorage.kit.jsonvalue import UnfitJsonError, escape_pointer
from moorage.kit.secrettext import MASK
from moorage.storage import Tx

_PAGE = 20
_FEW_CHANGED = 4
_MOST_SINCE = 20
_LAYERS = {"base": "default"}


async def show(tx: Tx, caller: Caller, device_id: str, cursor: str | None) -> ConfigTab:
    """Read the tab (``config:read``), revisions from a cursor on."""
    device = await devices.get(tx, caller, device_id, needs=Scope.CONFIG_READ)
    view = await config.get(tx, caller, device.ref)
    page = await config.list_revisions(tx, caller, device.ref, cursor=cursor, limit=_PAGE)
    named = await authors(tx, caller)
    frame = frame_of(caller, device, view.applied)
    document, own = config.masked(view.document), config.masked(view.own)
    row = _rower(view, named)
    return ConfigTab(
        frame=frame,
        config=brief_of(view, named),
        lines=[*_lines(document, view.origins)],
        secrets=[*_secrets(document, own, view.origins)],
        editor=_editor(device_id, view, diff.text_of(own)) if frame.may_configure else None,
        digest=view.digest,
        revisions=[row(one) for one in page.items],
        is_first_page=cursor is None,
        next_cursor=page.next_cursor,
    )


def brief_of(view: ConfigView, named: Callable[[str], str]) -> ConfigBrief:
    """Say in short what is to run and what was proved."""
    return ConfigBrief(
        state=str(view.applied.state),
        revision=view.revision,
        since=view.created_at,
        by=named(view.created_by),
        applied_revision=view.applied.revision,
        reported_at=view.applied.reported_at,
        error=view.applied.error,
    )


async def check(tx: Tx, caller: Caller, device_id: str, digest: str, text: str) -> Check:
    """Say what saving a text would do, or what is wrong with it (``config:write``)."""
    device = await devices.get(tx, caller, device_id, needs=Scope.CONFIG_WRITE)
    try:
        parsed = jsontext.read(text)
    except jsontext.MisreadError as error:
        wrong = Wrong(error.detail, error.line, error.column, None)
        return Check(device_id, digest, [wrong], [], None)
    if not isinstance(parsed.value, dict):
        return Check(device_id, digest, [Wrong("a config is an object", 1, 1, None)], [], None)
    try:
        draft = await config.try_own(tx, caller, device.ref, parsed.value)
    except (DomainError, UnfitJsonError) as error:
        return Check(device_id, digest, [*_wrong(error, parsed)], [], None)
    view = await config.get(tx, caller, device.ref)
    found = diff.changes(config.masked(view.document), draft.document, draft.changed)
    return Check(device_id, digest, [], found, draft.patch)


def _wrong(error: Exception, parsed: jsontext.Parsed) -> Iterator[Wrong]:
    """Give what the core says of a document its lines."""
    said = of_exception(error)
    if said is None or said.kind is not Kind.INVALID:
        raise error
    for fault in said.faults:
        yield Wrong(fault.detail, parsed.line_of(fault.pointer), None, fault.pointer or None)


def document_of(text: str) -> dict[str, Any]:
    """Return a text that was checked. Raises DomainError ``invalid`` for one that was not."""
    try:
        value = jsontext.read(text).value
    except jsontext.MisreadError as error:
        raise invalid("/own", f"line {error.line}: {error.detail}") from None
    if not isinstance(value, dict):
        raise invalid("/own", "a config is an object")
    return value


async def conflict(  # noqa: PLR0913 - what was seen, and what was made of it
    tx: Tx, caller: Caller, device_id: str, revision: int, digest: str, text: str
) -> Conflict | None:
    """Return what somebody else did since a revision was shown, or None (``config:write``)."""
    device = await devices.get(tx, caller, device_id, needs=Scope.CONFIG_WRITE)
    view = await config.get(tx, caller, device.ref)
    if view.digest == digest:
        return None
    named = await authors(tx, caller)
    page = await config.list_revisions(tx, caller, device.ref, cursor=None, limit=_MOST_SINCE)
    row = _rower(view, named)
    base = config.masked((await config.get_revision(tx, caller, device.ref, revision)).own)
    theirs, mine = config.masked(view.own), document_of(text)
    both, overlaps = diff.together(base, mine, theirs)
    their_text = diff.text_of(theirs)
    return Conflict(
        editor=_editor(device_id, view, diff.text_of(both)),
        since=[row(one) for one in page.items if one.revision > revision],
        mine=text,
        theirs=their_text,
        sides=diff.sides(their_text, diff.text_of(mine)),
        overlaps=overlaps,
    )


async def compare(tx: Tx, caller: Caller, device_id: str, before: int, after: int) -> Compared:
    """Put two revisions beside each other (``config:read``)."""
    device = await devices.get(tx, caller, device_id, needs=Scope.CONFIG_READ)
    view = await config.get(tx, caller, device.ref)
    found = await config.compare(tx, caller, device.ref, before, after)
    row = _rower(view, await authors(tx, caller))
    one, other = found.before, found.after
    return Compared(
        frame=frame_of(caller, device, view.applied),
        before=row(_entry(one)),
        after=row(_entry(other)),
        changes=diff.changes(one.document, other.document, found.changed),
        sides=diff.sides(diff.text_of(one.document), diff.text_of(other.document)),
        newest=view.revision,
        digest=view.digest,
    )


async def secret_patch(
    tx: Tx, caller: Caller, device_id: str, pointer: str, value: str | None
) -> dict[str, Any]:
    """Return the patch that sets or, with None, takes away a secret (``config:write``).

    Raises DomainError ``invalid`` for a place whose value would be seen, or that no patch reaches.
    """
    device = await devices.get(tx, caller, device_id, needs=Scope.CONFIG_WRITE)
    document = (await config.get(tx, caller, device.ref)).document
    steps = _steps(pointer)
    if not pointer.startswith("/") or not all(steps):
        raise invalid("/where", "say where as a path, such as /config/password")
    if _in_array(document, pointer):
        raise invalid("/where", "this stands in an array; edit the whole array")
    patch: Any = value
    for step in reversed(steps):
        patch = {step: patch}
    if value is not None and [*_masks(config.masked(patch))] != [pointer]:
        raise invalid(
            "/where",
            "a value in this place would be seen by everybody; secrets are environment variables "
            "(/services/NAME/environment_variables/VARIABLE) and values named password, secret, "
            "token, api_key, credential",
        )
    found: dict[str, Any] = patch
    return found


def _steps(pointer: str) -> list[str]:
    return [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]


def _in_array(document: Mapping[str, Any], pointer: str) -> bool:
    """Whether a part stands in an array, where a patch does not reach."""
    value: Any = document
    for step in _steps(pointer):
        if isinstance(value, list):
            return True
        value = value.get(step) if isinstance(value, Mapping) else None
    return False


def _editor(device_id: str, view: ConfigView, text: str) -> Editor:
    path = f"/console/devices/{device_id}/config"
    return Editor(device_id, path, view.revision, view.digest, text)


def _entry(one: Revision) -> RevisionEntry:
    return RevisionEntry(one.revision, one.digest, one.created_at, one.created_by, one.changed)


def _rower(view: ConfigView, named: Callable[[str], str]) -> Callable[[RevisionEntry], RevisionRow]:
    def row(one: RevisionEntry) -> RevisionRow:
        return RevisionRow(
            revision=one.revision,
            at=one.created_at,
            by=named(one.created_by),
            changed=one.changed[:_FEW_CHANGED],
            more=max(0, len(one.changed) - _FEW_CHANGED),
            is_desired=one.revision == view.revision,
            is_applied=one.revision == view.applied.revision,
        )

    return row


def _lines(document: Mapping[str, Any], origins: Mapping[str, str]) -> Iterator[DocumentLine]:
    yield DocumentLine("{", None)
    for text, pointer in diff.lines_of(document):
        yield DocumentLine(text, _layer(_origin(origins, pointer)) if pointer else None)
    yield DocumentLine("}", None)


def _origin(origins: Mapping[str, str], pointer: str) -> str:
    """Return the layer of a value; of one that is masked whole, that of a part of it."""
    inside = f"{pointer}/"
    return origins.get(pointer) or next(
        (layer for at, layer in origins.items() if at.startswith(inside)), "device"
    )


def _layer(name: str) -> str:
    return _LAYERS.get(name, name)


def _secrets(
    document: Mapping[str, Any], own: Mapping[str, Any], origins: Mapping[str, str]
) -> Iterator[Secret]:
    held = {*_masks(own)}
    for pointer in _masks(document):
        yield Secret(
            pointer,
            _layer(_origin(origins, pointer)),
            own=pointer in held,
            in_array=_in_array(document, pointer),
        )


def _masks(value: Any, at: str = "") -> Iterator[str]:
    """Yield where masks stand."""
    if isinstance(value, Mapping):
        for key, part in value.items():
            yield from _masks(part, f"{at}/{escape_pointer(key)}")
    elif isinstance(value, list):
        for number, part in enumerate(value):
            yield from _masks(part, f"{at}/{number}")
    elif isinstance(value, str) and MASK in value:
        yield at
