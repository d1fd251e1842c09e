"""Answers held against samples written by hand from an API's documentation."""

import json
import re
from pathlib import Path
from typing import Any

import httpx

GOLDEN = Path(__file__).parents[1] / "golden"
# What differs from run to run.
_PATTERNS = {
    "<acc>": re.compile(r"acc_[0-9a-f]{24}"),
    "<dev>": re.compile(r"dev_[0-9a-f]{24}"),
    "<key>": re.compile(r"key_[0-9a-f]{24}"),
    "<evt>": re.compile(r"evt_\w+"),
    "<jwt>": re.compile(r"[\w-]+\.[\w-]+\.[\w-]+"),
    "<text>": re.compile(r".+", re.DOTALL),
    "<time>": re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"),
    "<seconds>": re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"),
}


def same(found: Any, expected: Any, at: str = "") -> None:
    """Hold an answer against a sample: the same keys, the same values."""
    if expected == "<list>":
        assert isinstance(found, list), at
    elif isinstance(expected, str) and expected in _PATTERNS:
        assert isinstance(found, str), at
        assert _PATTERNS[expected].fullmatch(found), (at, found)
    elif isinstance(expected, dict):
        assert isinstance(found, dict), at
        assert sorted(found) == sorted(expected), at
        for name, value in expected.items():
            same(found[name], value, f"{at}/{name}")
    elif isinstance(expected, list):
        assert isinstance(found, list), at
        assert len(found) == len(expected), at
        for number, value in enumerate(expected):
            same(found[number], value, f"{at}/{number}")
    else:
        assert found == expected, at
        assert type(found) is type(expected), at


class Samples:
    """The samples of one API."""

    def __init__(self, folder: str) -> None:
        self._folder = GOLDEN / folder

    def load(self, name: str) -> Any:
        return json.loads((self._folder / f"{name}.json").read_text())

    def matches(self, response: httpx.Response, name: str, status: int = 200) -> Any:
        assert response.status_code == status, response.text
        assert response.headers["content-type"] == "application/json"
        same(response.json(), self.load(name))
        return response.json()
