"""The course of one call with its repetitions: a generator that says what drivers are to do."""

import random
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from moorage.sdk.answers import Answer, Retries, may_repeat, refusal, result_of, retry_after_s
from moorage.sdk.errors import ConnectionFailed
from moorage.sdk.requests import Request

T = TypeVar("T")


@dataclass(frozen=True)
class Pause:
    """Wait this long, then go on."""

    seconds: float


@dataclass(frozen=True)
class Failure:
    """There was no answer. ``sent`` is whether the server may have got the request."""

    detail: str
    sent: bool


Step: TypeAlias = Request[Any] | Pause
Outcome: TypeAlias = Answer | Failure | None


def conversation(
    request: Request[T], retries: Retries, draw: Callable[[], float] = random.random
) -> Generator[Step, Outcome, T]:
    """Yield what to do, take what came of it, return the result.

    Raises:
        ConnectionFailed: no answer after all tries, or none and another try could do harm.
        ApiError: the server refused.
        UnexpectedAnswer: this is not the API.

    """
    tried = 0
    while True:
        outcome = yield request
        tried += 1
        if isinstance(outcome, Answer):
            if not may_repeat(request, outcome):
                return result_of(request, outcome)
            pause = retries.pause(tried, draw(), retry_after_s(outcome))
            if pause is None:
                raise refusal(outcome)
        else:
            failed = outcome or Failure("no outcome", sent=True)
            harmless = request.repeatable or not failed.sent
            pause = retries.pause(tried, draw()) if harmless else None
            if pause is None:
                raise ConnectionFailed(_sentence(request, failed, tried))
        yield Pause(pause)


def _sentence(request: Request[Any], failed: Failure, tried: int) -> str:
    times = f" (tried {tried} times)" if tried > 1 else ""
    doubt = ""
    if failed.sent and not request.repeatable:
        doubt = "; the server may have done it all the same: look before you repeat it"
    return f"{request.method} {request.path}: {failed.detail}{times}{doubt}"
