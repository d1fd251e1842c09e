"""Which images may go: those that we pulled and that nothing has used for a while.

Pure but for the file in which it stands. How long an image was unused is counted while the agent
runs, so that a clock that jumps costs none.
"""

from __future__ import annotations

import os
from typing import Dict, Iterable, List, NamedTuple, Set, Tuple

from moorage_agent import remembered

_FILE = "container-images.json"
# Beside the image that a service runs, the one of before stays: going back must need no network.
_KEPT_OF_A_SERVICE = 2


class Pulled(NamedTuple):
    """An image that we pulled: by which names, and for how long nothing has used it."""

    names: Tuple[str, ...]
    unused_s: float = 0.0


class Kept(NamedTuple):
    """What is known of images by their ids, and which each service used, the latest first."""

    pulled: Dict[str, Pulled]
    used: Dict[str, List[str]]


def with_pulled(kept: Kept, image_id: str, name: str) -> Kept:
    """Note that we pulled an image."""
    known = kept.pulled.get(image_id, Pulled(()))
    names = known.names if name in known.names else (*known.names, name)
    return kept._replace(pulled={**kept.pulled, image_id: Pulled(names)})


def with_use(kept: Kept, image_id: str) -> Kept:
    """Note that an image is about to be used."""
    known = kept.pulled.get(image_id)
    if known is None:
        return kept
    return kept._replace(pulled={**kept.pulled, image_id: known._replace(unused_s=0.0)})


def with_services(kept: Kept, running: Dict[str, str], wanted: Iterable[str]) -> Kept:
    """Note the image that each service runs; what is known of services that are gone goes."""
    used = {}
    for service in wanted:
        before = kept.used.get(service, [])
        now = running.get(service)
        ids = before if now is None else [now, *[one for one in before if one != now]]
        if ids:
            used[service] = ids[:_KEPT_OF_A_SERVICE]
    return kept._replace(used=used)


def aged(kept: Kept, in_use: Set[str], passed_s: float) -> Kept:
    """Add the time that passed to those that nothing uses."""
    held = in_use.union(*kept.used.values())
    pulled = {
        image_id: one._replace(unused_s=0.0 if image_id in held else one.unused_s + passed_s)
        for image_id, one in kept.pulled.items()
    }
    return kept._replace(pulled=pulled)


def removable(kept: Kept, kept_s: float) -> List[str]:
    """Return the ids of those that were unused for long enough."""
    return sorted(i for i, one in kept.pulled.items() if 0.0 < one.unused_s >= kept_s)


def without(kept: Kept, image_id: str) -> Kept:
    """Forget an image: it is gone, or it is not ours alone any more."""
    pulled = {one: what for one, what in kept.pulled.items() if one != image_id}
    return kept._replace(pulled=pulled)


# --- the file


def read(folder: str) -> Kept:
    """Return what is written in the agent's folder; what cannot be read is as if never pulled."""
    found = remembered.read(os.path.join(folder, _FILE))
    try:
        pulled, used = found["pulled"], found["used"]
        return Kept(
            {str(i): Pulled(tuple(o["names"]), float(o["unused_s"])) for i, o in pulled.items()},
            {str(service): [str(one) for one in ids] for service, ids in used.items()},
        )
    except (AttributeError, KeyError, TypeError, ValueError):
        return Kept({}, {})


def write(folder: str, kept: Kept) -> None:
    """Write it down. On a full disk an image may stay for ever, or a while longer."""
    pulled = {image_id: one._asdict() for image_id, one in kept.pulled.items()}
    remembered.write(os.path.join(folder, _FILE), {"pulled": pulled, "used": kept.used})
