"""One fleet, four views: made in any dialect, whole in all of them; deleted in one, gone in all."""

import base64
from datetime import datetime

import pytest

from dialects.acusight_kit import UUID, data_of
from moorage.core import workspaces


class Fleet:
    """One server, asked in four ways."""

    def __init__(self, running) -> None:
        self.running = running
        self.client = running.client
        self.auth = running.auth()

    async def _flatpeak(self) -> dict[str, str]:
        async with self.running.db.read() as tx:
            account = (await workspaces.find_by_slug(tx, "acme")).id
        basic = base64.b64encode(f"{account}:{self.running.live_key}".encode()).decode()
        login = await self.client.get("/login", headers={"Authorization": f"Basic {basic}"})
        return {"Authorization": f"Bearer {login.json()['bearer_token']}"}

    async def make(self, dialect: str) -> str:
        """Make a device; our id for it."""
        match dialect:
            case "native":
                body = {"name": "Gate", "type": "camera", "tags": ["site=7"], "reference": "R-1"}
                made = await self.client.post("/v1/devices", json=body, headers=self.auth)
                return made.json()["id"]
            case "roboflow":
                body = {"device_name": "Gate", "device_type": "camera", "tags": ["site=7"]}
                made = await self.client.post("/acme/devices/v2", json=body, headers=self.auth)
                return made.json()["deviceId"]
            case "flatpeak":
                made = await self.client.post(
                    "/devices", json={"reference_id": "R-1"}, headers=await self._flatpeak()
                )
                return made.json()["id"]
            case _:
                body = {"name": "t", "tags": ["site=7"], "device_type": "camera"}
                token = await self.client.post(
                    "/api/provisioning-tokens", json=body, headers=self.auth
                )
                info = {"device_id": "box-1", "name": "Gate", "agent_version": "1.0.0"}
                body = {"token": data_of(token, 201)["token"], "device_info": info}
                data_of(await self.client.post("/api/devices/provision", json=body), 201)
                return data_of(await self.client.get("/api/devices/box-1", headers=self.auth))["id"]

    async def views(self, device_id: str) -> dict[str, dict]:
        native = await self.client.get(f"/v1/devices/{device_id}", headers=self.auth)
        roboflow = await self.client.get(f"/acme/devices/v2/{device_id}", headers=self.auth)
        flatpeak = await self.client.get(f"/devices/{device_id}", headers=await self._flatpeak())
        acusight = await self.client.get(f"/api/devices/{device_id}", headers=self.auth)
        return {
            "native": native.json(),
            "roboflow": roboflow.json(),
            "flatpeak": flatpeak.json(),
            "acusight": data_of(acusight),
        }

    async def delete(self, dialect: str, device_id: str) -> int:
        path = {"native": f"/v1/devices/{device_id}", "flatpeak": f"/devices/{device_id}"}
        headers = await self._flatpeak() if dialect == "flatpeak" else self.auth
        answer = await self.client.delete(
            path.get(dialect, f"/api/devices/{device_id}"), headers=headers
        )
        return answer.status_code

    async def lists(self) -> dict[str, list[str]]:
        native = await self.client.get("/v1/devices", headers=self.auth)
        roboflow = await self.client.get("/acme/devices/v2", headers=self.auth)
        flatpeak = await self.client.get("/devices", headers=await self._flatpeak())
        acusight = await self.client.get("/api/devices", headers=self.auth)
        return {
            "native": [one["id"] for one in native.json()["data"]],
            "roboflow": [one["id"] for one in roboflow.json()["data"]],
            "flatpeak": [one["id"] for one in flatpeak.json()["data"]],
            "acusight": [one["id"] for one in data_of(acusight)],
        }


@pytest.fixture
def fleet(running) -> Fleet:
    return Fleet(running)


DIALECTS = ["native", "roboflow", "flatpeak", "acusight"]


def second(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(microsecond=0)


@pytest.mark.parametrize("made_in", DIALECTS)
async def test_a_device_is_the_same_in_all_views_wherever_it_was_made(fleet, made_in):
    device_id = await fleet.make(made_in)
    views = await fleet.views(device_id)
    native, roboflow = views["native"], views["roboflow"]
    flatpeak, acusight = views["flatpeak"], views["acusight"]
    assert {view["id"] for view in views.values()} == {device_id}
    # Names, types, tags.
    name = "R-1" if made_in == "flatpeak" else "Gate"
    assert {native["name"], roboflow["name"], acusight["name"]} == {name}
    kind = "edge" if made_in == "flatpeak" else "camera"
    assert {native["type"], roboflow["type"], acusight["device_type"]} == {kind}
    tags = [] if made_in == "flatpeak" else ["site=7"]
    assert native["tags"] == roboflow["tags"] == acusight["tags"] == tags
    # Each dialect's own identifier, and what stands for it where there is none.
    reference = "R-1" if made_in in ("native", "flatpeak") else None
    assert native["reference"] == acusight["reference"] == reference
    assert flatpeak["reference_id"] == (reference or device_id)
    external = "box-1" if made_in == "acusight" else None
    assert native["external_id"] == external
    assert acusight["device_id"] == acusight["endpoint_id"] == (external or device_id)
    # Presence: provisioning is a contact, but no heartbeat.
    assert native["status"] == acusight["connection"] == "never_seen"
    assert roboflow["status"] == "unknown"
    assert ("last_seen" in flatpeak) == (made_in == "acusight")
    assert (native["last_seen_at"] is None) == (made_in != "acusight")
    # Whose it is, in which mode, since when.
    assert native["live_mode"] is flatpeak["live_mode"] is acusight["live_mode"] is True
    assert flatpeak["account_id"].startswith("acc_")
    assert UUID.fullmatch(acusight["organization_id"])
    made_at = {second(native["created_at"]), second(acusight["created_at"])}
    assert made_at == {second(flatpeak["time_created"])}


@pytest.mark.parametrize("made_in", DIALECTS)
@pytest.mark.parametrize("deleted_in", ["native", "flatpeak", "acusight"])
async def test_deleted_in_one_view_it_is_gone_from_all(fleet, made_in, deleted_in):
    device_id = await fleet.make(made_in)
    kept = (
        await fleet.client.post("/v1/devices", json={"name": "kept"}, headers=fleet.auth)
    ).json()
    assert set((await fleet.lists())["roboflow"]) == {device_id, kept["id"]}
    wanted = {"native": 204, "flatpeak": 202, "acusight": 200}
    assert await fleet.delete(deleted_in, device_id) == wanted[deleted_in]
    assert set(map(tuple, (await fleet.lists()).values())) == {(kept["id"],)}
    assert await fleet.delete(deleted_in, device_id) == 404


async def test_a_heartbeat_by_one_way_is_presence_in_all(fleet):
    device_id = await fleet.make("acusight")
    await fleet.client.post(f"/api/devices/{device_id}/release", headers=fleet.auth)
    token = await fleet.client.post(
        "/api/provisioning-tokens", json={"name": "t"}, headers=fleet.auth
    )
    body = {"token": data_of(token, 201)["token"], "device_info": {"device_id": "box-1"}}
    told = data_of(await fleet.client.post("/api/devices/provision", json=body), 201)
    key = {"X-Device-Key": told["api_key"]}
    data_of(await fleet.client.post("/api/device/checkin", json={}, headers=key))
    views = await fleet.views(device_id)
    assert views["native"]["status"] == views["acusight"]["connection"] == "online"
    assert views["roboflow"]["status"] == "online"
    seen = second(views["native"]["last_seen_at"])
    assert second(views["flatpeak"]["last_seen"]) == second(views["acusight"]["last_seen_at"])
    assert second(views["flatpeak"]["last_seen"]) == seen


async def test_each_identifier_is_changed_by_its_own_dialect_only(fleet):
    device_id = await fleet.make("acusight")
    await fleet.client.patch(
        f"/devices/{device_id}", json={"reference_id": "R-9"}, headers=await fleet._flatpeak()
    )
    await fleet.client.patch(
        f"/api/devices/{device_id}", json={"name": "x", "device_id": "y"}, headers=fleet.auth
    )
    await fleet.client.patch(
        f"/v1/devices/{device_id}", json={"external_id": "z", "id": "w"}, headers=fleet.auth
    )
    views = await fleet.views(device_id)
    assert views["native"]["external_id"] == views["acusight"]["device_id"] == "box-1"
    assert views["native"]["reference"] == views["flatpeak"]["reference_id"] == "R-9"
    assert {view["id"] for view in views.values()} == {device_id}
