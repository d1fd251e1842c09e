"""The agent's command line."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sqlite3
import sys
import time
from typing import Any, Dict, List, Optional, Sequence, Tuple

from moorage_agent import (
    __version__,
    addresses,
    facts,
    installed,
    keytext,
    offline,
    opening,
    restart,
    server_keys,
    update_trial,
    updates,
)
from moorage_agent.enrol import NotEnrolled, Pending, Trust, enrol, is_enrolled, pending, set_up
from moorage_agent.installed import App
from moorage_agent.local import data_folder
from moorage_agent.logs import Collector, configure
from moorage_agent.loop import Agent
from moorage_agent.store import Store
from moorage_agent.transport import Transport, Unreachable


def main(arguments: Optional[List[str]] = None) -> int:
    """Run a command; return its exit code."""
    options = _parser().parse_args(arguments)
    os.umask(0o077)  # nothing that this program makes is for others
    try:
        return int(options.command(options))
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Whoever read our output left, as `head` does; nothing may be written at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (NotEnrolled, ValueError) as error:
        return _fail(str(error))
    except (OSError, sqlite3.Error) as error:
        return _fail("%s (folder %s)" % (error, data_folder(options.dir)))


def _fail(message: str) -> int:
    _say(message)
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="moorage-agent", description="Reports this device to a Moorage server."
    )
    commands = parser.add_subparsers(metavar="COMMAND")
    parser.set_defaults(command=lambda _options: _usage(parser), dir=None)
    enrolling = commands.add_parser(
        "enroll",
        help="redeem a token and remember the key",
        description="Redeems a token and remembers the key that came of it. Without a token, or "
        "with the one that was redeemed already, it says whether this device is enrolled.",
    )
    enrolling.add_argument("--server", help="URL of the server")
    enrolling.add_argument(
        "--token",
        help="install or provisioning token; seen in the process list, so better in MOORAGE_TOKEN "
        "or --token-file",
    )
    enrolling.add_argument("--token-file", help="file that holds the token; - is standard input")
    enrolling.add_argument(
        "--payload",
        help="signed payload (MRG1....) instead of a server and a token; the device enrols at its "
        "first contact. - is standard input, and keeps it out of the process list",
    )
    enrolling.add_argument("--file", help="device.json with such a payload")
    enrolling.add_argument(
        "--server-key",
        help="the server's public key, as text or file: payloads and newer agents are believed by "
        "it (default: MOORAGE_SERVER_KEY; with a token, else what the server says now); GET "
        "/v1/server-key on the server says it",
    )
    enrolling.add_argument("--name", help="name for a device made by a provisioning token")
    enrolling.add_argument("--ca-file", help="certificates (PEM) to trust")
    enrolling.add_argument(
        "--pin",
        help="instead of a CA: sha256//BASE64, the digest of the server's public key as curl's "
        "--pinnedpubkey has it, or sha256:HEX, that of its certificate (DER)",
    )
    enrolling.add_argument(
        "--host",
        action="append",
        metavar="NAME=ADDRESS",
        default=[],
        help="where a name is that no DNS knows, of the server or a proxy; kept, may be given more "
        "than once. NAME= forgets it. MOORAGE_AGENT_HOSTS holds more of them, each time it runs",
    )
    enrolling.set_defaults(command=_enroll)
    running = commands.add_parser("run", help="report until stopped")
    running.add_argument("--once", action="store_true", help="deliver one report and end")
    running.add_argument(
        "--retired-exit",
        type=int,
        default=0,
        metavar="CODE",
        help="exit code when the device was deleted on the server (default 0); another one lets a "
        "service manager restart after everything else",
    )
    running.set_defaults(command=_run)
    status = commands.add_parser("status", help="say what the store holds")
    status.add_argument("--json", action="store_true", help="as JSON")
    status.set_defaults(command=_status)
    version = commands.add_parser("version", help="print the version")
    version.set_defaults(command=_version)
    for command in (enrolling, running, status, version):
        command.add_argument(
            "--dir",
            help="folder of the store (default: MOORAGE_AGENT_DIR, else /var/lib/moorage-agent for "
            "root and ~/.local/share/moorage-agent for others)",
        )
    return parser


def _usage(parser: argparse.ArgumentParser) -> int:
    parser.print_help()
    return 2


def _folder(options: argparse.Namespace) -> str:
    folder = data_folder(options.dir)
    os.makedirs(folder, mode=0o700, exist_ok=True)
    os.chmod(folder, 0o700)
    return folder


def _open(options: argparse.Namespace) -> Store:
    return opening.opened(_folder(options), facts.boot_id())


def _enroll(options: argparse.Namespace) -> int:
    if options.payload or options.file:
        return _enroll_offline(options)
    if not options.server:
        raise ValueError("give --server and a token, or a payload with --payload or --file")
    token = _token(options)
    server = options.server.rstrip("/")
    trust = Trust(_certificates(options.ca_file), options.pin)
    Transport(server, ca_pem=trust.ca_pem, pin=trust.pin)  # refuses what is wrong with them
    key = _given_server_key(options)
    store = _open(options)
    try:
        transport = _transport(store, server, trust, options.host)
        if is_enrolled(store, server, token):
            _keep_server_key(store, transport, key)
            if trust != Trust():
                store.put(**trust._asdict())
            print("enrolled already as %s" % store.get("device_id"))
            return 0
        if token is None:
            raise ValueError("give a token: MOORAGE_TOKEN, --token-file or --token")
        name = options.name
        told = enrol(store, transport, server=server, token=token, name=name, trust=trust)
        _keep_server_key(store, transport, key)
    finally:
        store.close()
    print("enrolled as %s in workspace %s" % (told["device_id"], told.get("workspace")))
    return 0


def _enroll_offline(options: argparse.Namespace) -> int:
    """Set up with a signed payload.

    A device that has no key waits for its first contact. One that has is enrolled anew at once or
    not at all: a payload that turns out to be spent must not cost it the key that works.
    """
    if options.server or options.token or options.token_file:
        raise ValueError("a payload names its server and holds its token; give it alone")
    key = offline.server_key(options.server_key or os.environ.get("MOORAGE_SERVER_KEY"))
    payload = offline.verified(_payload(options), key, time.time())
    server, token = payload.server, payload.secret
    trust = Trust(_certificates(options.ca_file), options.pin)
    Transport(server, ca_pem=trust.ca_pem, pin=trust.pin)  # refuses what is wrong with them
    store = _open(options)
    try:
        transport = _transport(store, server, trust, options.host)
        if is_enrolled(store, server, token):
            print("enrolled already as %s" % store.get("device_id"))
        elif store.get("key") is not None and not store.get("retired"):
            told = enrol(store, transport, server=server, token=token, trust=trust)
            print("enrolled as %s in workspace %s" % (told["device_id"], told.get("workspace")))
        else:
            set_up(store, Pending(server, token, trust), payload.report_interval_s)
            text = "set up as %s (%s); it enrols with %s at the first contact, while it runs"
            print(text % (payload.name, payload.device_id, server))
        server_keys.keep(store, server, key)
    finally:
        store.close()
    return 0


def _given_server_key(options: argparse.Namespace) -> Optional[bytes]:
    given = options.server_key or os.environ.get("MOORAGE_SERVER_KEY")
    return offline.server_key(given) if given else None


def _keep_server_key(store: Store, transport: Transport, given: Optional[bytes]) -> None:
    """Remember what the server's signatures are checked with: as given, or as it says by now.

    A server that does not say it now is asked again when there is something to check.
    """
    if given is not None:
        server_keys.keep(store, store.get("server") or "", given)
    elif server_keys.known(store) is None:
        try:
            found = server_keys.ask(transport)
        except Unreachable:
            return
        if found is not None:
            server_keys.keep_first(store, found)


def _transport(store: Store, server: str, trust: Trust, entries: Sequence[str] = ()) -> Transport:
    """Return the way to the server; where names are is kept first. Raises ValueError."""
    kept = addresses.with_entries(addresses.stored(store.get("hosts")), entries)
    hosts = addresses.with_entries(kept, _hosts_of_environment())
    if entries:
        store.put(hosts=addresses.written(kept))
    return Transport(server, ca_pem=trust.ca_pem, pin=trust.pin, hosts=hosts)


def _hosts_of_environment() -> List[str]:
    return addresses.entries_of(os.environ.get("MOORAGE_AGENT_HOSTS"))


def _payload(options: argparse.Namespace) -> str:
    if options.file:
        return offline.in_file(options.file)
    return sys.stdin.readline(16 * 1024) if options.payload == "-" else str(options.payload)


def _certificates(path: Optional[str]) -> Optional[str]:
    """Return the certificates' text, which is kept: the file may go, or be out of reach later."""
    if not path:
        return None
    with open(path, encoding="ascii", errors="ignore") as file:
        return file.read(4 * 1024 * 1024)


def _token(options: argparse.Namespace) -> Optional[str]:
    """Return the token that was given, checked for its form, or None. Raises ValueError."""
    if options.token:
        token = str(options.token)
    elif options.token_file == "-":  # noqa: S105 - a file name
        token = sys.stdin.readline(1024)
    elif options.token_file:
        with open(options.token_file, encoding="utf-8", errors="replace") as file:
            token = file.read(1024)
    else:
        token = os.environ.get("MOORAGE_TOKEN", "")
    token = token.strip()
    if not token:
        return None
    if keytext.kind_of(token) == "adk":
        raise ValueError("this is a device's key; enrolling takes an inst_ or apt_ token")
    return token


def _run(options: argparse.Namespace) -> int:
    collector = Collector()
    configure(collector)
    app = installed.running()
    held = opening.Held(_folder(options), facts.boot_id())
    try:
        while True:
            try:
                code = _run_agent(options, held, collector, app)
            except sqlite3.DatabaseError as error:
                held.mend(error)
                continue
            if code is not None:
                return code
    finally:
        held.let_go()


def _run_agent(
    options: argparse.Namespace, held: opening.Held, collector: Collector, app: Optional[App]
) -> Optional[int]:
    """Run an agent to its end; return the exit code, or None: another is to follow it."""
    store = held.store
    updates.settle(store, app)
    if store.get("retired"):
        _say("this device was deleted on the server; enrol it anew to use it again")
        return int(options.retired_exit)
    met = _meets(store)
    if met is None:
        _say("not enrolled yet: moorage-agent enroll --server URL --token-file FILE")
        return 1
    agent = _agent(held, collector, meets=met, app=app)
    agent.run(once=options.once)
    if options.once:
        return None if agent.enrolled_anew else _delivered(agent)
    return int(options.retired_exit) if store.get("retired") else _follow(agent, held, app)


def _delivered(agent: Agent) -> int:
    if agent.delivered():
        return 0
    return _fail("not delivered: " + (agent.failure or "stopped before an answer"))


def _follow(agent: Agent, held: opening.Held, app: Optional[App]) -> Optional[int]:
    """Do what the agent ended for; return the exit code, or None: another is to follow it."""
    if agent.restart_asked:
        agent.give_up_restart(restart.restart())
        return None
    if agent.update_ready and app is not None:
        # The new one works with the store from here on, until it is this one's again.
        held.let_go()
        trial = update_trial.try_out(app, held.folder)
        held.take()
        updates.fail(held.store, trial.failure)
        return 0 if trial.stopped else None
    return None if agent.enrolled_anew else 0


def _meets(store: Store) -> Optional[Tuple[str, Trust]]:
    """Return which server the agent belongs to, or is to enrol with; None before either."""
    server = store.get("server")
    if server is not None and store.get("key") is not None:
        return server, Trust(store.get("ca_pem"), store.get("pin"))
    wanted = pending(store)
    return None if wanted is None else (wanted.server, wanted.trust)


def _agent(
    held: opening.Held, collector: Collector, *, meets: Tuple[str, Trust], app: Optional[App]
) -> Agent:
    (server, trust), store = meets, held.store
    agent = Agent(
        store,
        held.folder,
        collector,
        boot_id=held.boot_id,
        transport=_transport(store, server, trust).twin,
        why_no_restart=restart.why_not,
        app=app,
        reach=lambda other, known_by: _transport(store, other, known_by),
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: agent.stop())
    return agent


def _say(text: str) -> None:
    print("moorage-agent: " + text, file=sys.stderr)


def _version(_options: argparse.Namespace) -> int:
    print(__version__)
    return 0


def _status(options: argparse.Namespace) -> int:
    store = _open(options)
    try:
        names = ("device_id", "workspace", "server", "last_acknowledged_at", "last_error")
        found: Dict[str, Any] = {name: store.get(name) for name in names}
        found["report_interval_s"] = float(store.get("interval_s") or 30)
        found["enrolled"] = store.get("key") is not None
        found["pending"] = store.get("pending") is not None
        found["retired"] = store.get("retired") is not None
        table = addresses.stored(store.get("hosts"))
        hosts = addresses.with_entries(table, _hosts_of_environment())
        found["hosts"] = hosts if options.json else addresses.shown(hosts)
        found.update(store.counts())
    finally:
        store.close()
    if options.json:
        print(json.dumps(found))
    else:
        for name, value in found.items():
            print("%-22s %s" % (name, "-" if value is None else value))
    return 0
