"""The OpenAPI document: what FastAPI cannot know of, the plain routes and the refusals."""

from typing import Any

import msgspec

from moorage.dialects.native.wire import ProblemOut
from moorage.ingest import Report

_MEANINGS = {
    401: "no valid key",
    403: "the key may not do this",
    404: "absent, or not this key's to see",
    405: "wrong method",
    409: "conflicts with what is there",
    410: "the device was deleted",
    412: "changed since it was read",
    413: "too large",
    422: "malformed; `errors` point at the parts",
    429: "too many requests; see Retry-After",
    503: "overloaded or without storage; see Retry-After",
    507: "out of storage",
}
# Every route may refuse in each of these ways, in the same shape.
REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"description": meaning} for status, meaning in _MEANINGS.items()
}
_PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
_RECEIVED = {
    "type": "object",
    "required": [
        "received",
        "chain",
        "server_time",
        "report_interval_s",
        "config_revision",
        "commands",
    ],
    "properties": {
        "received": {"type": "integer", "description": "the report's sequence"},
        "chain": {"type": "string", "description": "hex SHA-256 of the chain after it"},
        "server_time": {"type": "string", "format": "date-time"},
        "report_interval_s": {"type": "integer"},
        "config_revision": {"type": "integer", "description": "the revision the device is to run"},
        "commands": {"type": "array", "items": {"type": "object"}},
        "notes": {"type": "array", "items": {"type": "string"}},
    },
}

# Headers that routes read by themselves, by method and path.
_HEADERS: dict[str, tuple[str, dict[str, Any], set[tuple[str, str]]]] = {
    "Idempotency-Key": (
        "the first answer under this key is replayed for 24 hours, secrets left out",
        {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$"},
        {
            ("post", "/v1/devices"),
            ("post", "/v1/virtual-devices"),
            ("post", "/v1/workspaces"),
            ("post", "/v1/provisioning-tokens"),
            ("post", "/v1/devices/{device_id}/install"),
            ("post", "/v1/devices/{device_id}/provisioning"),
            ("post", "/v1/devices/{device_id}/keys/rotate"),
            ("post", "/v1/api-keys"),
            ("post", "/v1/api-keys/{key_id}/roll"),
            ("post", "/v1/devices/{device_id}/commands"),
            ("post", "/v1/devices/{device_id}/streams/{stream_id}/{action}"),
        },
    ),
    "Last-Event-ID": (
        "the id of the last message that was taken; what came since is sent again",
        {"type": "string"},
        {("get", "/v1/stream")},
    ),
    "If-Match": (
        "the ETag that was read; another one by now is answered 412",
        {"type": "string"},
        {
            ("patch", "/v1/devices/{device_id}/config"),
            ("post", "/v1/devices/{device_id}/config/rollback"),
            ("put", "/v1/default-config"),
        },
    ),
    "If-None-Match": (
        "the ETag of the document the device has",
        {"type": "string"},
        {("get", "/v1/config")},
    ),
}
# What is shown once is left out of a replayed answer.
_SHOWN_ONCE = {
    "DeviceMadeOut": ("install_token", "install_command"),
    "InstallTokenOut": ("install_token", "install_command"),
    "KeyMadeOut": ("key",),
    "WorkspaceMadeOut": ("api_key", "test_api_key"),
    "TokenMadeOut": ("token", "install_command"),
    "OfflineOut": ("payload", "qr_svg", "device_json"),
    "DeviceKeyOut": ("device_key",),
}


def describe(document: dict[str, Any]) -> dict[str, Any]:
    """Complete FastAPI's document."""
    (report,), parts = msgspec.json.schema_components(
        [Report], ref_template="#/components/schemas/{name}"
    )
    schemas = document["components"]["schemas"]
    schemas.update(parts)
    schemas["Problem"] = ProblemOut.model_json_schema()
    schemas["Received"] = _RECEIVED
    document["paths"]["/v1/reports"] = {"post": _report_operation(report)}
    for name, secrets in _SHOWN_ONCE.items():
        shape = schemas[name]
        shape["required"] = [part for part in shape["required"] if part not in secrets]
        shape["properties"]["replayed"] = {"type": "boolean", "description": "secrets left out"}
    for header, (meaning, schema, places) in _HEADERS.items():
        for method, path in sorted(places):
            parameters = document["paths"][path][method].setdefault("parameters", [])
            parameters.append(_header(header, meaning, schema))
    for operations in document["paths"].values():
        for operation in operations.values():
            for status, meaning in _MEANINGS.items():
                operation["responses"][str(status)] = {
                    "description": meaning,
                    "content": _PROBLEM,
                }
    return document


def _report_operation(report: dict[str, Any]) -> dict[str, Any]:
    return {
        "tags": ["device"],
        "summary": "Report",
        "operationId": "report",
        "description": (
            "What a device sends every interval. Answered after the report is durable; sending it "
            "again is safe. The body may be gzip (`Content-Encoding: gzip`), up to 1 MiB unpacked."
        ),
        "security": [{"HTTPBearer": []}],
        "parameters": [
            _header(
                "Moorage-Device-Time",
                "the device's present time, from which its clock's skew is known",
                {"type": "string", "format": "date-time"},
            )
        ],
        "requestBody": {"required": True, "content": {"application/json": {"schema": report}}},
        "responses": {
            "200": {
                "description": "durable",
                "content": {
                    "application/json": {"schema": {"$ref": "#/components/schemas/Received"}}
                },
            }
        },
    }


def _header(name: str, meaning: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "in": "header",
        "required": False,
        "description": meaning,
        "schema": schema,
    }
