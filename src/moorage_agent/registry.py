"""What a registry has by an image's name, asked without pulling it: digest, layers, their sizes.

The engine tells a manifest's size only. Speaks version 2 of the registries' protocol, for one
platform of images that have several.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from moorage_agent import registry_auth
from moorage_agent.loopback import is_loopback
from moorage_agent.registry_auth import Refused
from moorage_agent.registry_http import Asker, Reply, Unasked
from moorage_agent.units import registry_of

_WITHIN_S = 20.0
_MOST_MANIFEST_BYTES = 4 * 1024 * 1024
_MOST_LAYERS = 500
_LARGEST_LAYER = 2**50
_LISTS = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
_MANIFESTS = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
_HUB = ("docker.io", "index.docker.io")
# Where the hub's images are; its name is that of its site.
_HUB_HOST = "registry-1.docker.io"
_HOST = re.compile(r"(?:\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+)(?::[0-9]{1,5})?")
_PART = re.compile(r"[a-z0-9]+(?:[._-]+[a-z0-9]+)*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_LONGEST_NAME = 255


class Reference(NamedTuple):
    """An image's name in parts; ``version`` is a tag or a digest."""

    registry: str
    repository: str
    version: str


class Platform(NamedTuple):
    """What an engine runs, in the words of manifests; ``variants``: of its CPU, best first."""

    os: str
    architecture: str
    variants: Tuple[str, ...] = ("",)

    def __str__(self) -> str:
        """Return it as people write it."""
        return "%s/%s" % (self.os, self.architecture)


class Layer(NamedTuple):
    """A layer: the digest of what is pulled, its bytes, and the digest of what it holds."""

    digest: str
    size_bytes: int
    content: str


class NoSuchPlatform(Refused):
    """The image is there, and not for such a device."""


def parsed(image: str) -> Reference:
    """Return the parts of a whole name, with a tag or a digest. Raises Refused."""
    registry = registry_of(image)
    rest = image.partition("/")[2] if image.startswith(registry + "/") else image
    name, at, digest = rest.partition("@")
    version = digest
    head, colon, tag = name.rpartition(":")
    if colon and "/" not in tag:
        name = head
        version = digest if at else tag
    if registry in _HUB and "/" not in name:
        name = "library/" + name
    right = _DIGEST.fullmatch(version) if at else _TAG.fullmatch(version or "latest")
    named = len(name) <= _LONGEST_NAME and all(_PART.fullmatch(one) for one in name.split("/"))
    if not right or not named or not _HOST.fullmatch(registry):
        raise Refused("that is no name of an image")
    return Reference(registry, name, version or "latest")


def platform_of(version: Dict[str, Any], machine: str) -> Platform:
    """Return an engine's platform by its ``GET /version`` and its machine's kind (``armv7l``)."""
    os_name, architecture = str(version.get("Os", "linux")), str(version.get("Arch", ""))
    variants: Tuple[str, ...] = ("",)
    if architecture == "arm64":
        variants = ("v8", "")
    elif architecture == "arm":
        newest = 6 if machine.startswith("armv6") else 5 if machine.startswith("armv5") else 7
        variants = (*("v%d" % number for number in range(newest, 4, -1)), "")
    return Platform(os_name, architecture, variants)


def look_up(
    image: str, platform: Platform, auth: Optional[Dict[str, str]], within_s: float = _WITHIN_S
) -> List[Layer]:
    """Return an image's layers, the lowest first.

    Raises:
        Refused: the registry says no.
        Unasked: it could not be asked, or its answer is of no use.

    """
    reference = parsed(image)
    session = _Session(reference, auth, Asker(within_s))
    told = session.manifest(reference.version)
    if isinstance(told.get("manifests"), list):
        told = session.manifest(chosen(told["manifests"], platform))
    config = _descriptor(told.get("config"))
    layers = told.get("layers")
    if not isinstance(layers, list) or not 0 < len(layers) <= _MOST_LAYERS:
        raise Unasked("its manifest is of no kind that is known here")
    rootfs = session.blob(config[0]).get("rootfs")
    contents = rootfs.get("diff_ids") if isinstance(rootfs, dict) else None
    if not isinstance(contents, list) or len(contents) != len(layers):
        raise Unasked("its manifest and its image's config do not fit together")
    pairs = zip(map(_descriptor, layers), contents)
    return [Layer(digest, size, str(content)) for (digest, size), content in pairs]


def chosen(manifests: List[Any], platform: Platform) -> str:
    """Return the digest of the manifest for a platform. Raises Refused, Unasked."""
    found: Dict[str, str] = {}
    others = set()
    for one in manifests[:_MOST_LAYERS]:
        told = one.get("platform") if isinstance(one, dict) else None
        if not isinstance(told, dict):
            continue
        named = Platform(str(told.get("os")), str(told.get("architecture")))
        if named[:2] == platform[:2]:
            found.setdefault(str(told.get("variant") or ""), _descriptor(one)[0])
        elif _PART.fullmatch(named.os) and _PART.fullmatch(named.architecture):
            others.add(str(named)[:40])
    for variant in platform.variants:
        if variant in found:
            return found[variant]
    if found and platform.variants == ("",):
        return next(iter(found.values()))
    known = ", ".join(sorted(others - {"unknown/unknown"})[:10]) or "none that is known here"
    raise NoSuchPlatform("it is not for %s; it is for %s" % (platform, known))


def missing(layers: List[Layer], there: List[List[str]]) -> Dict[str, int]:
    """Return bytes to pull by digest; ``there``: the contents of the layers of each image here.

    A layer is there if an image has it upon the same layers.
    """
    known = {tuple(contents[:n]) for contents in there for n in range(1, len(contents) + 1)}
    found: Dict[str, int] = {}
    chain: Tuple[str, ...] = ()
    for layer in layers:
        chain = (*chain, layer.content)
        if chain not in known:
            found[layer.digest] = layer.size_bytes
    return found


class _Session:
    """Questions about one image."""

    def __init__(self, reference: Reference, auth: Optional[Dict[str, str]], asker: Asker) -> None:
        self._reference = reference
        self._auth = auth
        self._asker = asker
        self._authorization: Optional[str] = None
        host = _HUB_HOST if reference.registry in _HUB else reference.registry
        bare = host.rsplit(":", 1)[0] if not host.endswith("]") else host
        scheme = "http" if is_loopback(bare.strip("[]")) else "https"
        self._base = "%s://%s/v2/%s/" % (scheme, host, reference.repository)

    def manifest(self, version: str) -> Dict[str, Any]:
        accept = ", ".join((*_LISTS, *_MANIFESTS))
        return self._get("manifests/" + version, accept, version)

    def blob(self, digest: str) -> Dict[str, Any]:
        return self._get("blobs/" + digest, "*/*", digest)

    def _get(self, path: str, accept: str, version: str) -> Dict[str, Any]:
        reply = self._ask(path, accept)
        if reply.status == 401 and self._authorization is None:
            challenges = reply.headers.get_all("WWW-Authenticate") or []
            self._authorization = registry_auth.authorization(
                self._asker, self._base, self._reference.repository, challenges, self._auth
            )
            reply = self._ask(path, accept)
        if reply.status in (401, 403):
            lacks = "the config has no login for it" if self._auth is None else "not for this login"
            raise Refused("it refuses (%d): %s" % (reply.status, lacks))
        if reply.status == 404:
            raise Refused("it has no such image (404)")
        if reply.status != 200:
            raise Unasked("it answers %d" % reply.status)
        return _object(reply.body, version)

    def _ask(self, path: str, accept: str) -> Reply:
        headers = {"Accept": accept, "User-Agent": "moorage-agent"}
        if self._authorization is not None:
            headers["Authorization"] = self._authorization
        url = self._base + path
        return self._asker.get(url, headers, most_bytes=_MOST_MANIFEST_BYTES, moves=True)


def _object(body: bytes, version: str) -> Dict[str, Any]:
    if _DIGEST.fullmatch(version) and "sha256:" + hashlib.sha256(body).hexdigest() != version:
        raise Unasked("what it answers is not what its digest names")
    try:
        found = json.loads(body.decode("utf-8"))
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise Unasked("its answer is of no use")
    return found


def _descriptor(told: Any) -> Tuple[str, int]:
    """Return (digest, bytes) of what a manifest points at. Raises Unasked."""
    digest = told.get("digest") if isinstance(told, dict) else None
    size = told.get("size") if isinstance(told, dict) else None
    if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
        raise Unasked("its manifest is of no kind that is known here")
    if type(size) is not int or not 0 <= size <= _LARGEST_LAYER:
        raise Unasked("its manifest is of no kind that is known here")
    return digest, size
