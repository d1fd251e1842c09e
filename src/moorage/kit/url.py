"""Addresses that may stand in a shell script: a strict grammar instead of quoting and hoping."""

import re

_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_URL = re.compile(
    rf"https?://(?:{_LABEL}(?:\.{_LABEL})*\.?|\[[0-9A-Fa-f:.]+\])(?::[0-9]{{1,5}})?"
    r"(?:/[A-Za-z0-9._~-]+)*/?"
)


def plain_url(text: str) -> str:
    """Return the URL without a trailing slash.

    Raises:
        ValueError: not ``http(s)://host[:port][/path]`` in plain characters.

    """
    if not _URL.fullmatch(text):
        raise ValueError(
            "a server URL is http:// or https://, a host name or address, and maybe a port and a "
            "plain path, as in https://fleet.example.com:8400"
        )
    return text.rstrip("/")
