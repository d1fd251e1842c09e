"""The agent as one file, and the script that brings it to a device. No request's text gets in."""

import hashlib
import io
import re
import shlex
import zipfile
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

from moorage.kit.url import plain_url

# Where the server has the file, below its address; it stands in the installer as well.
AGENT_PATH = "/install/moorage-agent.pyz"
_SHEBANG = b"#!/usr/bin/env python3\n"
# The oldest time a zip file can hold: the same bytes whenever and wherever it is built.
_TIME = (1980, 1, 1, 0, 0, 0)
_UNIX = 3
_MAIN = b"import sys\n\nfrom moorage_agent.cli import main\n\nsys.exit(main())\n"
_INSTALL_PREFIX = "inst_"
_TOKEN = re.compile(r"(?:inst|apt)_[0-9a-f]{48}")
_VERSION = re.compile(r'^__version__ = "([^"\n]+)"$', re.MULTILINE)
_SHA256 = re.compile(r"[0-9a-f]{64}")
_REFUSAL = re.compile(r"[^A-Za-z0-9 .,;:()_-]")


@dataclass(frozen=True)
class Zipapp:
    """The agent's file and the version it says it is; ``sha256`` in hex."""

    content: bytes
    sha256: str
    version: str


@dataclass(frozen=True)
class ServerAddress:
    """Where devices reach this server, and how they know it.

    ``pin`` is ``sha256//`` and the base64 of the SHA-256 of its certificate's public key (the DER
    of SubjectPublicKeyInfo); None leaves it to the CAs a device trusts.
    """

    url: str
    pin: str | None = None


@cache
def agent_zipapp() -> Zipapp:
    """Build the agent's file from the installed package; the same sources give the same bytes."""
    buffer = io.BytesIO()
    buffer.write(_SHEBANG)
    # Stored, not deflated: builds of zlib differ in their output, and two servers behind one
    # address must agree on the digest that stands in the installer.
    sources = _sources()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, source in [*sources, ("__main__.py", _MAIN)]:
            member = zipfile.ZipInfo(name, _TIME)
            member.create_system = _UNIX
            member.external_attr = 0o644 << 16
            archive.writestr(member, source)
    content = buffer.getvalue()
    return Zipapp(content, hashlib.sha256(content).hexdigest(), _version(dict(sources)))


def _version(sources: dict[str, bytes]) -> str:
    """Return the version as the agent's own source says it: it shares no code with the server."""
    found = _VERSION.search(sources["moorage_agent/__init__.py"].decode())
    if found is None:
        raise RuntimeError("the installed agent's source names no version")
    return found.group(1)


def _sources() -> list[tuple[str, bytes]]:
    def is_source(entry: Traversable) -> bool:
        return entry.is_file() and entry.name.endswith(".py")

    found = [entry for entry in files("moorage_agent").iterdir() if is_source(entry)]
    return sorted((f"moorage_agent/{entry.name}", entry.read_bytes()) for entry in found)


def render_install_script(*, server_url: str, token: str | None, agent_sha256: str) -> str:
    """Return the installer for one token; with None it takes the token as its first argument.

    Raises:
        ValueError: a URL, token or digest that is not plainly one.

    """
    if token is not None and not _TOKEN.fullmatch(token):
        raise ValueError("a token is inst_ or apt_ and 48 hex digits")
    if not _SHA256.fullmatch(agent_sha256):
        raise ValueError("a SHA-256 digest is 64 hex digits")
    script = files("moorage.core.provisioning").joinpath("install.sh.in").read_text("utf-8")
    values = {
        "@SERVER@": shlex.quote(plain_url(server_url)),
        "@TOKEN@": shlex.quote(token or ""),
        "@SHA256@": shlex.quote(agent_sha256),
    }
    for place, value in values.items():
        script = script.replace(place, value)
    return script


def install_line(server: ServerAddress, token: str) -> str:
    """Return the line an owner pastes on a device, with an install token or one for many devices.

    A token for many is an argument and no part of the address: proxies write addresses down. An
    install token is spent with its first use; the address it stands in is the Deployment Manager's.
    """
    url = plain_url(server.url)
    if token.startswith(_INSTALL_PREFIX):
        url, shell, arguments = f"{url}/devices/v2/{token}/install.sh", "sh", []
    else:
        url, shell, arguments = f"{url}/setup", "sudo sh", [token]
    options = ["-fsSL"]
    if server.pin is not None:
        # -k alone would take the script from anybody; with --pinnedpubkey curl goes on only with
        # whoever holds that key, which says more than a CA would. It holds -k or not.
        options = ["-fsSLk", "--pinnedpubkey", shlex.quote(server.pin)]
        arguments += ["--pin", shlex.quote(server.pin)]
    given = f" -s -- {' '.join(arguments)}" if arguments else ""
    return f"curl {' '.join(options)} {shlex.quote(url)} | {shell}{given}"


def render_refusal_script(message: str) -> str:
    """Return a script that says why there is no installer, and fails; for ``curl ... | sh``."""
    plain = _REFUSAL.sub(" ", message)
    return f"#!/bin/sh\nprintf '%s\\n' 'moorage: {plain}' >&2\nexit 1\n"
