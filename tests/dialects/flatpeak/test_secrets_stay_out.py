"""A story at the most talkative log level: no key or token is in the log or the database."""

import base64
import json
import sqlite3

import httpx
import pytest

from dialects.flatpeak_kit import basic
from support.server import ServerProcess


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    folder = tmp_path_factory.mktemp("server")
    server = ServerProcess(folder, env={"MOORAGE_LOG_LEVEL": "debug", "MOORAGE_LOG_FORMAT": "json"})
    server.start()
    try:
        made = server.bootstrap()
        key, account_id = made["api_key"], made["workspace"]["id"]
        with httpx.Client(base_url=server.base_url, timeout=10) as client:
            secrets = _tell(client, key, account_id)
        with sqlite3.connect(folder / "data" / "db" / "moorage.db") as database:
            dump = "\n".join(database.iterdump())
    finally:
        server.stop()
    return {"secrets": secrets, "log": server.log.read_text(), "database": dump}


def _tell(client: httpx.Client, key: str, account_id: str) -> set[str]:
    pair = basic(account_id, key)
    token = client.get("/login", headers=pair).json()["bearer_token"]
    auth = {"Authorization": f"Bearer {token}"}
    assert client.post("/devices", headers=auth | {"Idempotency-Key": "k"}).status_code == 201
    for secret in (key, token, pair["Authorization"].split()[1]):
        for scheme in ("Basic", "Bearer", "Token"):
            headers = {"Authorization": f"{scheme} {secret}"}
            for path in ("/login", "/devices", "/customers", f"/devices/{secret}"):
                client.get(path, headers=headers)
                client.post(path, headers=headers, json={"reference_id": 7})
        for path in (f"/login/{secret}", f"/devices/{secret}", f"/events/{secret}"):
            client.get(path)
            client.delete(path, headers=auth)
        client.get("/devices", params={"starting_after": secret, "limit": secret}, headers=auth)
        client.get("/devices", headers=auth | {"Flatpeak-Version": secret})
        client.get("/login", params={"api_key": secret, "token": secret})
        client.get("/login", headers=basic(secret, secret))
    signature = token.rsplit(".", 1)[1]
    return {key, token, signature, pair["Authorization"].split()[1]}


def test_the_log_and_the_database_hold_no_secret(story):
    assert len(story["secrets"]) == 4
    assert "INSERT INTO" in story["database"]
    for secret in story["secrets"]:
        for place in ("log", "database"):
            assert secret not in story[place]
            assert secret[-30:] not in story[place]
            assert base64.b64encode(secret.encode()).decode() not in story[place]


def test_the_log_names_templates_and_nothing_went_wrong(story):
    lines = [json.loads(line) for line in story["log"].splitlines()]
    routes = {line["route"] for line in lines if line["event"] == "request"}
    assert {"/login", "/devices", "/devices/{device_id}", "(unknown)"} <= routes
    assert not any("dev_" in route or "sk_" in route for route in routes)
    assert [line for line in lines if line["level"] in ("warning", "error", "critical")] == []
