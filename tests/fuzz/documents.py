"""What a document allows or forbids, put to a running server."""

import os
from typing import Any
from urllib.parse import unquote

import requests
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from moorage.core.workspaces import RESERVED_SLUGS

# More where time is no matter.
EXAMPLES = 15 if os.environ.get("STRICT") else 8
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


def statuses_of(
    operation: Any,
    mode: GenerationMode,
    *,
    base_url: str,
    session: requests.Session,
    key: str,
    known: dict[str, str] | None,
    query: dict[str, Any] | None = None,
    scheme: str = "Bearer",
) -> set[int]:
    """Check an operation with any ids, and with ``known`` ones; return the statuses that came."""
    more = {} if query is None else {"query": query}
    strategies = [operation.as_strategy(generation_mode=mode, **more)]
    if known:
        strategies.append(
            operation.as_strategy(generation_mode=mode, path_parameters=known, **more)
        )
    answered: set[int] = set()
    for strategy in strategies:

        @given(case=strategy)
        @settings(
            max_examples=EXAMPLES,
            derandomize=True,
            database=None,
            deadline=None,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        )
        def answer_is_documented(case) -> None:
            # What begins with an address of another API is that one's to answer.
            slug = unquote(str((case.path_parameters or {}).get("workspace", "")))
            assume(slug.strip("/").split("/")[0] not in RESERVED_SLUGS)
            response = case.call_and_validate(
                base_url=base_url,
                session=session,
                headers={"Authorization": f"{scheme} {key}"},
                checks=CHECKS,
                timeout=10,
            )
            answered.add(response.status_code)

        try:
            answer_is_documented()
        except Unsatisfiable:
            assert mode is GenerationMode.NEGATIVE
            assert takes_any_text(operation), "there is something to get wrong here"
    return answered


def takes_any_text(operation) -> bool:
    """Whether nothing that is asked for can be malformed: text in a path, a body of bytes."""
    bodies = [body for body in operation.body if "json" in body.media_type]
    return not bodies and not list(operation.query)
