"""A whole story at the most talkative log level: no key or token is in the log or the database."""

import json
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime

import httpx
import pytest

from moorage.kit.ids import new_key_text
from support.server import ServerProcess


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    """Every way to put a secret into a request, and what the server wrote down meanwhile."""
    folder = tmp_path_factory.mktemp("server")
    server = ServerProcess(folder, env={"MOORAGE_LOG_LEVEL": "debug", "MOORAGE_LOG_FORMAT": "json"})
    server.start()
    secrets: set[str] = set()
    try:
        with httpx.Client(base_url=server.base_url, timeout=10) as client:
            made = server.bootstrap()
            secrets |= {made["api_key"], made["test_api_key"]}
            secrets |= _tell(client, made["api_key"])
        dump = _dump(folder / "data" / "db" / "moorage.db")
    finally:
        server.stop()
    return {"secrets": secrets, "log": server.log.read_text(), "database": dump}


def _tell(client: httpx.Client, key: str) -> set[str]:
    secrets = set()
    auth = {"Authorization": f"Bearer {key}"}
    device = client.post("/v1/devices", json={"name": "camera"}, headers=auth).json()
    token = device["install_token"]
    device_key = new_key_text("adk")
    other = client.post(
        "/v1/api-keys", json={"name": "r"}, headers=auth | {"Idempotency-Key": "k-1"}
    ).json()
    again = client.post("/v1/devices", json={"name": "b"}, headers=auth | {"Idempotency-Key": "k"})
    secrets |= {token, device_key, other["key"], again.json()["install_token"]}
    assert client.get(f"/devices/v2/{token}/install.sh").status_code == 200
    enrolled = client.post("/v1/enroll", json={"install_token": token, "device_key": device_key})
    assert enrolled.status_code == 200
    assert client.get(f"/devices/v2/{token}/install.sh").status_code == 404
    now = datetime.now(UTC).isoformat()
    report = {"epoch": "e", "sequence": 1, "sent_at": now, "telemetry": [{"at": now}]}
    device_auth = {"Authorization": f"Bearer {device_key}"}
    assert client.post("/v1/reports", json=report, headers=device_auth).status_code == 200
    assert client.get("/v1/config", headers=device_auth).status_code == 200
    for secret in (key, device_key, token):
        for path in (
            f"/{secret}",
            f"/v1/{secret}",
            f"/v1/devices/{secret}",
            f"/v1/api-keys/{secret}",
            f"/devices/v2/{secret}/install.sh",
            f"/devices/v2/{secret}/other",
            f"/acme/devices?api_key={secret}",
            f"/v1/devices?api_key={secret}&cursor={secret}&q={secret}",
            f"/healthz?token={secret}",
            f"/nothing/{secret}/x",
            f"/install/{secret}",
        ):
            for method in ("GET", "POST", "DELETE"):
                client.request(method, path)
                client.request(method, path, headers=auth)
        client.get("/v1/devices", headers={"Authorization": secret})
        client.get("/v1/devices", headers={"Authorization": f"Basic {secret}", "Cookie": secret})
        client.get("/v1/devices", headers={"X-Api-Key": secret, "Referer": f"http://a/{secret}"})
        client.post("/v1/enroll", json={"install_token": secret, "device_key": secret})
        client.post("/v1/enroll", content=f'{{"install_token": "{secret}'.encode())
        client.post("/v1/devices", json={"name": {"x": secret}, "type": 5}, headers=auth)
        client.post("/v1/reports", json={**report, "logs": secret}, headers=device_auth)
        client.post("/v1/reports", content=secret.encode(), headers=device_auth)
    assert client.delete(f"/v1/devices/{device['id']}", headers=auth).status_code == 204
    assert client.post("/v1/reports", json=report, headers=device_auth).status_code == 410
    assert client.delete(f"/v1/api-keys/{other['id']}", headers=auth).status_code == 200
    return secrets


def _dump(path) -> str:
    with sqlite3.connect(path) as database:
        return "\n".join(database.iterdump())


def test_the_log_holds_no_secret(story):
    assert len(story["secrets"]) >= 6
    for secret in story["secrets"]:
        assert secret not in story["log"]
        assert secret[-40:] not in story["log"]


def test_the_log_names_templates_and_never_a_path(story):
    lines = [json.loads(line) for line in story["log"].splitlines()]
    routes = {line["route"] for line in lines if line["event"] == "request"}
    assert {
        "/v1/devices",
        "/v1/devices/{device_id}",
        "/v1/enroll",
        "/devices/v2/{install_id}/install.sh",
        "/v1/reports",
        "/healthz",
        "(unknown)",
    } <= routes
    assert not any("inst_" in route or "sk_" in route or "acme" in route for route in routes)


def test_every_request_is_one_line_with_an_id_of_its_own(story):
    lines = [json.loads(line) for line in story["log"].splitlines()]
    ids = [line["request_id"] for line in lines if line["event"] in ("request", "report")]
    assert len(ids) > 200
    assert len(ids) == len(set(ids))


def test_nothing_went_wrong_inside(story):
    lines = [json.loads(line) for line in story["log"].splitlines()]
    bad = [line for line in lines if line["level"] in ("warning", "error", "critical")]
    assert bad == []


def test_the_database_holds_no_secret(story):
    assert "INSERT INTO" in story["database"]
    for secret in story["secrets"]:
        assert secret not in story["database"]


def test_a_password_in_the_databases_address_is_not_logged(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "moorage.cli", "serve", "--port", "0", "--keys-dir", tmp_path],
        env={
            "MOORAGE_DATABASE": "postgresql://u:hunter2@127.0.0.1:1/x",
            "MOORAGE_LOG_LEVEL": "debug",
            "PATH": "",
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 1
    assert "hunter2" not in done.stdout + done.stderr
