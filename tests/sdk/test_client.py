"""Both clients against a real server: what they return, how they page, how they fail."""

import inspect
import json
import re

import httpx
import pytest

from moorage import sdk
from moorage.sdk import config, devices, errors, feed, running, virtual
from moorage.sdk import keys as keys_and_audit
from moorage.sdk import server as server_and_workspaces
from moorage.sdk.answers import Answer, refusal
from sdk.wire import Refuse, Wire
from support.prestarted import prestarted

UNKNOWN = "dev_" + "0" * 24


def auth(key):
    return {"Authorization": f"Bearer {key}"}


def admin_key(server):
    """A key of whoever runs the server."""
    done = prestarted().run(["admin-key", "--json", *server._options], server._env)
    return json.loads(done.stdout)["admin_key"]


def test_a_device_from_its_making_to_its_end(fleet):
    made = fleet.call(
        lambda c: c.devices.create(
            f"life {fleet.kind}", type="pi", tags=["a"], reference=fleet.kind
        )
    )
    there = httpx.get(f"{fleet.url}/v1/devices/{made.id}", headers=auth(fleet.key)).json()
    got = fleet.call(lambda c: c.devices.get(made.id))
    assert (got.name, got.type, got.tags, got.reference) == (
        there["name"],
        there["type"],
        tuple(there["tags"]),
        there["reference"],
    )
    assert sdk.encode(got) == there
    changed = fleet.call(lambda c: c.devices.update(made.id, reference=None))
    assert (changed.reference, changed.tags) == (None, ("a",))
    assert fleet.call(lambda c: c.devices.delete(made.id)) is None
    gone = httpx.get(f"{fleet.url}/v1/devices/{made.id}", headers=auth(fleet.key))
    assert gone.status_code == 404


def test_pages_are_followed_to_the_end_each_row_once(fleet):
    tag = f"paged-{fleet.kind}"
    made = [fleet.call(lambda c, n=n: c.devices.create(f"d{n}", tags=[tag])) for n in range(7)]
    listed = fleet.rows(lambda c: c.devices.iterate(tag=[tag], page_size=3))
    assert [one.id for one in listed] == [one.id for one in reversed(made)]
    pages = fleet.pages(lambda c: c.devices.iterate(tag=[tag], page_size=3, include="counts"))
    assert [len(page.items) for page in pages] == [3, 3, 1]
    assert pages[-1].next_cursor is None
    assert pages[0].rest["counts"]["never_seen"] == 7


def test_only_the_pages_that_are_wanted_are_asked_for(fleet, keys):
    for n in range(3):
        fleet.call(lambda c, n=n: c.devices.create(f"lazy {n}"))
    with Wire(fleet.url) as wire, sdk.Moorage(wire.url, keys["api_key"]) as client:
        listed = iter(client.devices.iterate(page_size=1))
        next(listed)
        assert len(wire.seen) == 1
        next(listed)
        assert len(wire.seen) == 2


@pytest.mark.parametrize("cursors", ["aa", "ab"], ids=["itself", "two in turn"])
def test_a_list_that_goes_in_circles_is_noticed(fleet, cursors):
    json = {"Content-Type": "application/json"}
    with Wire(fleet.url) as wire:
        for one in cursors * 50:
            wire.plan.append(Refuse(200, json, f'{{"data": [], "next_cursor": "{one}"}}'.encode()))
        fleet.url = wire.url
        with pytest.raises(sdk.UnexpectedAnswer, match="circles"):
            fleet.rows(lambda c: c.devices.iterate())
        assert len(wire.seen) < 10


def test_each_refusal_of_the_server_has_its_class(fleet, keys):
    made = fleet.call(lambda c: c.devices.create(f"refuse {fleet.kind}"))
    taken = f"taken {fleet.kind}"
    fleet.call(lambda c: c.devices.create("first", reference=taken))

    with pytest.raises(sdk.NotFound) as raised:
        fleet.call(lambda c: c.devices.get(UNKNOWN))
    assert (raised.value.status, raised.value.code) == (404, "not_found")
    with pytest.raises(sdk.Conflict) as raised:
        fleet.call(lambda c: c.devices.create("second", reference=taken))
    assert raised.value.code == "reference_taken"
    with pytest.raises(sdk.Invalid) as raised:
        fleet.call(lambda c: c.devices.create(""))
    assert [fault.pointer for fault in raised.value.faults] == ["/name"]
    assert "/name" in str(raised.value)
    with pytest.raises(sdk.PreconditionFailed):
        fleet.call(lambda c: c.config.change(made.id, {}, digest="0" * 64))
    with pytest.raises(sdk.TooLarge):
        fleet.call(lambda c: c.config.change(made.id, {"config": {"x": "y" * 300_000}}))

    narrow = fleet.call(lambda c: c.keys.create("narrow", scopes=["device:read"]))
    wide, fleet.key = fleet.key, narrow.key
    with pytest.raises(sdk.MissingScope) as raised:
        fleet.call(lambda c: c.devices.create("forbidden"))
    assert raised.value.scope == "device:update"
    fleet.key = wide
    fleet.call(lambda c: c.keys.revoke(narrow.id))
    fleet.key = narrow.key
    with pytest.raises(sdk.Unauthenticated):
        fleet.call(lambda c: c.devices.get(made.id))


def test_a_deleted_device_with_its_own_key_is_gone(fleet):
    made = fleet.call(lambda c: c.devices.create("gone"))
    answer = httpx.post(f"{fleet.url}/v1/enroll", json={"install_token": made.install_token})
    fleet.call(lambda c: c.devices.delete(made.id))
    refused = httpx.get(f"{fleet.url}/v1/config", headers=auth(answer.json()["device_key"]))
    error = refusal(
        Answer(
            refused.status_code, {k.lower(): v for k, v in refused.headers.items()}, refused.content
        )
    )
    assert isinstance(error, sdk.Gone)


def test_a_provisioning_token_from_its_making_to_its_end(fleet):
    made = fleet.call(
        lambda c: c.provisioning_tokens.create("shelf", max_uses=3, policy="new", tags=["a"])
    )
    assert made.token.startswith("apt_")
    assert made.token not in repr(made)
    assert (made.single_use, made.expires_at is None) == (False, False)
    got = fleet.call(lambda c: c.provisioning_tokens.get(made.id))
    assert (got.name, got.max_uses, got.policy, got.tags) == ("shelf", 3, "new", ("a",))
    body = {"provisioning_token": made.token, "device": {"device_id": f"shelf-{fleet.kind}"}}
    assert httpx.post(f"{fleet.url}/v1/enroll", json=body).status_code == 200
    used = fleet.call(lambda c: c.provisioning_tokens.get(made.id))
    assert (used.use_count, used.last_used_at is None) == (1, False)
    for_ever = fleet.call(
        lambda c: c.provisioning_tokens.create("ever", expires_in_s=None, max_uses=1)
    )
    assert (for_ever.expires_at, for_ever.single_use) == (None, True)
    fleet.call(lambda c: c.provisioning_tokens.revoke(made.id))
    listed = {one.id: one for one in fleet.rows(lambda c: c.provisioning_tokens.iterate())}
    assert listed[made.id].revoked_at is not None
    assert listed[for_ever.id].revoked_at is None


def test_the_line_for_a_device_is_read_when_the_server_makes_it_and_never_shown_in_a_repr(fleet):
    told = fleet.call(lambda c: c.provisioning_tokens.create("line"))
    answer = {**sdk.encode(told), "setup_command": "curl -fsSL http://x/setup | sh -s -- apt_line"}
    with Wire(fleet.url) as wire:
        body = httpx.Response(201, json=answer).content
        wire.plan.append(Refuse(201, {"Content-Type": "application/json"}, body))
        fleet.url = wire.url
        made = fleet.call(lambda c: c.provisioning_tokens.create("line"))
    assert made.setup_command == answer["setup_command"]
    assert "apt_" not in repr(made)


def test_an_owner_reads_and_renames_its_own_workspace_and_makes_none(fleet):
    (own,) = fleet.rows(lambda c: c.workspaces.iterate())
    there = httpx.get(f"{fleet.url}/v1/workspaces/{own.slug}", headers=auth(fleet.key)).json()
    assert sdk.encode(own) == there
    renamed = fleet.call(lambda c: c.workspaces.update(own.slug, name=f"renamed {fleet.kind}"))
    assert fleet.call(lambda c: c.workspaces.get(own.slug)) == renamed
    assert renamed.name == f"renamed {fleet.kind}"
    with pytest.raises(sdk.Forbidden) as raised:
        fleet.call(lambda c: c.workspaces.create("another"))
    assert raised.value.code == "administration_only"


def test_the_administration_makes_a_workspace_whose_keys_work_and_are_in_no_repr(fleet, server):
    fleet.key = admin_key(server)
    made = fleet.call(lambda c: c.workspaces.create(f"made-{fleet.kind}", features=["deviceAio"]))
    for key in (made.api_key, made.test_api_key):
        assert httpx.get(f"{fleet.url}/v1/devices", headers=auth(key)).status_code == 200
        assert key not in repr(made)
    assert made.slug in [one.slug for one in fleet.rows(lambda c: c.workspaces.iterate())]
    changed = fleet.call(lambda c: c.workspaces.update(made.slug, features=[]))
    assert (changed.name, changed.features) == (made.slug, ())
    with pytest.raises(sdk.Conflict):
        fleet.call(lambda c: c.workspaces.create(made.slug))


def test_the_servers_public_key_is_read(fleet):
    told = httpx.get(f"{fleet.url}/v1/server-key").json()
    assert sdk.encode(fleet.call(lambda c: c.server.key())) == told


def test_a_virtual_device_is_made_driven_and_ended(fleet):
    (made,) = fleet.call(lambda c: c.virtual_devices.create(name=f"played {fleet.kind}")).data
    assert made.id in [one.id for one in fleet.rows(lambda c: c.virtual_devices.iterate())]
    driven = fleet.call(lambda c: c.virtual_devices.drive(made.id, "fault", description="dirt"))
    assert (made.faulty, driven.faulty) == (False, True)
    assert fleet.call(lambda c: c.virtual_devices.get(made.id)).faulty
    fleet.call(lambda c: c.virtual_devices.delete(made.id))
    with pytest.raises(sdk.NotFound):
        fleet.call(lambda c: c.virtual_devices.get(made.id))


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, sdk.ApiError),
        (401, sdk.Unauthenticated),
        (403, sdk.Forbidden),
        (410, sdk.Gone),
        (413, sdk.TooLarge),
        (429, sdk.RateLimited),
        (500, sdk.ServerFailed),
        (502, sdk.ServerFailed),
        (503, sdk.Unavailable),
        (507, sdk.StorageFull),
        (599, sdk.ServerFailed),
    ],
)
def test_a_status_without_a_problem_document_has_its_class_too(status, kind):
    error = refusal(Answer(status, {"content-type": "text/html"}, b"<h1>no</h1>"))
    assert type(error) is kind
    assert str(status) in str(error)


def test_the_tree_of_errors_is_as_it_is_drawn():
    drawn = {
        line.split("── ")[1].split()[0]
        for line in inspect.getdoc(errors).splitlines()
        if "── " in line
    }
    there = {
        name
        for name, value in vars(errors).items()
        if inspect.isclass(value) and issubclass(value, sdk.MoorageError)
    }
    assert drawn | {"MoorageError"} == there
    assert there <= set(sdk.__all__)


@pytest.mark.parametrize(
    "body", [b"<html>", b"[]", b'{"data": 1}', b'{"data": [{}]}', b"[" * 100_000]
)
def test_an_answer_that_is_not_this_apis_is_said_to_be_so(fleet, body):
    with Wire(fleet.url) as wire:
        wire.plan.append(Refuse(200, {"Content-Type": "application/json"}, body))
        fleet.url = wire.url
        with pytest.raises(sdk.UnexpectedAnswer):
            fleet.rows(lambda c: c.devices.iterate())


def test_a_redirect_is_not_followed_and_so_no_key_goes_elsewhere(fleet):
    with Wire(fleet.url) as there, Wire(fleet.url) as wire:
        wire.plan.append(Refuse(307, {"Location": f"{there.url}/v1/devices"}))
        fleet.url = wire.url
        with pytest.raises(sdk.UnexpectedAnswer, match="redirected"):
            fleet.rows(lambda c: c.devices.iterate())
        assert there.seen == []


@pytest.mark.parametrize("id", ["", ".", "..", "../api-keys", "a/b", "a?b", "a#b", "ü"])
def test_an_id_never_leads_to_another_address(fleet, id):  # noqa: A002 - its name
    with Wire(fleet.url) as wire:
        fleet.url = wire.url
        with pytest.raises((ValueError, sdk.NotFound)):
            fleet.call(lambda c: c.devices.get(id))
        for _, path, _ in wire.seen:
            assert path.startswith("/v1/devices/")
            assert "/" not in path.removeprefix("/v1/devices/")
            assert "?" not in path


@pytest.mark.parametrize("key", ["", "sk live", "sk_\n", "sk_ü"])
def test_a_key_that_cannot_be_one_is_refused_without_being_shown(key):
    with pytest.raises(ValueError, match="key") as raised:
        sdk.Moorage("http://127.0.0.1:1", key)
    assert not key or key not in str(raised.value)


def test_both_clients_have_the_same_methods():
    def surface(cls):
        client = cls("http://127.0.0.1:1", "sk_x")
        parts = {name: part for name, part in vars(client).items() if not name.startswith("_")}
        return {
            (name, method)
            for name, part in parts.items()
            for method in dir(type(part))
            if not method.startswith("_")
        }

    assert surface(sdk.Moorage) == surface(sdk.AsyncMoorage)
    assert ("devices", "create") in surface(sdk.Moorage)


PUBLIC_OR_FOR_DEVICES = {
    "/v1/agent",
    "/v1/commands",
    "/v1/config",
    "/v1/docs",
    "/v1/docs/start.js",
    "/v1/enroll",
    "/v1/openapi.json",
    "/v1/reports",
}


def test_each_route_for_owners_can_be_asked_for(fleet):
    """The SDK names every fixed part of each path that the server documents."""
    paths = httpx.get(f"{fleet.url}/v1/openapi.json").json()["paths"]
    parts = (devices, config, feed, running, keys_and_audit, server_and_workspaces, virtual)
    source = "".join(map(inspect.getsource, parts))
    named = set(re.findall(r'"(?:/v1/)?([a-z-]+)"', source))
    for path in paths.keys() - PUBLIC_OR_FOR_DEVICES:
        fixed = {part for part in path.split("/")[2:] if not part.startswith("{")}
        assert fixed <= named, path
