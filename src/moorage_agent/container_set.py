"""The containers of one agent among those of an engine: found by their labels, made, taken away.

A service has one, and beside it, while an update of its image is not proven yet, the one of before,
set aside under another name. That name is what a later process knows of an update under way.
"""

from __future__ import annotations

from typing import Any, Dict, List, NamedTuple, Optional

from moorage_agent import container_specs as specs
from moorage_agent.drivers import DriverError
from moorage_agent.engine import Engine, EngineRefused
from moorage_agent.units import Unit

_STOP_WITHIN_S = 330.0
# No service's container is called so: their names go on with another sign.
_ASIDE = "moorage_before-"


class Pair(NamedTuple):
    """What a service has: its container, and the one of before an update that is on trial."""

    main: Optional[Dict[str, Any]] = None
    aside: Optional[Dict[str, Any]] = None


class Ours:
    """The containers that belong to an agent."""

    def __init__(self, engine: Engine, agent: str, device: str) -> None:
        """``agent`` marks what is ours; ``device`` is told people who look at the engine."""
        self._engine = engine
        self._agent = agent
        self._device = device

    def listed(self) -> List[Dict[str, Any]]:
        """Return all of them as the engine lists them."""
        filters = '{"label":["%s=%s"]}' % (specs.LABEL_AGENT, self._agent)
        query = {"all": "1", "filters": filters}
        found: List[Dict[str, Any]] = self._engine.call("GET", "/containers/json", query=query)
        return [one for one in found if specs.LABEL_SERVICE in (one.get("Labels") or {})]

    def pairs(self) -> Dict[str, Pair]:
        """Return them by service."""
        found: Dict[str, Pair] = {}
        for one in self.listed():
            service = one["Labels"][specs.LABEL_SERVICE]
            is_aside = any(name.startswith("/" + _ASIDE) for name in one.get("Names") or ())
            pair = found.get(service, Pair())
            found[service] = pair._replace(aside=one) if is_aside else pair._replace(main=one)
        return found

    def of(self, service: str) -> Pair:
        """Return those of a service."""
        return self.pairs().get(service, Pair())

    def make(self, unit: Unit, revision: str, gpu: Optional[str], image: Optional[str]) -> None:
        """Make a service's container, of ``image`` in place of its unit's if one is given.

        Raises:
            DriverError: its name is somebody else's, or the engine refuses.

        """
        name = specs.container_name(unit.name)
        labels = {
            specs.LABEL_AGENT: self._agent,
            specs.LABEL_DEVICE: self._device,
            specs.LABEL_SERVICE: unit.name,
            specs.LABEL_REVISION: revision,
            specs.LABEL_SPEC: unit.digest,
        }
        body = specs.body_of(unit, labels=labels, gpu=gpu)
        if image is not None:
            body["Image"] = image
        try:
            self._engine.call("POST", "/containers/create", body, query={"name": name})
        except EngineRefused as error:
            if error.status != 409:
                raise
            text = "there is a container named %s already, and it is not ours; remove it"
            raise DriverError(text % name) from None

    def start(self, unit: Unit) -> None:
        """Start a service's container. Raises DriverError, in words that say what to do."""
        path = "/containers/%s/start" % specs.container_name(unit.name)
        try:
            self._engine.call("POST", path)
        except EngineRefused as error:
            raise specs.not_started(unit, str(error), again=error.again) from None

    def restart(self, container: str) -> None:
        """Stop one and start it again."""
        path = "/containers/%s/restart" % container
        self._engine.call("POST", path, within_s=_STOP_WITHIN_S)

    def stop(self, container: str) -> None:
        """Stop one, which may be gone already."""
        self._unless_gone("POST", "/containers/%s/stop" % container)

    def remove(self, container: str) -> None:
        """Remove one, which may be gone already; its image and its volumes stay."""
        self._unless_gone("DELETE", "/containers/%s?force=1" % container)

    def set_aside(self, container: str, service: str) -> None:
        """Stop one and keep it, out of the way, for going back to it."""
        name = _ASIDE + specs.container_name(service)[len("moorage-") :]
        # Engines do not always give one another name while it runs.
        self.stop(container)
        # By its name a later process knows that it is to be brought back.
        self._engine.call("POST", "/containers/%s/rename" % container, query={"name": name})
        # Or the engine would start it beside the other one after a power cut.
        self._set_policy(container, "no")

    def bring_back(self, container: str, unit: Unit) -> None:
        """Give one that was set aside its name again, which nothing has any more; not started."""
        name = specs.container_name(unit.name)
        self._set_policy(container, unit.body["restart"])
        self._engine.call("POST", "/containers/%s/rename" % container, query={"name": name})

    def _set_policy(self, container: str, policy: str) -> None:
        body = {"RestartPolicy": {"Name": policy}}
        self._engine.call("POST", "/containers/%s/update" % container, body)

    def _unless_gone(self, method: str, path: str) -> None:
        try:
            self._engine.call(method, path, within_s=_STOP_WITHIN_S)
        except EngineRefused as error:
            if error.status != 404:
                raise
