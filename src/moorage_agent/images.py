"""Images of a Docker Engine: whether one is here, and bringing it here."""

from __future__ import annotations

import os
import re
from typing import Any, Dict, List, Optional
from urllib.parse import quote

from moorage_agent import registry_auth
from moorage_agent.drivers import REGISTRY_REFUSED, DriverError
from moorage_agent.engine import Engine, EngineRefused, free_bytes
from moorage_agent.units import Unit

# How engines and registries say that there is no way without other credentials.
_DENIED = re.compile(
    r"unauthorized|authentication required|no basic auth credentials|access denied|forbidden"
    r"|denied: |incorrect username or password",
    re.IGNORECASE,
)
# Addresses of blobs may hold signatures that let anybody have them.
_QUERY = re.compile(r"(https?://[^\s\"'?]+)\?[^\s\"']*")
_FULL = "no space left on device"


class Images:
    """The images of one engine."""

    def __init__(self, engine: Engine) -> None:
        """Keep it."""
        self._engine = engine

    def find(self, image: str) -> Optional[Dict[str, Any]]:
        """Return what the engine says of an image by its name or id, or None."""
        try:
            found: Dict[str, Any] = self._engine.call("GET", "/images/%s/json" % quote(image))
        except EngineRefused as error:
            if error.status == 404:
                return None
            raise
        return found

    def contents(self) -> List[List[str]]:
        """Return the digests of the layers, as unpacked, of each image that was pulled.

        Of others an engine does not know which packed layer they are, and pulls those anew.
        """
        found = []
        for one in self._engine.call("GET", "/images/json"):
            if not one.get("RepoDigests"):
                continue
            told = self.find(str(one["Id"]))
            if told is not None:
                found.append((told.get("RootFS") or {}).get("Layers") or [])
        return found

    def bring(self, unit: Unit) -> None:
        """Have a unit's image here: it is already, or is loaded from a file, or pulled."""
        image, path = unit.body["image"], unit.body["image_file"]
        if self.find(image) is not None:
            return
        if has_file(unit):
            with open(path, "rb") as file:
                for _told in self._engine.progress("/images/load", query={"quiet": 1}, file=file):
                    pass
            if self.find(image) is None:
                raise DriverError("the file %s holds no image %s" % (path, image))
            return
        self.pull(image, unit.auth)

    def pull(self, image: str, auth: Optional[Dict[str, str]]) -> None:
        """Pull an image by its whole name. Raises DriverError."""
        try:
            query = {"fromImage": image}
            for _told in self._engine.progress("/images/create", query=query, auth=auth or {}):
                pass
        except DriverError as error:
            raise self._not_pulled(image, auth, error) from None

    def _not_pulled(
        self, image: str, auth: Optional[Dict[str, str]], error: DriverError
    ) -> DriverError:
        said = plain(str(error), auth)
        if _FULL in said.lower():
            free = free_bytes(self._engine)
            left = "" if free is None else "; %d bytes are free by now" % free
            text = "the image %s cannot be pulled: the engine's disk is full%s" % (image, left)
            return DriverError(text)
        if is_denied(said):
            lacks = "the login in the config is not taken" if auth else "the config has no login"
            text = "the image %s cannot be pulled: its registry refuses, and %s (%s)"
            return DriverError(text % (image, lacks, said), blocked=REGISTRY_REFUSED)
        text = "the image %s cannot be pulled: %s" % (image, said)
        return DriverError(text, again=error.again)


def has_file(unit: Unit) -> bool:
    """Whether the unit's image can be loaded from a file here."""
    path = unit.body["image_file"]
    return path is not None and os.path.exists(path)


def is_denied(said: str) -> bool:
    """Whether an engine's words mean that a registry wants other credentials."""
    return _DENIED.search(said) is not None


def plain(said: str, auth: Optional[Dict[str, str]]) -> str:
    """Return an engine's words without what may be secret in what it repeats of a registry's."""
    said = _QUERY.sub(r"\1?...", said)
    if auth is None:
        return said
    secrets = [auth["password"], registry_auth.basic(auth).partition(" ")[2]]
    for secret in secrets:
        # A short one would be found in every word; registries take none of that kind.
        if len(secret) > 3:
            said = said.replace(secret, "***")
    return said
