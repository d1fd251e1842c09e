"""The pipeline API of an inference server, as much of it as is used: one request a connection.

It takes orders from whoever reaches it, and is told how cameras are opened; so it is called on this
device only, or over TLS.
"""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import urllib.parse
from typing import Any, Dict, List, NamedTuple, Optional

from moorage_agent.loopback import is_loopback
from moorage_agent.runner_base import RunnerError, Unreachable, Unusable

DEFAULT_SERVER = "http://127.0.0.1:9001"
_PREFIX = "/inference_pipelines"
_ANSWER_WITHIN_S = 10.0
# It fetches the workflow and may load models first.
_INITIALISED_WITHIN_S = 90.0
# Results hold whole pictures.
_LARGEST_ANSWER = 8 * 1024 * 1024


class Gone(RunnerError):
    """The server knows no such pipeline."""


class Refused(RunnerError):
    """The server answered no."""


class _Answer(NamedTuple):
    status: int
    body: Dict[str, Any]


class Pipelines:
    """The pipelines of one server. Holds no connection; for any thread."""

    def __init__(self, server: str) -> None:
        """Keep the address. Raises Unusable."""
        wrong = "inference.server is http:// to this device, or https://, a host and maybe a port"
        try:
            parts = urllib.parse.urlsplit(server)
            port = parts.port
        except ValueError:
            raise Unusable(wrong) from None
        if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
            raise Unusable(wrong)
        if parts.scheme == "http" and not is_loopback(parts.hostname):
            raise Unusable(
                "inference.server is on another machine; passwords of cameras would go there in "
                "the open, so it has to be https://"
            )
        self.server = server
        self._tls = parts.scheme == "https"
        self._host = parts.hostname
        self._port = port or (443 if self._tls else 80)
        self._path = parts.path.rstrip("/") + _PREFIX

    def place(self) -> str:
        """Return which server it is, for people."""
        return "the inference server at %s:%d" % (self._host, self._port)

    def initialise(self, payload: Dict[str, Any]) -> str:
        """Have a pipeline made; return its id. Raises RunnerError."""
        body = self._ask("POST", "/initialise", payload, within_s=_INITIALISED_WITHIN_S)
        context = body.get("context")
        pipeline_id = context.get("pipeline_id") if isinstance(context, dict) else None
        if not isinstance(pipeline_id, str) or not pipeline_id:
            raise RunnerError("%s made a pipeline and gave no id" % self.place())
        return pipeline_id

    def ids(self) -> List[str]:
        """Return the ids of all its pipelines. Raises RunnerError."""
        told = self._ask("GET", "/list").get("pipelines")
        return [one for one in told if isinstance(one, str)] if isinstance(told, list) else []

    def report(self, pipeline_id: str) -> Dict[str, Any]:
        """Return what it says of a pipeline. Raises Gone, RunnerError."""
        told = self._ask("GET", "/%s/status" % _quoted(pipeline_id)).get("report")
        return told if isinstance(told, dict) else {}

    def pause(self, pipeline_id: str) -> None:
        """Have it take no more frames. Raises Gone, Refused, RunnerError."""
        self._ask("POST", "/%s/pause" % _quoted(pipeline_id))

    def resume(self, pipeline_id: str) -> None:
        """Have it go on. Raises Gone, Refused, RunnerError."""
        self._ask("POST", "/%s/resume" % _quoted(pipeline_id))

    def consume(self, pipeline_id: str) -> Dict[str, Any]:
        """Return the oldest result that is kept, and take it away. Raises Gone, RunnerError."""
        return self._ask("GET", "/%s/consume" % _quoted(pipeline_id))

    def terminate(self, pipeline_id: str) -> None:
        """End a pipeline, and be sure of that. Raises RunnerError."""
        try:
            self._ask("POST", "/%s/terminate" % _quoted(pipeline_id))
        except Gone:
            return
        except Refused:
            # It answers 400 for one that it does not know, and 500 for one that it cannot end yet.
            if pipeline_id in self.ids():
                raise

    def _ask(
        self,
        method: str,
        path: str,
        payload: Optional[Dict[str, Any]] = None,
        *,
        within_s: float = _ANSWER_WITHIN_S,
    ) -> Dict[str, Any]:
        try:
            answer = self._once(method, path, payload, within_s)
        except socket.timeout:
            raise Unreachable("%s did not answer in time" % self.place()) from None
        except ConnectionRefusedError:
            raise Unreachable("%s does not run: nothing listens there" % self.place()) from None
        except (OSError, http.client.HTTPException) as error:
            name = type(error).__name__
            raise Unreachable("%s cannot be reached: %s" % (self.place(), name)) from None
        if answer.status == 200:
            return answer.body
        said = _said(answer.body)
        if answer.status == 404 and answer.body.get("error_type"):
            raise Gone("%s knows no such pipeline%s" % (self.place(), said))
        if answer.status in (404, 405) and not answer.body.get("message"):
            raise RunnerError(
                "%s has no pipeline API; it is off, or something else listens there" % self.place()
            )
        raise Refused("%s refused (%d)%s" % (self.place(), answer.status, said))

    def _once(
        self, method: str, path: str, payload: Optional[Dict[str, Any]], within_s: float
    ) -> _Answer:
        connection: http.client.HTTPConnection
        if self._tls:
            connection = http.client.HTTPSConnection(
                self._host, self._port, timeout=within_s, context=ssl.create_default_context()
            )
        else:
            connection = http.client.HTTPConnection(self._host, self._port, timeout=within_s)
        headers = {"Accept": "application/json"}
        body = None
        if payload is not None:
            body = json.dumps(payload).encode("ascii")
            headers["Content-Type"] = "application/json"
        try:
            connection.request(method, self._path + path, body=body, headers=headers)
            response = connection.getresponse()
            content = response.read(_LARGEST_ANSWER + 1)
        finally:
            connection.close()
        if len(content) > _LARGEST_ANSWER:
            raise RunnerError("%s answered with more than anybody reads" % self.place())
        return _Answer(response.status, self._parsed(content, response.status))

    def _parsed(self, content: bytes, status: int) -> Dict[str, Any]:
        try:
            body = json.loads(content.decode("utf-8"))
        except (ValueError, RecursionError):
            body = None
        if isinstance(body, dict):
            return body
        if status == 200:
            raise RunnerError("%s answers with something else than JSON" % self.place())
        return {}


def _quoted(pipeline_id: str) -> str:
    return urllib.parse.quote(pipeline_id, safe="")


def _said(body: Dict[str, Any]) -> str:
    """Return what a refusal says to people: its message, or the first part that did not fit."""
    message = body.get("message")
    detail = body.get("detail")
    if not isinstance(message, str) and isinstance(detail, list) and detail:
        first = detail[0] if isinstance(detail[0], dict) else {}
        place = first.get("loc")
        where = "/".join(str(one) for one in place) if isinstance(place, list) else "the body"
        message = "%s: %s" % (where, first.get("msg"))
    return ": %s" % message[:500] if isinstance(message, str) and message else ""
