"""Logging in: ask for a key without echo, check it with the server, keep it."""

import getpass
import ipaddress
import os
import sys
from pathlib import Path
from urllib.parse import urlsplit

from moorage import sdk
from moorage.cli.owner import output, profiles
from moorage.cli.owner.outcomes import Exit, Refused, usage
from moorage.cli.owner.session import client_of

_LONGEST_KEY = 4096


def login(
    url: str | None, profile: str | None, *, key_stdin: bool, ca_file: Path | None, as_json: bool
) -> None:
    """Check address and key with the server, then keep them.

    Raises:
        Refused: something is missing, or the key is not one for owners.
        MoorageError: the server did not answer, or knows no such key.

    """
    name = profile or os.environ.get("MOORAGE_PROFILE") or profiles.DEFAULT
    url = url or os.environ.get("MOORAGE_URL") or _asked_url()
    key = read_key("Key", key_stdin=key_stdin, variable="MOORAGE_API_KEY")
    found = profiles.Profile(url, key, None if ca_file is None else str(ca_file.absolute()))
    with client_of(found) as client:
        limited = _check(client)
        found = profiles.Profile(client.url, key, found.ca_file)
    profiles.store(name, found)
    if not _is_private(found.url):
        output.note(f"{found.url} has no encryption: everybody on the way can read the key")
    if limited:
        output.note(f"the key lacks the scope {limited}: most commands will be refused")
    if as_json:
        output.emit({"profile": name, "url": found.url, "stored_in": str(profiles.path())})
    else:
        output.say(f"logged in to {found.url} as {name!r}; kept in {profiles.path()}")


def logout(profile: str | None, *, as_json: bool) -> None:
    """Forget a profile. The key itself stays good.

    Raises:
        Refused: there is no such profile.

    """
    name = profile or os.environ.get("MOORAGE_PROFILE") or profiles.DEFAULT
    if name not in profiles.stored():
        raise Refused(f"there is no profile {name!r}", Exit.NOT_FOUND)
    profiles.store(name, None)
    if as_json:
        output.emit({"profile": name, "forgotten": True})
    else:
        output.say(f"forgot {name!r}; `moorage key revoke` ends the key itself")


def show_profiles(*, as_json: bool) -> None:
    """Print the profiles, without their keys."""
    kept = sorted(profiles.stored().items())
    if as_json:
        output.emit(
            [{"profile": name, "url": one.url, "ca_file": one.ca_file} for name, one in kept]
        )
    else:
        output.table(["profile", "server"], [[name, one.url] for name, one in kept])


def read_key(title: str, *, key_stdin: bool, variable: str) -> str:
    """Return a key from standard input, the environment or a prompt without echo.

    Raises:
        Refused: there is none to be had.

    """
    if key_stdin:
        key = sys.stdin.read(_LONGEST_KEY)
    elif os.environ.get(variable):
        key = os.environ[variable]
    elif sys.stdin.isatty():
        key = getpass.getpass(f"{title}: ")
    else:
        raise usage(f"no key was given: pipe it in with --key-stdin, or set {variable}")
    if not key.strip():
        raise usage("the key is empty; copy the whole of it")
    return key.strip()


def _asked_url() -> str:
    if not sys.stdin.isatty():
        raise usage("no server was given: name its address, such as https://fleet.example.com")
    print("Server: ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip()


def _check(client: sdk.Moorage) -> str | None:
    """Use the key once; return the scope it lacks, if any."""
    try:
        next(iter(client.devices.iterate(page_size=1).pages()))
    except sdk.MissingScope as error:
        return error.scope or "device:read"
    except sdk.Forbidden as error:
        raise Refused(f"{error}; log in with a workspace's key (sk_…)", Exit.AUTH) from None
    except sdk.Unauthenticated as error:
        raise Refused(f"{error}; nothing was stored", Exit.AUTH) from None
    return None


def _is_private(url: str) -> bool:
    """Whether nobody on the way can read along."""
    parts = urlsplit(url)
    if parts.scheme == "https" or parts.hostname == "localhost":
        return True
    try:
        return ipaddress.ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return False
