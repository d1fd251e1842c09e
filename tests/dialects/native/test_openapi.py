"""The OpenAPI document says what the server does, and the page about it needs nobody else."""

import re

import jsonschema_rs
import pytest
import schemathesis

from dialects.native_kit import on_sqlite, problem_of, report_of
from moorage.dialects.native.scopes import NEEDS

pytestmark = on_sqlite
UNLISTED = {"/v1/openapi.json", "/v1/docs", "/v1/docs/start.js"}


@pytest.fixture
async def document(running):
    answer = await running.client.get("/v1/openapi.json")
    assert answer.headers["content-type"] == "application/json"
    return answer.json()


async def test_the_document_is_openapi_3_1_that_a_tool_can_read(document):
    assert document["openapi"].startswith("3.1")
    schema = schemathesis.openapi.from_dict(document)
    operations = list(schema.get_all_operations())
    assert len(operations) == len([1 for _, path in NEEDS if path not in UNLISTED])
    assert all(operation.ok() for operation in operations)


async def test_the_document_is_valid_by_the_specification(document):
    jsonschema_rs.meta.validate({"$schema": "https://json-schema.org/draft/2020-12/schema"})
    for name, schema in document["components"]["schemas"].items():
        inlined = {**schema, "components": document["components"]}
        jsonschema_rs.validator_for(inlined), name
    ids = [one["operationId"] for path in document["paths"].values() for one in path.values()]
    assert len(ids) == len(set(ids))
    for reference in _references(document):
        node = document
        for step in reference.removeprefix("#/").split("/"):
            node = node[step]


def _references(node):
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for part in node.values():
            yield from _references(part)
    elif isinstance(node, list):
        for part in node:
            yield from _references(part)


async def test_every_route_is_described_and_no_other(document):
    described = {
        (method.upper(), path)
        for path, operations in document["paths"].items()
        for method in operations
    }
    assert described == {route for route in NEEDS if route[1] not in UNLISTED}


async def test_every_operation_names_each_way_to_be_refused_in_one_shape(document):
    for path, operations in document["paths"].items():
        for operation in operations.values():
            for status in (401, 403, 404, 405, 409, 410, 412, 413, 422, 429, 503, 507):
                content = operation["responses"][str(status)]["content"]
                assert list(content) == ["application/problem+json"], path
                (schema,) = content.values()
                assert schema["schema"] == {"$ref": "#/components/schemas/Problem"}


async def test_headers_that_routes_read_are_described(document):
    def headers(method: str, path: str) -> set[str]:
        parameters = document["paths"][path][method].get("parameters", [])
        return {one["name"] for one in parameters if one["in"] == "header"}

    for path in ("/v1/devices", "/v1/api-keys", "/v1/devices/{device_id}/install"):
        assert headers("post", path) == {"Idempotency-Key"}
    assert headers("patch", "/v1/devices/{device_id}/config") == {"If-Match"}
    assert headers("get", "/v1/config") == {"If-None-Match"}
    assert headers("post", "/v1/reports") == {"Moorage-Device-Time"}
    assert "304" in document["paths"]["/v1/config"]["get"]["responses"]
    assert "304" not in document["paths"]["/v1/devices/{device_id}/config"]["get"]["responses"]


async def test_answers_have_the_shape_the_document_gives_them(api, document):
    def fits(name: str, value) -> None:
        schema = {**document["components"]["schemas"][name], "components": document["components"]}
        jsonschema_rs.validator_for(schema).validate(value)

    body = {"name": "camera"}
    headers = {**api.auth(), "Idempotency-Key": "k"}
    for _ in range(2):
        made = await api.client.post("/v1/devices", json=body, headers=headers)
        fits("DeviceMadeOut", made.json())
        key = await api.client.post(
            "/v1/api-keys", json=body, headers=headers | {"Idempotency-Key": "l"}
        )
        fits("KeyMadeOut", key.json())
    device = await api.enroll()
    fits("Received", (await api.report(device)).json())
    fits("Problem", problem_of(await api.report(device, sequence=1, boot_id="b"), 409))
    fits("Problem", problem_of(await api.report(device, sequence=0), 422))
    fits("Report", report_of(id="0b6f0000-0000-4000-8000-000000000000", backfill=True))


async def test_the_docs_page_needs_no_third_party_and_no_inline_script(running):
    page = await running.client.get("/v1/docs")
    assert page.headers["content-type"].startswith("text/html")
    policy = dict(
        part.strip().split(" ", 1) for part in page.headers["content-security-policy"].split(";")
    )
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert "http" not in page.headers["content-security-policy"]
    addresses = re.findall(r"(?:src|href)=\"([^\"]+)\"", page.text)
    assert len(addresses) >= 3
    assert all(address.startswith("/v1/") for address in addresses)
    assert re.findall(r"<script(?![^>]*\bsrc=)", page.text) == []
    assert re.findall(r"\bon\w+=|javascript:", page.text) == []
    for address in addresses:
        asset = await running.client.get(address)
        assert asset.status_code == 200, address
    script = await running.client.get("/v1/docs/start.js")
    assert script.headers["content-type"].startswith("text/javascript")
    assert "http" not in script.text.replace("https://json-schema.org", "")


async def test_an_asset_that_is_none_is_a_problem_too(running):
    for path in (
        "nothing.js",
        "",
        "../../pyproject.toml",
        "..%2f..%2fpyproject.toml",
        "%00",
        "a" * 5000,
    ):
        answer = await running.client.get(f"/v1/docs/assets/{path}")
        problem_of(answer, 404, "not_found")
