"""The templates' environment: values are escaped always, an unknown name is an error."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import jinja2

from moorage import __version__
from moorage.console.copying import copy_as
from moorage.console.statics import Statics
from moorage.kit.clock import rfc3339
from moorage.kit.spans import spelled

_FOLDER = Path(__file__).parent / "templates"
_KIB = 1024


def environment(statics: Statics) -> jinja2.Environment:
    """Return the environment all pages are rendered in."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        auto_reload=False,
        cache_size=-1,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals |= {
        "static": statics.url,
        "copy_as": copy_as,
        "version": __version__,
        "with_query": with_query,
    }
    made.filters |= {
        "rfc3339": rfc3339,
        "clock": clock,
        "ago": ago,
        "bytes": size,
        "number": number,
        "span": span,
        "pretty": pretty,
        "python": repr,
    }
    return made


def with_query(path: str, query: Mapping[str, Any]) -> str:
    """Return an address; parts that are None or empty are left out, lists are repeated."""
    kept = {name: value for name, value in query.items() if value not in (None, "", [], ())}
    return f"{path}?{urlencode(kept, doseq=True)}" if kept else path


def clock(at: datetime) -> str:
    """``2026-04-28 12:00:00 UTC``; a script of the page says it in the reader's own time."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def ago(at: datetime, now: datetime) -> str:
    """``44 s ago``, or ``in 5 min`` for what is to come."""
    return f"in {spelled(at - now)}" if at > now else f"{spelled(now - at)} ago"


def span(seconds: float) -> str:
    """``44 s``, ``5 min``, ``3 h``, ``2 d``."""
    return spelled(timedelta(seconds=seconds))


def size(count: float) -> str:
    """``512 B``, ``1.5 KiB``, ``3.2 GiB``."""
    value = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < _KIB:
            return f"{value:.0f} B" if unit == "B" else f"{value:.1f} {unit}"
        value /= _KIB
    return f"{value:.1f} TiB"


def number(value: int) -> str:
    """``12,345``."""
    return f"{value:,}"


def pretty(value: object) -> str:
    """JSON as people read it."""
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)
