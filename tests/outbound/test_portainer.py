"""Portainer as the manager of environments: made once whatever happens, and nothing given away."""

import base64
import logging
import re

import httpx
import pytest

from moorage.core.environments import Made, ManagerRefused, ManagerUnavailable
from moorage.kit.ids import new_id
from moorage.outbound import Portainer, PortainerSetup
from outbound.conftest import setup_for
from support.certificates import write_certificate
from support.portainer import FINGERPRINT, FakePortainer, Fault, form_of

NAME = f"moorage-{new_id('dev_')}"


def parts_of(edge_key: str) -> list[str]:
    padded = edge_key + "=" * (-len(edge_key) % 4)
    return base64.b64decode(padded, validate=True).decode().split("|")


async def test_what_is_made_has_a_number_and_a_key_that_names_it(contract):
    made = await contract.manager().make(contract.name())
    url, tunnel, fingerprint, number = parts_of(made.edge_key)
    assert "=" not in made.edge_key
    assert url == contract.setup.device_url
    assert re.fullmatch(r"[^:]+:\d+", tunnel)
    assert re.fullmatch(r"[0-9a-f:]+|[A-Za-z0-9+/=]+", fingerprint)
    assert int(number) == made.endpoint_id > 0


async def test_making_it_again_finds_the_same_one(contract):
    name = contract.name()
    first = await contract.manager().make(name)
    assert await contract.manager().make(name) == first
    assert (await contract.manager().make(contract.name())).endpoint_id != first.endpoint_id


async def test_what_is_removed_is_gone_and_removing_it_again_is_fine(contract):
    name, manager = contract.name(), contract.manager()
    first = await manager.make(name)
    await manager.remove(name, first.endpoint_id)
    await manager.remove(name, first.endpoint_id)
    await manager.remove(name, None)
    assert (await manager.make(name)).endpoint_id != first.endpoint_id


async def test_what_was_made_without_our_hearing_of_it_is_removed_by_its_name(contract):
    name, manager = contract.name(), contract.manager()
    await manager.make(name)
    await manager.remove(name, None)
    assert await manager.make(name)


async def test_all_is_well_with_a_portainer_that_knows_the_key(contract):
    assert await contract.manager().health() is None


async def test_a_key_it_does_not_know_is_refused_and_not_repeated(contract):
    wrong = "ptr_" + "x" * 43 + "="
    manager = contract.manager(api_key=wrong)
    for asked in (manager.make(contract.name()), manager.remove("moorage-x", None)):
        with pytest.raises(ManagerRefused) as refused:
            await asked
        assert "MOORAGE_PORTAINER__API_KEY" in str(refused.value)
        assert wrong not in str(refused.value)
    assert "MOORAGE_PORTAINER__API_KEY" in (await manager.health() or "")


async def test_localhost_as_the_devices_address_is_refused_by_portainer_itself(contract):
    with pytest.raises(ManagerRefused):
        await contract.manager(device_url="http://localhost:9000").make(contract.name())


async def ask(contract, method: str, path: str, **more) -> httpx.Response:
    """A call as somebody else might make it."""
    headers = {"X-API-KEY": contract.setup.api_key} | more.pop("headers", {})
    async with httpx.AsyncClient(base_url=contract.setup.url, verify=False) as client:
        return await client.request(method, path, headers=headers, **more)


async def test_what_we_rely_on_in_portainer_is_so(contract):
    name = contract.name()
    form = {"Name": name, "EndpointCreationType": "4", "URL": contract.setup.device_url}
    as_json = await ask(contract, "POST", "/api/endpoints", json=form)
    assert as_json.status_code == 400, "it takes multipart only"
    assert as_json.json().keys() >= {"message", "details"}
    parts = {key: (None, text) for key, text in form.items()}
    bearer = {"Authorization": "Bearer x"}
    twice = await ask(contract, "POST", "/api/endpoints", files=parts, headers=bearer)
    assert twice.status_code in (401, 403), "one way to log in, no other beside it"
    made = await ask(contract, "POST", "/api/endpoints", files=parts)
    assert made.status_code == 200
    assert (await ask(contract, "POST", "/api/endpoints", files=parts)).status_code == 409
    found = await ask(
        contract, "GET", f"/api/endpoints?name={name}&types[]=4&types[]=7&excludeSnapshots=true"
    )
    assert [(one["Id"], one["EdgeKey"]) for one in found.json()] == [
        (made.json()["Id"], made.json()["EdgeKey"])
    ]
    elsewhere = f"/api/endpoints?name={name}&types[]=1&excludeSnapshots=true"
    assert not (await ask(contract, "GET", elsewhere)).json()
    path = f"/api/endpoints/{made.json()['Id']}"
    assert (await ask(contract, "DELETE", path)).status_code == 204
    assert (await ask(contract, "DELETE", path)).status_code == 404


async def test_an_answer_that_trickles_is_given_up_in_time(fake):
    fake.faults.append(Fault.TRICKLE)
    manager = Portainer(setup_for(fake, timeout_s=0.3))
    # The row is there: what trickled was the answer.
    assert (await manager.make(NAME)).endpoint_id == 1
    assert fake.rows.keys() == {1}
    await manager.aclose()


async def test_all_that_is_set_is_sent_as_a_form_in_parts(fake):
    manager = Portainer(
        setup_for(
            fake,
            tunnel_address="tunnel.example.com:8000",
            group_id=3,
            tag_ids=(1, 2),
            checkin_interval_s=30,
        )
    )
    await manager.make(NAME)
    await manager.aclose()
    (sent,) = fake.created
    assert form_of(sent) == {
        "Name": NAME,
        "EndpointCreationType": "4",
        "URL": "https://portainer.example.com:9443",
        "EdgeTunnelServerAddress": "tunnel.example.com:8000",
        "GroupID": "3",
        "TagIds": "[1,2]",
        "EdgeCheckinInterval": "30",
    }
    key = fake.keys[0]
    assert parts_of(key) == [
        "https://portainer.example.com:9443",
        "tunnel.example.com:8000",
        FINGERPRINT,
        "1",
    ]


async def test_what_is_not_set_is_left_to_portainer(fake, manager):
    await manager.make(NAME)
    assert form_of(fake.created[0]).keys() == {"Name", "EndpointCreationType", "URL"}


async def test_our_key_stands_in_one_header_and_nothing_else_says_who_we_are(
    fake, manager, monkeypatch
):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    other = Portainer(setup_for(fake))
    for at in range(3):
        await other.make(f"{NAME}{at}")
    await other.remove(f"{NAME}0", 1)
    await other.aclose()
    assert len(fake.seen) >= 5
    for one in fake.seen:
        assert [text for name, text in one.headers if name == "x-api-key"] == [fake.api_key]
        assert not {"authorization", "cookie"} & dict(one.headers).keys()


@pytest.mark.parametrize(
    "fault",
    [
        Fault.ERROR_DONE,
        Fault.DROP_DONE,
        Fault.SLOW_DONE,
        Fault.GARBAGE,
        Fault.HUGE,
        Fault.PACKED,
        Fault.KEYLESS,
    ],
)
async def test_what_was_made_though_the_answer_was_lost_is_found_by_its_name(fake, fault):
    fake.faults.append(fault)
    manager = Portainer(setup_for(fake, timeout_s=0.3 if fault is Fault.SLOW_DONE else 5))
    made = await manager.make(NAME)
    await manager.aclose()
    assert made == Made(1, fake.rows[1]["EdgeKey"])
    assert len(fake.created) == 1
    asked = fake.seen[-1].query
    assert asked == {"name": [NAME], "types[]": ["4", "7"], "excludeSnapshots": ["true"]}


@pytest.mark.parametrize("fault", [Fault.ERROR, Fault.DROP, Fault.SLOW])
async def test_what_was_not_made_may_be_tried_again(fake, fault):
    fake.faults.append(fault)
    manager = Portainer(setup_for(fake, timeout_s=0.3 if fault is Fault.SLOW else 5))
    with pytest.raises(ManagerUnavailable):
        await manager.make(NAME)
    if fault is not Fault.SLOW:
        assert (await manager.make(NAME)).endpoint_id == 1
    await manager.aclose()


@pytest.mark.parametrize("fault", [Fault.UNAUTHORIZED, Fault.FORBIDDEN, Fault.BAD_REQUEST])
async def test_a_refusal_is_asked_once(fake, manager, fault):
    fake.fault = fault
    with pytest.raises(ManagerRefused):
        await manager.make(NAME)
    assert len(fake.seen) == 1


async def test_a_redirect_is_not_followed(fake, manager):
    fake.faults.append(Fault.REDIRECT)
    with pytest.raises(ManagerUnavailable, match="MOORAGE_PORTAINER__URL"):
        await manager.make(NAME)
    assert [one.path for one in fake.seen] == ["/api/endpoints"]


async def test_only_a_row_of_exactly_the_name_is_adopted(fake, manager):
    fake.add(f"{NAME}0")
    fake.add(NAME.upper())
    fake.add(NAME, kind=1)
    # Another kind of environment has the name: taken, and not ours to use.
    with pytest.raises(ManagerUnavailable, match="409"):
        await manager.make(NAME)


async def test_one_that_an_agent_has_joined_is_not_adopted(fake, manager):
    fake.add(NAME, edge_id="11111111-2222-3333-4444-555555555555")
    with pytest.raises(ManagerRefused, match="has an agent already"):
        await manager.make(NAME)


async def test_what_has_only_our_number_is_left_alone(fake, manager):
    made = await manager.make(NAME)
    fake.rows[made.endpoint_id]["Name"] = "renamed by hand"
    with pytest.raises(ManagerRefused, match="another name"):
        await manager.remove(NAME, made.endpoint_id)
    assert made.endpoint_id in fake.rows


@pytest.mark.parametrize("fault", [Fault.ERROR, Fault.DROP, Fault.SLOW, Fault.GARBAGE, Fault.HUGE])
async def test_removing_is_tried_again_when_the_answer_does_not_come(fake, fault):
    manager = Portainer(setup_for(fake, timeout_s=0.3 if fault is Fault.SLOW else 5))
    made = await manager.make(NAME)
    fake.faults.append(fault)
    with pytest.raises(ManagerUnavailable):
        await manager.remove(NAME, made.endpoint_id)
    await manager.aclose()


async def test_nobody_there_is_said_in_a_sentence(fake, manager):
    await fake.down()
    with pytest.raises(ManagerUnavailable, match="cannot be reached"):
        await manager.make(NAME)
    assert "cannot be reached" in (await manager.health() or "")


async def test_another_program_at_the_address_is_not_taken_for_portainer(fake, manager):
    fake.fault = Fault.GARBAGE
    assert "does not speak as Portainer" in (await manager.health() or "")


async def test_no_sentence_and_no_log_line_holds_a_key(fake, manager, caplog):
    caplog.set_level(logging.DEBUG)
    made = await manager.make(NAME)
    said = [repr(made), repr(setup_for(fake)), repr(manager)]
    for fault in (Fault.BAD_REQUEST, Fault.UNAUTHORIZED, Fault.ERROR, Fault.DROP, Fault.GARBAGE):
        fake.fault = fault
        with pytest.raises((ManagerRefused, ManagerUnavailable)) as refused:
            await manager.make(NAME)
        said.append(f"{refused.value!r} {refused.value.__cause__!r} {refused.value.__context__!r}")
    written = caplog.text + "\n".join(said)
    assert "400" in written
    for secret in (fake.api_key, made.edge_key, fake.api_key.removeprefix("ptr_")):
        assert secret not in written


def test_certificates_that_cannot_be_used_are_said_so(tmp_path):
    for path in (tmp_path / "absent.pem", tmp_path / "empty.pem"):
        if path.name == "empty.pem":
            path.write_text("no certificate")
        with pytest.raises(ValueError, match=re.escape(str(path))):
            Portainer(PortainerSetup("https://p", "ptr_x", "https://p", ca_bundle=path))


async def test_a_certificate_nobody_vouches_for_is_not_accepted(tmp_path):
    certificate = write_certificate(tmp_path)
    async with FakePortainer(certificate) as fake:
        stranger = Portainer(setup_for(fake))
        with pytest.raises(ManagerUnavailable, match="MOORAGE_PORTAINER__CA_BUNDLE"):
            await stranger.make(NAME)
        await stranger.aclose()
        for trusting in ({"ca_bundle": certificate[0]}, {"verify": False}):
            manager = Portainer(setup_for(fake, **trusting))
            assert (await manager.make(NAME)).endpoint_id == 1
            await manager.aclose()
