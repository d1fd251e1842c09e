"""Reads devices and configs of a server that speaks Roboflow's Deployment Manager API.

That API takes its key in the query string, so no text of ours ever holds an address with one.
"""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx

from moorage.cli.owner.outcomes import Exit, Refused, usage
from moorage.sdk.answers import Answer, Retries, retry_after_s
from moorage.sdk.drivers import options

_PARTS = ("config", "services", "streams")
_LARGEST_ANSWER = 256 * 1024 * 1024
_TIMEOUT_S = 30.0
_OK = 200
_AGAIN = (429, 502, 503, 504)
_CODES = {
    401: Exit.AUTH,
    403: Exit.AUTH,
    404: Exit.NOT_FOUND,
    429: Exit.LIMITED,
}


class SourceFailed(Refused):
    """The other server did not give what was asked for."""


@dataclass(frozen=True)
class SourceDevice:
    """A device there."""

    id: str
    name: str
    type: str | None
    tags: tuple[str, ...]


class Source:
    """The other server."""

    def __init__(self, url: str, workspace: str, key: str, *, ca_file: Path | None) -> None:
        try:
            chosen = options(
                url, key, timeout_s=_TIMEOUT_S, ca_file=None if ca_file is None else str(ca_file)
            )
        except ValueError as error:
            raise usage(f"--from or its key: {error}") from None
        if not workspace.strip("."):
            raise usage("name the workspace there by its slug, as it stands in its addresses")
        # Its own clients send the key in the query string alone.
        chosen.pop("auth")
        self._client = httpx.Client(params={"api_key": key}, **chosen)
        self._base = f"/{quote(workspace, safe='')}/devices/v2"
        self._retries = Retries()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._client.close()

    def devices(self) -> list[SourceDevice]:
        """Return all devices. Raises SourceFailed."""
        answer = self._get("", "its devices")
        rows = answer.get("data")
        if not isinstance(rows, list):
            raise SourceFailed("the other server's list of devices has no `data`")
        return [_device(row) for row in rows]

    def config(self, device_id: str) -> dict[str, Any]:
        """Return a device's config without what frames it there. Raises SourceFailed."""
        answer = self._get(f"/{quote(device_id, safe='')}/config", f"the config of {device_id}")
        return {name: answer[name] for name in _PARTS if isinstance(answer.get(name), dict)}

    def _get(self, path: str, what: str) -> Mapping[str, Any]:
        tried = 0
        while True:
            tried += 1
            answer = self._ask(path, what)
            pause = None
            if answer.status in _AGAIN:
                pause = self._retries.pause(tried, 0.5, retry_after_s(answer))
            if pause is None:
                return _document(answer, what)
            time.sleep(pause)

    def _ask(self, path: str, what: str) -> Answer:
        try:
            with self._client.stream("GET", self._base + path) as response:
                content = bytearray()
                for chunk in response.iter_bytes():
                    content += chunk
                    if len(content) > _LARGEST_ANSWER:
                        raise SourceFailed(f"the other server's answer with {what} has no end")
                headers = {name.lower(): value for name, value in response.headers.items()}
                return Answer(response.status_code, headers, bytes(content))
        except httpx.TransportError as error:
            kind = "no answer in time" if isinstance(error, httpx.TimeoutException) else error
            raise SourceFailed(f"the other server did not give {what}: {kind}") from None


def _document(answer: Answer, what: str) -> Mapping[str, Any]:
    try:
        document = json.loads(answer.content)
    except (ValueError, RecursionError):
        document = None
    if answer.status != _OK:
        said = document.get("error") if isinstance(document, dict) else None
        if isinstance(said, dict):
            said = said.get("message")
        raise SourceFailed(
            f"the other server refused {what} with {answer.status}"
            + (f": {said}" if isinstance(said, str) else ""),
            _CODES.get(answer.status, Exit.FAILED),
        )
    if not isinstance(document, dict):
        raise SourceFailed(f"the other server's answer with {what} is no JSON object")
    return document


def _device(row: Any) -> SourceDevice:
    if not isinstance(row, dict) or not isinstance(row.get("id"), str) or not row["id"]:
        raise SourceFailed("the other server lists a device without an id")
    tags = row.get("tags")
    kind = row.get("type")
    return SourceDevice(
        id=row["id"],
        name=str(row.get("name") or row["id"]),
        type=kind if isinstance(kind, str) and kind else None,
        tags=tuple(tag for tag in tags if isinstance(tag, str)) if isinstance(tags, list) else (),
    )
