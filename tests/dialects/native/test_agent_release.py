"""Which agent the server hands out: signed, and the file itself what was signed."""

import base64
import hashlib
import io
import json
import zipfile

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from dialects.native_kit import on_sqlite, pointers_of, problem_of

pytestmark = on_sqlite


def unpadded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


async def told(api):
    device = await api.enroll()
    return await api.read("/v1/agent", key=device.key)


async def test_what_is_said_of_the_agent_is_signed_and_is_the_file(api):
    said = await told(api)
    key = (await api.client.get("/v1/server-key")).json()["public_key"]
    signed, _, signature = said["signed"].rpartition(".")
    mark, _, content = signed.partition(".")
    Ed25519PublicKey.from_public_bytes(unpadded(key)).verify(unpadded(signature), signed.encode())
    parts = {name: said[name] for name in ("version", "sha256", "size")}
    assert mark == "MRU1"
    assert json.loads(unpadded(content)) == {"v": 1, **parts}
    file = (await api.client.get(said["path"])).content
    assert (hashlib.sha256(file).hexdigest(), len(file)) == (said["sha256"], said["size"])
    with zipfile.ZipFile(io.BytesIO(file)) as archive:
        source = archive.read("moorage_agent/__init__.py").decode()
    assert f'__version__ = "{said["version"]}"' in source


async def test_a_text_signed_for_one_purpose_is_none_for_another(api):
    said = await told(api)
    key = unpadded((await api.client.get("/v1/server-key")).json()["public_key"])
    signed, _, signature = said["signed"].rpartition(".")
    forged = "MRG1" + signed[4:]
    with pytest.raises(InvalidSignature):
        Ed25519PublicKey.from_public_bytes(key).verify(unpadded(signature), forged.encode())


async def test_an_owners_key_is_no_devices(api):
    answer = await api.client.get("/v1/agent", headers=api.auth())
    problem_of(answer, 403, "device_key_required")


@pytest.mark.parametrize(
    ("arguments", "pointer"),
    [
        ({"version": 2}, "/arguments/version"),
        ({"version": ""}, "/arguments/version"),
        ({"downgrade": "yes"}, "/arguments/downgrade"),
    ],
)
async def test_an_update_that_no_agent_could_read_is_refused(api, arguments, pointer):
    made = await api.make()
    body = {"kind": "update_agent", "arguments": arguments}
    path = f"/v1/devices/{made['id']}/commands"
    answer = await api.client.post(path, json=body, headers=api.auth())
    assert pointers_of(problem_of(answer, 422)) == [pointer]


async def test_an_update_is_queued_like_any_command(api):
    made = await api.make()
    for arguments in ({}, {"version": "1.0.0", "downgrade": True}):
        body = {"kind": "update_agent", "arguments": arguments}
        path = f"/v1/devices/{made['id']}/commands"
        answer = await api.client.post(path, json=body, headers=api.auth())
        assert answer.status_code == 201, answer.text
