"""What the document says of parameters, bodies and refusals."""

from typing import Any, Final

from moorage.dialects.flatpeak import shapes, wire

_MEANINGS = {
    403: "bad credentials, a device's key, or a missing scope",
    404: "absent, of another workspace or of the other mode",
    405: "wrong method",
    409: "the reference is taken",
    413: "too large",
    422: "the version, a query value or a part of the body is wrong",
    429: "too many requests; see Retry-After",
    503: "overloaded or without storage; see Retry-After",
    507: "out of storage",
}
# Every route may refuse in each of these ways.
REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"description": meaning, "model": shapes.Refusal}
    for status, meaning in _MEANINGS.items()
}

LIMIT: Final = {"type": "integer", "minimum": 1, "maximum": wire.MOST, "default": wire.USUAL}
CURSOR: Final = {"type": "string", "pattern": "^dev_[0-9a-f]{24}$"}
_REFERENCE: Final = {"type": ["string", "null"], "minLength": 1, "maxLength": 256}
_VERSION: Final = {
    "name": "Flatpeak-Version",
    "in": "header",
    "description": "the version of the API that the client speaks; another one is refused",
    "schema": {"type": "string", "enum": [wire.VERSION]},
}
_REPEAT: Final = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "the first answer under this key is replayed for 24 hours",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$"},
}


def body_with_reference(*, required: bool) -> dict[str, Any]:
    """Describe a request's body."""
    schema: dict[str, Any] = {"type": "object", "properties": {"reference_id": _REFERENCE}}
    if required:
        schema["required"] = ["reference_id"]
    return {
        "requestBody": {"required": required, "content": {"application/json": {"schema": schema}}}
    }


def complete(document: dict[str, Any]) -> dict[str, Any]:
    """Complete FastAPI's document with what it cannot know: credentials and headers."""
    components = document["components"]
    components["securitySchemes"] = {
        "account": {"type": "http", "scheme": "basic"},
        "token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
    }
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            operation["security"] = [{"account": []}] if path == "/login" else [{"token": []}]
            parameters = operation.setdefault("parameters", [])
            parameters.append(_VERSION)
            if method == "post":
                parameters.append(_REPEAT)
    return document
