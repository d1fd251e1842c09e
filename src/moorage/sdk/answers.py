"""Reading answers and deciding on another try: pure, shared by both drivers."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

from moorage.sdk.errors import ApiError, Fault, UnexpectedAnswer, class_for
from moorage.sdk.requests import Request

T = TypeVar("T")

_REDIRECTS = range(300, 400)
_TOO_MANY = 429
_UNAVAILABLE = 503
_NO_CONTENT = 204


@dataclass(frozen=True)
class Answer:
    """What came back: header names in lower case."""

    status: int
    headers: Mapping[str, str]
    content: bytes


@dataclass(frozen=True)
class Retries:
    """How often and how patiently to try again.

    Attributes:
        most: further tries after the first.
        first_pause_s: the first pause is at most this long; each later one at most twice as long.
        longest_pause_s: no pause of our own choosing is longer.
        longest_wait_s: when the server asks for more patience than this, its refusal is raised.

    """

    most: int = 4
    first_pause_s: float = 0.5
    longest_pause_s: float = 20.0
    longest_wait_s: float = 60.0

    def pause(self, tried: int, draw: float, retry_after_s: float | None = None) -> float | None:
        """Return how long to wait after ``tried`` tries, or None to give up.

        Full jitter: anywhere between nothing and the bound, ``draw`` in [0, 1) says where. After a
        Retry-After it is that, and jitter on top, so that those told the same do not all return at
        once.
        """
        if tried > self.most:
            return None
        bound = min(self.longest_pause_s, self.first_pause_s * 2.0 ** (tried - 1))
        if retry_after_s is None:
            return draw * bound
        if retry_after_s > self.longest_wait_s:
            return None
        return retry_after_s + draw * min(bound, max(retry_after_s, self.first_pause_s))


def may_repeat(request: Request[Any], answer: Answer) -> bool:
    """Whether the refusal asks to come back, and coming back can do no harm.

    A 429 was never begun. A 503 of ours changed nothing; one of a proxy's may hide a yes.
    """
    if answer.status == _TOO_MANY:
        return True
    return answer.status == _UNAVAILABLE and (request.repeatable or _problem(answer) is not None)


def retry_after_s(answer: Answer, now: datetime | None = None) -> float | None:
    """Read Retry-After: seconds, or a date; None when absent or unreadable."""
    text = answer.headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return max(0.0, (at - (now or datetime.now(UTC))).total_seconds())


def result_of(request: Request[T], answer: Answer) -> T:
    """Return what the answer holds.

    Raises:
        ApiError: the server refused.
        UnexpectedAnswer: this is not the API.

    """
    if answer.status in _REDIRECTS:
        raise UnexpectedAnswer(
            f"{request.method} {request.path} was redirected; use the server's own address, "
            "with https:// if it has a certificate"
        )
    if answer.status >= _REDIRECTS.stop:
        raise refusal(answer)
    if answer.status == _NO_CONTENT:
        return request.parse(None)
    if request.media_type is not None:
        if answer.headers.get("content-type", "").partition(";")[0].strip() != request.media_type:
            raise _another(request, answer, request.media_type)
        return request.parse(answer.content)
    try:
        return request.parse(json.loads(answer.content))
    except (ValueError, RecursionError) as error:
        raise _another(request, answer, "JSON") from error


def _another(request: Request[Any], answer: Answer, wanted: str) -> UnexpectedAnswer:
    return UnexpectedAnswer(
        f"{request.method} {request.path} was answered {answer.status} with something that is "
        f"not {wanted}; is this the address of a Moorage server?"
    )


def refusal(answer: Answer) -> ApiError:
    """Make the error an answer stands for."""
    problem = _problem(answer)
    wait = retry_after_s(answer)
    if problem is None:
        detail = f"something before the server, such as a proxy, answered {answer.status}"
        return class_for(answer.status, "")(answer.status, "", detail, retry_after_s=wait)
    code, detail = str(problem.get("code", "")), str(problem.get("detail", "refused"))
    known = {"type", "title", "status", "detail", "code", "errors"}
    return class_for(answer.status, code)(
        answer.status,
        code,
        detail,
        faults=_faults(problem.get("errors")),
        retry_after_s=wait,
        extra={name: value for name, value in problem.items() if name not in known},
    )


def _problem(answer: Answer) -> dict[str, Any] | None:
    if not answer.headers.get("content-type", "").startswith("application/problem+json"):
        return None
    try:
        document = json.loads(answer.content)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _faults(errors: Any) -> list[Fault]:
    if not isinstance(errors, list):
        return []
    return [
        Fault(str(one.get("pointer", "")), str(one.get("detail", "")))
        for one in errors
        if isinstance(one, dict)
    ]
