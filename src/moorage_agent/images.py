"""Images of a Docker Engine: whether one is here, bringing it here, and taking it away again."""

from __future__ import annotations

import os
import re
import threading
from contextlib import contextmanager
from typing import Any, Callable, Dict, FrozenSet, Iterator, List, Mapping, Optional, Tuple
from urllib.parse import quote

from moorage_agent import image_keeping as keeping
from moorage_agent import registry, registry_auth
from moorage_agent.container_set import Pair
from moorage_agent.drivers import REGISTRY_REFUSED, DriverError
from moorage_agent.engine import Engine, EngineRefused, free_bytes
from moorage_agent.logs import log
from moorage_agent.units import Unit, Wanted

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

    def __init__(self, engine: Engine, folder: str) -> None:
        """``folder`` is the agent's: which images it pulled stands there."""
        self._engine = engine
        self._folder = folder
        # Nothing is taken away while something is brought.
        self._bringing = 0
        self._guard = threading.Lock()
        self._kept = keeping.read(folder)

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
        with self._no_sweep():
            found = self.find(image)
            if found is not None:
                self._note(lambda kept: keeping.with_use(kept, found["Id"]))
                return
            if not has_file(unit):
                self._pull(image, image, unit.auth)
                return
            with open(path, "rb") as file:
                for _told in self._engine.progress("/images/load", query={"quiet": 1}, file=file):
                    pass
        if self.find(image) is None:
            raise DriverError("the file %s holds no image %s" % (path, image))

    def pull_digest(self, unit: Unit, digest: str) -> str:
        """Pull what a unit's tag names by now, the tag staying where it is; return the image's id.

        Raises:
            DriverError: it cannot be pulled.

        """
        image = unit.body["image"]
        with self._no_sweep():
            return self._pull("%s@%s" % (untagged(image), digest), image, unit.auth)

    def _pull(self, name: str, image: str, auth: Optional[Dict[str, str]]) -> str:
        """Pull by a name, for the sake of an image; note that it is ours unless it was here."""
        before = {one["Id"] for one in self._engine.call("GET", "/images/json", query={"all": 1})}
        try:
            query = {"fromImage": name}
            for _told in self._engine.progress("/images/create", query=query, auth=auth or {}):
                pass
        except DriverError as error:
            raise self._not_pulled(image, auth, error) from None
        found = self.find(name)
        if found is None:
            raise DriverError("the image %s was pulled and is not there" % image, again=True)
        image_id = str(found["Id"])
        if image_id not in before or image_id in self._kept.pulled:
            self._note(lambda kept: keeping.with_pulled(kept, image_id, image))
        return image_id

    # --- what a tag names

    def digest_behind(self, image: str, auth: Optional[Dict[str, str]]) -> str:
        """Return the digest that a registry has behind a tag. Raises DriverError."""
        told = self._engine.call("GET", "/distribution/%s/json" % image, auth=auth or {})
        digest = (told.get("Descriptor") or {}).get("digest")
        if not isinstance(digest, str):
            raise DriverError("the registry of %s names no digest for it" % image)
        return digest

    def digests_of(self, image_id: str) -> FrozenSet[str]:
        """Return the digests by which registries know an image that is here."""
        told = (self.find(image_id) or {}).get("RepoDigests") or ()
        return frozenset(name.rpartition("@")[2] for name in told)

    def tag(self, image_id: str, image: str) -> None:
        """Have an image's name stand for that one from now on."""
        query = {"repo": untagged(image), "tag": registry.parsed(image).version}
        self._engine.call("POST", "/images/%s/tag" % image_id, query=query)

    # --- taking away

    def has_pulled(self) -> bool:
        """Whether there is anything that could be taken away one day."""
        return bool(self._kept.pulled)

    def note_uses(self, wanted: Wanted, pairs: Mapping[str, Pair]) -> None:
        """Note which image each service runs, now that it has proved itself."""
        running = {
            service: str(pair.main["ImageID"])
            for service, pair in pairs.items()
            if pair.main is not None and pair.aside is None
        }
        self._note(lambda kept: keeping.with_services(kept, running, wanted.units))

    def sweep(self, wanted: Wanted, passed_s: float) -> None:
        """Count on for images that nothing uses, and remove those of ours that are due."""
        containers = self._engine.call("GET", "/containers/json", query={"all": 1})
        in_use = {str(one["ImageID"]) for one in containers}
        for unit in wanted.units.values():
            found = self.find(unit.body["image"])
            in_use |= set() if found is None else {str(found["Id"])}
        with self._guard:
            self._keep(keeping.aged(self._kept, in_use, passed_s))
            due = [] if self._bringing else keeping.removable(self._kept, wanted.images_kept_s)
            for image_id in due:
                if self._remove(image_id, self._kept.pulled[image_id].names):
                    self._keep(keeping.without(self._kept, image_id))

    def _remove(self, image_id: str, ours: Tuple[str, ...]) -> bool:
        """Remove an image by all its names, never by force; return whether we are done with it."""
        found = self.find(image_id)
        tags = () if found is None else found.get("RepoTags") or ()
        known = set(map(_whole, ours))
        if found is None or any(_whole(tag) not in known for tag in tags):
            return True  # gone, or by a name of its own somebody else's too
        try:
            for name in (*tags, *(found.get("RepoDigests") or ()), image_id):
                if self.find(image_id) is not None:
                    self._engine.call("DELETE", "/images/%s" % quote(name))
        except EngineRefused as error:
            log.debug("the image %s stays: %s", image_id, error)
            return error.status == 404
        log.info("removed the image %s, unused for long: %s", image_id, ", ".join(ours))
        return True

    @contextmanager
    def _no_sweep(self) -> Iterator[None]:
        with self._guard:
            self._bringing += 1
        try:
            yield
        finally:
            with self._guard:
                self._bringing -= 1

    def _note(self, change: Callable[[keeping.Kept], keeping.Kept]) -> None:
        with self._guard:
            self._keep(change(self._kept))

    def _keep(self, kept: keeping.Kept) -> None:
        if kept != self._kept:
            self._kept = kept
            keeping.write(self._folder, kept)

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


def untagged(image: str) -> str:
    """Return an image's name without its tag or digest."""
    bare = image.partition("@")[0]
    head, colon, tag = bare.rpartition(":")
    return head if colon and "/" not in tag else bare


def _whole(name: str) -> str:
    """Return a name as no other spelling of it has it; engines leave parts of theirs out."""
    try:
        return "/".join(registry.parsed(name))
    except registry_auth.Refused:
        return name


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
