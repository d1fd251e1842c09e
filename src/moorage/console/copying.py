"""An action of a page as somebody would do it without the page: curl, CLI, Python."""

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class CopyAs:
    """One action in three spellings; None where there is none."""

    curl: str
    cli: str | None = None
    python: str | None = None


_PYTHON = """\
import os

from moorage.sdk import Moorage

with Moorage("{url}", os.environ["MOORAGE_API_KEY"]) as fleet:
    {call}
"""


def copy_as(  # noqa: PLR0913 - what an action consists of
    public_url: str,
    method: str,
    path: str,
    *,
    body: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
    cli: str | None = None,
    sdk: str | None = None,
) -> CopyAs:
    """Spell an action of the native API.

    ``cli`` are the words behind ``moorage``, ``sdk`` a call on ``fleet``. The key is never spelled:
    each of the three takes it from the environment.
    """
    parts = ["curl", *([] if method == "GET" else ["-X", method]), shlex.quote(public_url + path)]
    curl = " ".join(parts) + ' \\\n  -H "Authorization: Bearer $MOORAGE_API_KEY"'
    for name, value in (headers or {}).items():
        curl += f" \\\n  -H {shlex.quote(f'{name}: {value}')}"
    if body is not None:
        curl += " \\\n  -H 'Content-Type: application/json'"
        curl += f" \\\n  -d {shlex.quote(json.dumps(body, ensure_ascii=False))}"
    python = None if sdk is None else _PYTHON.format(url=public_url, call=sdk).rstrip()
    return CopyAs(curl, None if cli is None else f"moorage {cli}", python)
