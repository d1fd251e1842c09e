"""The list of servers in a config: taken only when this server's own key has signed it."""

from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from dialects.native_kit import pointers_of, problem_of
from moorage.core.config import Address, sign_servers

NOW = datetime(2026, 11, 21, 10, tzinfo=UTC)
ADDRESS = Address("https://fleet.example.com")


@pytest.fixture
def signer(tmp_path, api):
    return load_pem_private_key((tmp_path / "keys" / "signing.pem").read_bytes(), password=None)


async def patched(api, text):
    made = await api.make()
    path = f"/v1/devices/{made['id']}/config"
    return await api.client.patch(path, json={"config": {"servers": text}}, headers=api.auth())


async def test_a_list_of_this_server_is_taken_and_comes_to_the_device_as_it_was_made(api, signer):
    text = sign_servers([ADDRESS], signer, NOW)
    answer = await patched(api, text)
    assert answer.status_code == 200, answer.text
    assert answer.json()["document"]["config"]["servers"] == text


async def test_it_may_stand_in_the_default_config(api, signer):
    body = {"patch": {"config": {"servers": sign_servers([ADDRESS], signer, NOW)}}}
    answer = await api.client.put("/v1/default-config", json=body, headers=api.auth())
    assert answer.status_code == 200, answer.text
    body = {"patch": {"config": {"servers": "https://fleet.example.com"}}}
    answer = await api.client.put("/v1/default-config", json=body, headers=api.auth())
    problem_of(answer, 422, "servers_not_signed")


async def test_a_list_that_no_device_would_follow_is_refused(api, signer):
    good = sign_servers([ADDRESS], signer, NOW)
    foreign = sign_servers([ADDRESS], Ed25519PrivateKey.generate(), NOW)
    other_mark = "MRU1" + good[4:]
    for text in (foreign, other_mark, good[:-1], good.rpartition(".")[0], "fleet.example.com", ""):
        problem = problem_of(await patched(api, text), 422, "servers_not_signed")
        assert pointers_of(problem) == ["/config/servers"]
    assert pointers_of(problem_of(await patched(api, [good]), 422)) == ["/config/servers"]


async def test_a_plan_with_such_a_list_is_refused_alike(api):
    made = await api.make()
    path = f"/v1/devices/{made['id']}/config/plan"
    answer = await api.client.post(path, json={"config": {"servers": "x"}}, headers=api.auth())
    problem_of(answer, 422, "servers_not_signed")


@pytest.mark.parametrize(
    ("addresses", "reason"),
    [
        ([], "1 to 16"),
        ([ADDRESS] * 17, "1 to 16"),
        ([Address("ftp://fleet.example.com")], "http:// or https://"),
        ([Address("https://fleet.example.com/?x")], "http:// or https://"),
        ([Address("http://fleet.example.com", pin="sha256:" + "0" * 64)], "must be https"),
        ([Address("https://fleet.example.com", pin="sha256//short")], "a pin is"),
        ([Address("https://fleet.example.com", ca="none")], "PEM"),
    ],
)
def test_what_is_no_address_is_not_signed(addresses, reason):
    with pytest.raises(ValueError, match=reason):
        sign_servers(addresses, Ed25519PrivateKey.generate(), NOW)
