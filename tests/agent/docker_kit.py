"""What tests of containers share: services of the busybox image, what was told, what runs."""

from support import docker

BASE = {"config": {"stable_s": 0.5}, "services": {}, "streams": {}}
STAYS = ["sh", "-c", "echo started; exec sleep 600"]


def container(**more):
    image = {"image": docker.IMAGE, "tag": "1", "command": STAYS, "stop_after_s": 0}
    return {**image, **more}


def document(**services):
    return {**BASE, "services": services}


def told(server):
    states = [report["config"] for report in server.accepted if "config" in report]
    return [state for state in states if state["state"] != "pending"]


def services(server):
    rows = [report["services"] for report in server.accepted if "services" in report]
    return {row["name"]: row for row in rows[-1]} if rows else {}


def running(engine):
    found = engine.engine.call("GET", "/containers/json")
    return {one["Names"][0].lstrip("/"): one for one in found}


def inspected(engine, name):
    return engine.engine.call("GET", f"/containers/{name}/json")
