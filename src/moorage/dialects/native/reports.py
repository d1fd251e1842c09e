"""``POST /v1/reports``: plain ASGI, msgspec, one shared commit. The hottest route there is."""

import hashlib
import json
import math
import re
import zlib
from datetime import datetime
from typing import Any

import msgspec
import structlog
from starlette.types import Receive, Scope, Send

from moorage.core.errors import DomainError, Fault, Kind, of_exception
from moorage.dialects.common import Doorstep, Services, bearer_of, read_body
from moorage.dialects.native.errors import broken, problem
from moorage.ingest import Incoming, Received, Report
from moorage.ingest.model import MOST_ROWS
from moorage.kit.clock import rfc3339, to_ms
from moorage.kit.jsonvalue import check_json
from moorage.kit.text import clean_text
from moorage.storage import StorageError

_log = structlog.get_logger("moorage.dialects")
REPORT_LIMIT = 1024 * 1024
PATH = "/v1/reports"
_TOO_MUCH = frozenset({"overloaded", "too_many_waiting"})
_decode = msgspec.json.Decoder(Report).decode
_encode = msgspec.json.Encoder().encode
_JSON = (b"content-type", b"application/json")
_PLACE = re.compile(r" - at `\$?(?P<path>[^`]*)`$")
_STEP = re.compile(r"\.(?P<name>[^.\[]+)|\[(?P<at>\d+)\]|\[\.\.\.\]")


class ReportsRoute:
    """The route as an ASGI application."""

    def __init__(self, services: Services) -> None:
        """Keep the parts."""
        self._services = services
        self._clock = services.clock
        self._doorstep = Doorstep(services.closing)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one report, once it is durable."""
        try:
            body = await self._take(scope, receive)
        except (DomainError, StorageError) as error:
            refusal = of_exception(error)
            if refusal is None:
                raise
            if refusal.code in _TOO_MUCH:
                # Its frames hold the body, which is not to be kept while the sender waits.
                error.__traceback__ = None
                await self._doorstep.hold()
            await problem(refusal)(scope, receive, send)
            return
        except Exception as error:  # noqa: BLE001 - the last place where it can be answered
            _log.error("request_failed", error=type(error).__name__, exc_info=error)
            await broken()(scope, receive, send)
            return
        headers = [_JSON, (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _take(self, scope: Scope, receive: Receive) -> bytes:
        authorization = encoding = device_time = declared = None
        for name, value in scope["headers"]:
            if name == b"authorization":
                authorization = value.decode("latin-1")
            elif name == b"content-encoding":
                encoding = value
            elif name == b"moorage-device-time":
                device_time = value
            elif name == b"content-length" and value.isdigit():
                declared = int(value)
        key = await self._services.callers.device_of(bearer_of(authorization))
        self._services.ingest.check_room(key.device)
        raw = await read_body(declared, receive, REPORT_LIMIT)
        now = self._clock.now()
        body = decompress(raw, encoding)
        report = decode_report(body)
        incoming = Incoming(
            device=key.device,
            key_id=key.key_id,
            key_digest=key.digest,
            report=report,
            digest=hashlib.sha256(body).hexdigest(),
            size_bytes=len(body),
            skew_ms=None if device_time is None else _skew_ms(device_time, now),
        )
        try:
            received = await self._services.ingest.submit(incoming)
        except DomainError as error:
            if error.kind in (Kind.UNAUTHENTICATED, Kind.GONE):
                self._services.callers.forget(key)
            raise
        return _answer(received, self._clock.now())


class _Answer(msgspec.Struct):
    """The acknowledgement on the wire; what there are no notes on has none."""

    received: int
    chain: str
    server_time: str
    report_interval_s: int
    config_revision: int
    commands: list[dict[str, Any]]
    notes: list[str] | msgspec.UnsetType = msgspec.UNSET


def _answer(received: Received, now: datetime) -> bytes:
    return _encode(
        _Answer(
            received.sequence,
            received.chain,
            rfc3339(now),
            received.report_interval_s,
            received.config_revision,
            [
                {
                    "id": command.id,
                    "kind": command.kind,
                    "arguments": command.arguments,
                    "expires_at": rfc3339(command.expires_at),
                }
                for command in received.commands
            ],
            received.notes or msgspec.UNSET,
        )
    )


def decompress(raw: bytes, encoding: bytes | None) -> bytes:
    """Return the body as the device wrote it.

    Raises:
        DomainError: ``too_large`` beyond 1 MiB, found before more is unpacked; ``invalid``.

    """
    if encoding is None or encoding.lower() == b"identity":
        return raw
    if encoding.lower() != b"gzip":
        raise DomainError(
            Kind.INVALID, "encoding_not_supported", "Content-Encoding here is gzip, or left out"
        )
    unpacker = zlib.decompressobj(wbits=31)
    try:
        body = unpacker.decompress(raw, REPORT_LIMIT + 1)
    except zlib.error:
        raise _not_gzip() from None
    if len(body) > REPORT_LIMIT:
        raise DomainError(
            Kind.TOO_LARGE,
            "body_too_large",
            f"a report is at most {REPORT_LIMIT} bytes unpacked; send less at once",
            extra={"limit_bytes": REPORT_LIMIT},
        )
    if not unpacker.eof or unpacker.unused_data:
        raise _not_gzip()
    return body


def _not_gzip() -> DomainError:
    return DomainError(Kind.INVALID, "malformed_body", "the body is not one whole gzip stream")


def decode_report(body: bytes) -> Report:
    """Parse a report; NUL and invalid text in it become U+FFFD.

    Raises:
        DomainError: ``invalid`` naming the path; ``too_large`` naming the limit.

    """
    try:
        report = _decode(_mended(body) if _needs_mending(body) else body)
    except msgspec.ValidationError as error:
        raise _invalid(str(error)) from None
    except (msgspec.DecodeError, ValueError):
        raise DomainError(
            Kind.INVALID, "malformed_body", "the body is not a JSON object in UTF-8"
        ) from None
    except RecursionError:
        raise DomainError(Kind.INVALID, "malformed_body", "the body is nested too deeply") from None
    for name, rows in (
        ("telemetry", report.telemetry),
        ("logs", report.logs),
        ("events", report.events),
    ):
        if len(rows) > MOST_ROWS:
            raise DomainError(
                Kind.TOO_LARGE,
                "too_many_rows",
                f"a report holds at most {MOST_ROWS} entries in {name}; send the rest in the next",
                extra={"part": name, "limit": MOST_ROWS},
            )
    if report.events or report.commands:
        _check_parts(report)
    return report


def _check_parts(report: Report) -> None:
    for at, event in enumerate(report.events):
        if event.metadata:
            check_part(event.metadata, f"/events/{at}/metadata")
    for at, command in enumerate(report.commands):
        if command.result:
            check_part(command.result, f"/commands/{at}/result")


def check_part(value: object, pointer: str) -> None:
    """Check a free-form part. Raises DomainError ``invalid``."""
    try:
        check_json(value, pointer)
    except ValueError as error:
        raise of_exception(error) or error from None


def _needs_mending(body: bytes) -> bool:
    if b"\\u" not in body and body.isascii():
        return False
    # `\u0000` and `\ud83d` are the only ways JSON has to spell what a database cannot hold, and a
    # pair of surrogates that belong together comes through mending unharmed.
    if b"\\u0000" in body or b"\\ud" in body or b"\\uD" in body:
        return True
    try:
        body.decode()
    except UnicodeDecodeError:
        return True
    return False


def _mended(body: bytes) -> bytes:
    try:
        return _encode(_clean(json.loads(body.decode("utf-8", "replace"))))
    except OverflowError:
        raise ValueError("a number is too large") from None


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, list):
        return [_clean(part) for part in value]
    if isinstance(value, dict):
        return {clean_text(key): _clean(part) for key, part in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        # Python reads NaN and 1e999, and msgspec would write them as null.
        raise ValueError("a number is not finite")
    return value


def _skew_ms(header: bytes, now: datetime) -> int:
    try:
        told = msgspec.convert(header.decode("ascii"), datetime)
        if told.tzinfo is None:
            raise ValueError("no zone")  # noqa: TRY301 - one refusal for all bad forms
        return to_ms(told) - to_ms(now)
    except (ValueError, msgspec.ValidationError):
        detail = "the header Moorage-Device-Time is the device's time in RFC 3339, UTC"
        raise DomainError(Kind.INVALID, "device_time_invalid", detail) from None


def _invalid(message: str) -> DomainError:
    found = _PLACE.search(message)
    pointer = ""
    if found:
        pointer = "".join(f"/{m['name'] or m['at'] or '*'}" for m in _STEP.finditer(found["path"]))
        message = message[: found.start()]
    return DomainError(
        Kind.INVALID,
        "invalid",
        f"{pointer or 'the body'}: {message}",
        faults=[Fault(pointer, message)],
    )
