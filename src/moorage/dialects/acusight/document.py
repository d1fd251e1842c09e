"""What the document says of refusals and keys."""

from typing import Any

from moorage.dialects.acusight.scopes import DEVICE, NEEDS, TOKEN_IN_BODY
from moorage.dialects.acusight.wire import Refusal

_MEANINGS = {
    400: "a query value or a part of the body is wrong",
    401: "the key or token is missing, unknown, revoked, used up or expired",
    403: "not for this kind of key, or a scope is missing",
    404: "absent, of another workspace or of the other mode",
    405: "wrong method",
    409: "conflicts with what is there",
    410: "this device was deleted",
    413: "too large",
    429: "too many requests; see Retry-After",
    503: "overloaded or without storage; see Retry-After",
    507: "out of storage",
}
# Every route may refuse in each of these ways.
REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"description": meaning, "model": Refusal} for status, meaning in _MEANINGS.items()
}


def complete(document: dict[str, Any]) -> dict[str, Any]:
    """Complete FastAPI's document: keys, no 422, answers of others that are passed on."""
    components = document["components"]
    components["securitySchemes"] = {
        "owner": {"type": "http", "scheme": "bearer"},
        "device": {"type": "apiKey", "in": "header", "name": "X-Device-Key"},
    }
    needs = {(method, path.replace(":path", "")): what for (method, path), what in NEEDS.items()}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            operation["responses"].pop("422", None)
            wanted = needs.get((method.upper(), path))
            scheme = "device" if wanted == DEVICE else "owner"
            operation["security"] = [] if wanted == TOKEN_IN_BODY else [{scheme: []}]
            if path.startswith("/api/portainer/"):
                operation["responses"]["default"] = {
                    "description": "what the container engine on the device answered"
                }
    return document
