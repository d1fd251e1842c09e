"""When the agent replaces itself, and what is remembered and told of it. Used by the loop's thread.

What is fetched is ``update_fetch``'s, the trial ``update_trial``'s.
"""

from __future__ import annotations

import json
import logging
import random
import sqlite3
import threading
from typing import Any, Callable, Dict, List, NamedTuple, Optional

from moorage_agent import (
    __version__,
    environment,
    installed,
    server_keys,
    update_fetch,
    update_trial,
)
from moorage_agent.happenings import happened
from moorage_agent.installed import App
from moorage_agent.logs import log
from moorage_agent.messages import Command
from moorage_agent.outbox import Row
from moorage_agent.results import Outcome
from moorage_agent.store import Store
from moorage_agent.transport import Transport
from moorage_agent.update_fetch import Asked, Fetched, LearnedKey, Nothing
from moorage_agent.update_offer import Wanted

UPDATE = "update_agent"
MESSAGES = (Fetched, Nothing, LearnedKey)
# How far apart devices of a fleet ask by themselves, and how often each does.
SPREAD_S = "MOORAGE_AGENT_UPDATE_SPREAD_S"
EVERY_S = "MOORAGE_AGENT_UPDATE_EVERY_S"
_DEFAULT_SPREAD_S = 3600.0
_DEFAULT_EVERY_S = 6 * 3600.0
_MOST_TRIED = 20
_ON_TRIAL = "this agent is itself a newer one on trial; ask again when that is over"


class Ended(NamedTuple):
    """What came of a command to update."""

    command: Command
    outcome: Outcome


class Updater:
    """Brings newer agents for one agent, when its owner wants them."""

    def __init__(
        self,
        store: Store,
        app: Optional[App],
        transport: Callable[[], Transport],
        deliver: Callable[[Any], None],
    ) -> None:
        """``app``: the file that runs; ``deliver`` takes messages, from any thread."""
        self._store = store
        self._app = app
        self._transport = transport
        self._deliver = deliver
        self._commands: Dict[str, Command] = {}
        self._busy = False
        self._due_at: Optional[float] = None
        self._said: Optional[str] = None
        # Whether one is ready to be tried, which takes this loop to end.
        self.is_ready = False

    # --- by command

    def why_not(self) -> Optional[str]:
        """Return what stands against updating this agent, found without asking anybody."""
        if update_trial.is_on():
            return _ON_TRIAL
        return "an update is under way" if self._busy else installed.why_fixed(self._app)

    def begin(self, command: Command) -> None:
        """Bring what a command asks for; what came of it is delivered."""
        version, downgrade = command.arguments.get("version"), command.arguments.get("downgrade")
        wanted = Wanted(version if isinstance(version, str) else None, downgrade is True)
        self._commands[command.id] = command
        self._fetch(command.id, wanted)

    # --- by config

    def honour(self, settings: Dict[str, Any], now: float) -> None:
        """Take in what config says: each device asks at a moment of its own."""
        if settings.get("agent_updates", "manual") != "automatic":
            self._due_at = None
        elif self._due_at is None:
            self._due_at = now + _spread()

    def tick(self, now: float) -> None:
        """Look for a newer agent when it is time."""
        if self._due_at is None or now < self._due_at or self._busy:
            return
        self._due_at = now + environment.seconds(EVERY_S, _DEFAULT_EVERY_S) + _spread()
        if self.why_not() is None and self._store.get("key") is not None:
            self._fetch(None, Wanted())

    # --- both

    def _fetch(self, command_id: Optional[str], wanted: Wanted) -> None:
        app, store = self._app, self._store
        assert app is not None
        server = store.get("server") or ""
        asked = Asked(
            command_id,
            wanted,
            store.get("key") or "",
            server_keys.known(store),
            tuple(_tried(store)),
        )

        def learned(key: bytes) -> None:
            self._deliver(LearnedKey(server, key))

        def work() -> None:
            found: Any
            try:
                found = update_fetch.fetch(app, self._transport(), asked, learned)
            except Exception as error:  # noqa: BLE001 - whatever is wrong, it must be answered
                reason = "%s: %s" % (type(error).__name__, error)
                found = Nothing(asked, reason, seriously=True)
            self._deliver(found)

        self._busy = True
        threading.Thread(target=work, name="update", daemon=True).start()

    def take(self, message: Any) -> Optional[Ended]:
        """Take in one of MESSAGES; return what came of a command, if that is known by now."""
        if isinstance(message, LearnedKey):
            if message.server == self._store.get("server"):
                server_keys.keep_first(self._store, message.key)
            return None
        asked: Asked = message.asked
        if isinstance(message, Fetched):
            _begin(self._store, asked, message.offer)
        self._busy = False
        command = self._commands.pop(asked.command_id or "", None)
        if isinstance(message, Fetched):
            self.is_ready = True
            log.info("agent %s is tried now", message.offer.version)
            return None
        if command is not None:
            return Ended(command, _outcome_of(message))
        if message.reason is not None and message.reason != self._said:
            if message.seriously:
                # First, for it may fail; then the message comes again.
                self._store.add([_failed_row(None, message.reason)])
            level = logging.WARNING if message.seriously else logging.INFO
            log.log(level, "no update: %s", message.reason)
            self._said = message.reason
        return None


def _outcome_of(nothing: Nothing) -> Outcome:
    if nothing.reason is not None:
        return Outcome({}, nothing.reason)
    return Outcome({"from": __version__, "to": __version__, "updated": False})


# --- what is remembered over a trial; agents of all versions read it


def _begin(store: Store, asked: Asked, offer: Any) -> None:
    """Note on the disk what is tried, before it is."""
    record = {
        "command": asked.command_id,
        "device": store.get("device_id"),
        "from": __version__,
        "to": offer.version,
        "sha256": offer.sha256,
    }
    store.put(update=json.dumps(record))


def fail(store: Store, reason: str) -> None:
    """Note why what was tried did not prove itself."""
    record = _record(store)
    if record is not None:
        store.put(update=json.dumps({**record, "reason": reason}))


def settle(store: Store, app: Optional[App]) -> None:
    """Answer what an update came to, by the file that runs now; on trial it is open still."""
    if update_trial.is_on():
        return
    try:
        if app is not None:
            installed.discard_next(app)
        record = _record(store)
        if record is not None:
            _settle(store, app, record)
    except (OSError, sqlite3.OperationalError) as error:
        # A full disk is no reason not to start; what is left here is taken up by the next start.
        log.warning("what is left of an update cannot be settled: %s", error)


def _settle(store: Store, app: Optional[App], record: Dict[str, Any]) -> None:
    tried = _tried(store)
    about = {"from": str(record.get("from")), "to": str(record.get("to"))}
    if app is not None and app.sha256 == record.get("sha256"):
        outcome = Outcome({**about, "updated": True})
        row = happened("agent.updated", "the agent runs %(to)s, after %(from)s" % about, about)
        log.info("updated: agent %(to)s, after %(from)s", about)
    else:
        reason = str(record.get("reason") or "it was interrupted before it had proved itself")
        text = "agent %s did not prove itself, and %s goes on: %s"
        outcome = Outcome(about, text % (about["to"], about["from"], reason))
        row = _failed_row(about, reason)
        tried = [*tried, str(record.get("sha256"))][-_MOST_TRIED:]
        log.error("%s", outcome.error)
    if record.get("device") != store.get("device_id"):
        # Enrolled as another device meanwhile, which knows nothing of it.
        store.put(update=None, updates_tried=json.dumps(tried))
        return
    command_id = record.get("command")
    with store.transaction():
        if isinstance(command_id, str):
            store.finish(command_id, UPDATE, outcome, [row])
        else:
            store.add([row])
        store.put(update=None, updates_tried=json.dumps(tried))


def _record(store: Store) -> Optional[Dict[str, Any]]:
    found = _json(store.get("update"))
    return found if isinstance(found, dict) else None


def _tried(store: Store) -> List[str]:
    found = _json(store.get("updates_tried"))
    return [one for one in found if isinstance(one, str)] if isinstance(found, list) else []


def _json(text: Optional[str]) -> Any:
    try:
        return None if text is None else json.loads(text)
    except ValueError:
        return None


def _failed_row(about: Optional[Dict[str, str]], reason: str) -> Row:
    told = {**(about or {"from": __version__}), "reason": reason}
    return happened("agent.update_failed", "the agent was not updated: %s" % reason, told)


def _spread() -> float:
    return random.uniform(0, environment.seconds(SPREAD_S, _DEFAULT_SPREAD_S))
