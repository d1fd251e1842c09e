"""What the agent's tests share: tokens, an enrolled store, an agent run until something holds."""

import threading
import time
import zlib
from collections.abc import Callable
from pathlib import Path

from moorage_agent.enrol import enrol
from moorage_agent.logs import Collector, log
from moorage_agent.loop import Agent
from moorage_agent.store import Store
from moorage_agent.transport import Transport

WITHIN_S = 60


def token(kind: str = "inst", digit: str = "a") -> str:
    head = f"{kind}_{digit * 40}"
    return f"{head}{zlib.crc32(head.encode()):08x}"


def enrolled(
    folder: Path, server, *, used: str | None = None, transport: Transport | None = None
) -> None:
    store = Store(str(folder), boot_id="boot")
    way = transport or Transport(server.url)
    enrol(store, way, server=server.url, token=used or token())
    way.close()
    store.close()


def run(
    folder: Path,
    server,
    until: Callable[[], object] = lambda: False,
    *,
    boot_id: str = "boot",
    within_s: float = WITHIN_S,
    ends: bool = False,
    why_no_restart: Callable[[], str | None] = lambda: None,
    after: Callable[[Agent], None] = lambda _agent: None,
    transport: Callable[[], Transport] | None = None,
) -> Agent:
    """Run an agent in this thread until it ends or ``until`` holds, seen from another thread.

    ``ends``: it is to end by itself.
    """
    store = Store(str(folder), boot_id=boot_id)
    collector = Collector()
    log.handlers, log.propagate = [collector], True
    log.setLevel("DEBUG")
    agent = Agent(
        store,
        str(folder),
        collector,
        boot_id=boot_id,
        transport=transport or (lambda: Transport(server.url)),
        why_no_restart=why_no_restart,
    )
    ended, held, late = threading.Event(), threading.Event(), threading.Event()

    def watch() -> None:
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline and not ended.is_set():
            if until():
                held.set()
                break
            time.sleep(0.01)
        if not ended.is_set() and not held.is_set():
            late.set()
        agent.stop()

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        agent.run()
        after(agent)
    finally:
        ended.set()
        watcher.join()
        store.close()
    if ends:
        assert not late.is_set(), "it did not end"
        return agent
    assert held.is_set() or agent.enrolled_anew or until(), "what was waited for did not come"
    return agent
