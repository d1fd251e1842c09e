"""Where a server's address and key are kept between calls: one file, readable by its owner only."""

import json
import os
import stat
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from moorage.cli.owner.outcomes import Exit, Refused, usage

DEFAULT = "default"
_LARGEST = 1024 * 1024


@dataclass(frozen=True)
class Profile:
    """A server and the key for it. No repr shows the key."""

    url: str
    key: str = field(repr=False)
    ca_file: str | None = None


def folder(variable: str, otherwise: str) -> Path:
    """Return our folder under an XDG base; a relative one is to be ignored, says its standard."""
    named = Path(os.environ.get(variable, ""))
    return (named if named.is_absolute() else Path.home() / otherwise) / "moorage"


def path() -> Path:
    """Return where the profiles are kept."""
    return folder("XDG_CONFIG_HOME", ".config") / "profiles.json"


def chosen(name: str | None) -> tuple[str | None, Profile]:
    """Return the profile to use and its name: the option, the environment, the stored one.

    A key goes only to the address it was given with: of MOORAGE_URL and MOORAGE_API_KEY both must
    be there.

    Raises:
        Refused: there is none.

    """
    url, key = os.environ.get("MOORAGE_URL"), os.environ.get("MOORAGE_API_KEY")
    if name is None and (url or key):
        if not url or not key:
            raise usage(
                "set both MOORAGE_URL and MOORAGE_API_KEY, or neither and use `moorage login`"
            )
        return None, Profile(url, key, os.environ.get("MOORAGE_CA_FILE"))
    name = name or os.environ.get("MOORAGE_PROFILE") or DEFAULT
    profile = stored().get(name)
    if profile is None:
        option = "" if name == DEFAULT else f" --profile {name}"
        raise Refused(f"not logged in as {name!r}; run `moorage login{option}`", Exit.AUTH)
    return name, profile


def stored() -> dict[str, Profile]:
    """Return all profiles by name.

    Raises:
        Refused: the file is open to others, or is not ours.

    """
    where = path()
    try:
        with where.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if mode & 0o077:
                raise Refused(
                    f"{where} can be read by others (mode {mode:03o}); run `chmod 600 {where}` "
                    "and roll the keys in it if somebody may have read them"
                )
            document = json.loads(file.read(_LARGEST))
    except FileNotFoundError:
        return {}
    except ValueError:
        document = None
    try:
        return {name: _profile(one) for name, one in document["profiles"].items()}
    except (TypeError, KeyError, AttributeError):
        raise Refused(f"{where} is not a file of profiles; move it away and log in") from None


def _profile(given: dict[str, Any]) -> Profile:
    ca_file = given.get("ca_file")
    return Profile(str(given["url"]), str(given["key"]), None if ca_file is None else str(ca_file))


def store(name: str, profile: Profile | None) -> None:
    """Keep a profile, or with None forget it. Whole or not at all, also when power fails."""
    kept = stored()
    if profile is None:
        kept.pop(name, None)
    else:
        kept[name] = profile
    where = path()
    where.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    text = json.dumps({"profiles": {one: asdict(kept[one]) for one in sorted(kept)}}, indent=2)
    # mkstemp makes it readable by its owner only, from its first moment.
    handle, temporary = tempfile.mkstemp(dir=where.parent, prefix=".profiles-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(where)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
