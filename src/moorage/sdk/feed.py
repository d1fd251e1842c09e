"""``client.stream()``: what happens in a workspace as it happens. Pure; the drivers do the rest."""

import json
import random
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from moorage.sdk.answers import Answer, Retries, may_repeat, refusal, result_of, retry_after_s
from moorage.sdk.conversation import Failure
from moorage.sdk.errors import ApiError, ConnectionFailed, ServerFailed, UnexpectedAnswer
from moorage.sdk.requests import Query, Request

_PATH = "/v1/stream"
_MEDIA_TYPE = "text/event-stream"
_OK = 200
_TOO_MANY = 429
# Far more than any message of ours; what never ends a line is no feed.
_LONGEST_LINE = 4 * 1024 * 1024
# More than the server sends again after a gap in the connection.
_REMEMBERED = 10_000
_RETURN_AFTER_S = 2.0
# Sent again after a gap, if it was lately; the others are said anew each time.
_SENT_AGAIN = ("event", "log")


@dataclass(frozen=True, kw_only=True)
class Message:
    """Something that happened. ``data`` is as the API has it, times as text.

    ``kind`` is ``hello`` (first, and again after each gap in the connection: ``counts`` by status,
    so read anew what you show), ``status`` (``device_id``, its new ``status``, ``at``), ``event``
    or, when one device is followed, ``log``; both have a ``device_id`` beside what the lists hold.
    ``id`` is where to go on from, as ``after``.
    """

    kind: str
    data: Mapping[str, Any]
    id: str | None = None


class Parser:
    """Makes messages of the bytes of an event stream, however they are cut.

    Lines end in LF or CRLF, as every server writes them; a lone CR ends none here.
    """

    def __init__(self) -> None:
        """Start with nothing."""
        self.retry_s: float | None = None
        self._rest = b""
        self._fields: dict[str, str] = {}

    def feed(self, chunk: bytes) -> list[Message]:
        """Take bytes, return the messages that are whole by now. Raises UnexpectedAnswer."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        if len(self._rest) > _LONGEST_LINE:
            raise UnexpectedAnswer("the feed sends a line without an end")
        return [one for line in lines if (one := self._line(line)) is not None]

    def _line(self, line: bytes) -> Message | None:
        text = line.removesuffix(b"\r").decode("utf-8", "replace")
        if not text:
            return self._message()
        name, _, value = text.partition(":")
        value = value.removeprefix(" ")
        if name == "data" and "data" in self._fields:
            value = f"{self._fields['data']}\n{value}"
        if name == "retry" and value.isascii() and value.isdigit():
            self.retry_s = int(value) / 1000
        elif name:  # without a name it is a comment, by which the server says it is still there
            self._fields[name] = value
        return None

    def _message(self) -> Message | None:
        fields, self._fields = self._fields, {}
        if "data" not in fields:
            return None
        try:
            data = json.loads(fields["data"])
        except (ValueError, RecursionError):
            data = None
        if not isinstance(data, dict):
            raise UnexpectedAnswer("the feed sent a message that is no JSON object")
        return Message(kind=fields.get("event", "message"), data=data, id=fields.get("id"))


class Following:
    """One follower's course: what to ask for, which messages are new, when to come back.

    A driver asks ``request``, says ``opened``, hands over what is ``heard``, and says how it
    ``ended``, which returns how long to wait before it all begins again.
    """

    def __init__(
        self,
        query: Query,
        retries: Retries,
        after: str | None,
        lost: Callable[[str], None] | None = None,
        draw: Callable[[], float] = random.random,
    ) -> None:
        """Follow from now on, or from a message's id; ``lost`` hears of a gap when it begins."""
        self._query = query
        self._retries = retries
        self._at = after
        self._lost = lost or (lambda _: None)
        self._draw = draw
        self._ever = False
        self._failed = 0
        self._parser = Parser()
        self._recent: deque[str] = deque(maxlen=_REMEMBERED)
        self._again: Counter[str] = Counter()

    def request(self) -> Request[None]:
        """Ask for the feed, from where it broke off."""
        headers: tuple[tuple[str, str], ...] = (("Accept", _MEDIA_TYPE),)
        if self._at is not None:
            headers = (*headers, ("Last-Event-ID", self._at))
        return Request("GET", _PATH, lambda _: None, self._query, headers=headers)

    def opened(self, status: int, media_type: str) -> bool:
        """Whether an answer is the feed; then what is heard is new but for what was heard."""
        if status != _OK or media_type.partition(";")[0].strip() != _MEDIA_TYPE:
            return False
        self._ever = True
        self._parser = Parser()
        self._again = Counter(self._recent)
        return True

    def heard(self, chunk: bytes) -> list[Message]:
        """Return what is new. Raises UnexpectedAnswer."""
        self._failed = 0
        found = []
        for message in self._parser.feed(chunk):
            self._at = message.id or self._at
            if message.kind in _SENT_AGAIN:
                text = json.dumps([message.kind, message.data], sort_keys=True)
                # Equal lines may be two; so many as there were before the gap are the same.
                if self._again[text] > 0:
                    self._again[text] -= 1
                    continue
                self._recent.append(text)
            found.append(message)
        return found

    def ended(self, outcome: Answer | Failure | None) -> float:
        """Return how long to wait before asking again; None is an end in order.

        Until it was open once this gives up as any call does. Later a server that is away is waited
        for; it is not, if it refuses.

        Raises:
            ConnectionFailed, ApiError, UnexpectedAnswer: asking again would not help.

        """
        if outcome is None:
            return (self._parser.retry_s or _RETURN_AFTER_S) * (0.5 + self._draw())
        self._failed += 1
        wait, error = _weigh(self.request(), outcome)
        if not self._ever:
            pause = None
            if isinstance(outcome, Failure) or may_repeat(self.request(), outcome):
                pause = self._retries.pause(self._failed, self._draw(), wait)
            if pause is None:
                raise error
            return pause
        away = isinstance(error, ConnectionFailed | ServerFailed)
        if not away and not (isinstance(outcome, Answer) and outcome.status == _TOO_MANY):
            raise error
        if self._failed == 1:
            self._lost(str(error))
        growing = self._retries.first_pause_s * 2.0 ** min(self._failed, 10)
        return (wait or 0.0) + self._draw() * min(growing, self._retries.longest_pause_s)


def _weigh(
    request: Request[None], outcome: Answer | Failure
) -> tuple[float | None, ConnectionFailed | ApiError | UnexpectedAnswer]:
    """Return what the server asks to wait, and the error this stands for."""
    if isinstance(outcome, Failure):
        return None, ConnectionFailed(f"{request.method} {request.path}: {outcome.detail}")
    if outcome.status >= 400:  # noqa: PLR2004 - where refusals begin
        return retry_after_s(outcome), refusal(outcome)
    try:
        result_of(request, outcome)
    except UnexpectedAnswer as error:
        return None, error
    return None, UnexpectedAnswer(f"GET {_PATH} was answered with something that is no feed")
