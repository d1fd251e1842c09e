"""Structured logs on standard error, with secrets taken out whatever brought them in."""

import logging
import re
import sys
from contextvars import ContextVar
from typing import Any, Literal

import structlog
from structlog.typing import EventDict, WrappedLogger

# Every key text of ours ends in 48 hex digits behind a known prefix, a session's or a link's in 64;
# the rest are places where clients put keys.
_KEY_TEXT = re.compile(r"\b((?:sk_live|sk_test|adk|apt|inst|mses|mlnk)_)[0-9a-zA-Z]{8,}")
# Portainer's access tokens; they go on in base64.
_ACCESS_TOKEN = re.compile(r"\bptr_[0-9A-Za-z+/=_-]{8,}")
_IN_QUERY = re.compile(r"(?i)\b(api_key|key|token|password|secret)=[^&\s\"']+")
_IN_URL = re.compile(r"(\w+://[^/\s:@]*):[^/\s@]+@")


def redact(text: str) -> str:
    """Take keys, tokens and passwords out of a text."""
    text = _KEY_TEXT.sub(r"\1[redacted]", text)
    text = _ACCESS_TOKEN.sub("ptr_[redacted]", text)
    text = _IN_QUERY.sub(r"\1=[redacted]", text)
    return _IN_URL.sub(r"\1:[redacted]@", text)


# Whose request is being answered, for every line logged on the way.
current_request: ContextVar[str | None] = ContextVar("current_request", default=None)


def _add_request(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    request_id = current_request.get()
    if request_id is not None:
        event["request_id"] = request_id
    return event


def _redact_event(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    return {name: _redacted(value) for name, value in event.items()}


def _redacted(value: Any) -> Any:
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, list | tuple):
        return [_redacted(part) for part in value]
    if isinstance(value, dict):
        return {key: _redacted(part) for key, part in value.items()}
    return value


def configure_logs(
    level: str, form: Literal["auto", "json", "text"], *, worker: int | None = None
) -> None:
    """Send our logs and the libraries' one way; ``worker`` is which of several processes it is."""

    def add_worker(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        if worker is not None:
            event["worker"] = worker
        return event

    as_text = form == "text" or (form == "auto" and sys.stderr.isatty())
    shared: list[structlog.typing.Processor] = [
        _add_request,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _redact_event,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
        if as_text
        else structlog.processors.JSONRenderer()
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                add_worker,
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for noisy in ("uvicorn.error", "alembic", "asyncio", "httpx", "httpcore"):
        logging.getLogger(noisy).setLevel(max(root.level, logging.WARNING))
