"""Devices through the native API."""


async def test_a_device_is_made_with_a_token_shown_once(running):
    made = await running.client.post(
        "/v1/devices", json={"name": "camera 1", "tags": ["a", "b"]}, headers=running.auth()
    )
    assert made.status_code == 201
    token = made.json()["install_token"]
    assert token in made.json()["install_command"]
    read = await running.client.get(f"/v1/devices/{made.json()['id']}", headers=running.auth())
    assert read.json()["name"] == "camera 1"
    assert token not in read.text
