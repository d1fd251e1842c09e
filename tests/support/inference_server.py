"""The far side of a contract: the pipeline API of an inference server, as strict as the real one.

A real HTTP server on loopback. What the real one does to a pipeline whose camera cannot be reached,
is lost or ends, is done here when asked for.
"""

import base64
import json
import threading
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from support.video import TINY_JPEG

INFO, ERROR = 20, 40
# In which states of its source a pipeline may be told what.
_MAY = {
    "pause": {"RUNNING"},
    "resume": {"PAUSED", "MUTED"},
    "terminate": {"MUTED", "RUNNING", "PAUSED", "RESTARTING", "ENDED", "ERROR"},
}


class No(Exception):
    """A refusal, with its status and body."""

    def __init__(self, status: int, body: Any) -> None:
        super().__init__(status)
        self.status, self.body = status, body


def refusal(status: int, kind: str, message: str, inner: str | None = None) -> No:
    told = {"message": message, "error_type": f"ProcessesManager{kind}", "inner_error_type": inner}
    return No(status, told)


def malformed(*place: str, message: str, kind: str) -> No:
    return No(422, {"detail": [{"type": kind, "loc": ["body", *place], "msg": message}]})


@dataclass
class Pipeline:
    """One pipeline with its one source."""

    id: str
    payload: dict[str, Any]
    state: str = "NOT_STARTED"
    fps: float = 30.0
    is_file: bool = False
    throughput: float = 0.0
    updates: list[dict[str, Any]] = field(default_factory=list)
    results: deque[tuple[Any, Any]] = field(default_factory=deque)

    def note(self, severity: int, event: str, context: str, **payload: Any) -> None:
        self.updates.append(
            {
                "timestamp": datetime.now().isoformat(),  # noqa: DTZ005 - it tells its own time
                "severity": severity,
                "event_type": event,
                "payload": payload,
                "context": context,
            }
        )
        del self.updates[:-512]

    def turn(self, state: str) -> None:
        told = {"previous_state": self.state, "new_state": state, "source_id": 0}
        self.state = state
        self.note(INFO, "SOURCE_STATE_UPDATE", "video_source", **told)

    def report(self) -> dict[str, Any]:
        reference = str(self.payload["video_configuration"]["video_reference"])
        scheme, mark, rest = reference.partition("://")
        known = self.state not in ("NOT_STARTED", "INITIALISING", "ERROR")
        properties = {
            "width": 1920,
            "height": 1080,
            "total_frames": 100 if self.is_file else -1,
            "is_file": self.is_file,
            "fps": self.fps,
            "is_reconnectable": not self.is_file,
            "timestamp_created": None,
        }
        latency = {"frame_decoding_latency": 0.01, "inference_latency": 0.04, "e2e_latency": 0.06}
        return {
            "video_source_status_updates": list(self.updates),
            "latency_reports": [{"source_id": 0, **latency}],
            "inference_throughput": self.throughput,
            "sources_metadata": [
                {
                    "source_properties": properties if known else None,
                    "source_reference": scheme + mark + rest.rpartition("@")[2] if mark else scheme,
                    "buffer_size": 64,
                    "state": self.state,
                    "buffer_filling_strategy": "DROP_OLDEST",
                    "buffer_consumption_strategy": "EAGER",
                    "source_id": 0,
                }
            ],
        }


class FakeInferenceServer:
    """Its pipelines and what it was asked are there to look at."""

    def __init__(self, port: int = 0) -> None:
        """``port``: the one that an earlier one had, whose pipelines are gone."""
        self.pipelines: dict[str, Pipeline] = {}
        self.asked: list[tuple[str, str, Any]] = []
        self.unreachable: set[str] = set()
        self.workflows = {"inspect"}
        self.api_key: str | None = None
        # How far a pipeline gets by itself: one that is slow stays in INITIALISING.
        self.starts_as = "RUNNING"
        # What is answered in place of the truth: status and body, or None for no answer.
        self.fault: Callable[[str, str], tuple[int, bytes] | None] = lambda _method, _path: None
        self._guard = threading.RLock()
        self._http = ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        self._http.daemon_threads = True
        self.port = self._http.server_port
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()

    @property
    def only(self) -> Pipeline:
        (found,) = self.pipelines.values()
        return found

    # --- what happens to cameras

    def lose_at_start(self, pipeline: Pipeline, message: str) -> None:
        """The camera cannot be opened: the source fails and inference ends before it began."""
        pipeline.turn("INITIALISING")
        pipeline.turn("ERROR")
        told = {"error_type": "SourceConnectionError", "error_message": message}
        pipeline.note(INFO, "INFERENCE_THREAD_STARTED", "inference_pipeline")
        pipeline.note(
            ERROR, "INFERENCE_ERROR", "inference_pipeline", **told, error_context="inference_thread"
        )
        pipeline.note(INFO, "INFERENCE_THREAD_FINISHED", "inference_pipeline")

    def sweep(self) -> None:
        """What a thread of the real one does each second: take away what has no source left."""
        with self._guard:
            self.pipelines = {
                key: pipeline
                for key, pipeline in self.pipelines.items()
                if pipeline.state not in ("ENDED", "ERROR")
            }

    def result(self, outputs: dict[str, Any], *, frame_id: int = 7) -> None:
        """Have the only pipeline predict something."""
        frame = {
            "frame_timestamp": "2026-11-21T10:00:00",
            "frame_id": frame_id,
            "source_id": 0,
        }
        pipeline = self.only
        kept = pipeline.payload["sink_configuration"]["results_buffer_size"]
        pipeline.results.append(([outputs], [frame]))
        while len(pipeline.results) > kept:
            pipeline.results.popleft()

    # --- answers

    def answer(self, method: str, path: str, body: Any) -> Any:
        with self._guard:
            self.asked.append((method, path, body))
            parts = path.strip("/").split("/")
            if parts[:1] != ["inference_pipelines"] or len(parts) not in (2, 3):
                raise No(404, {"detail": "Not Found"})
            if len(parts) == 2:
                whole = {("GET", "list"): self._list, ("POST", "initialise"): self._initialise}
                return self._called(whole, method, parts[1])(body)
            one = {
                ("GET", "status"): self._status,
                ("GET", "consume"): self._consume,
                ("POST", "pause"): self._pause,
                ("POST", "resume"): self._resume,
                ("POST", "terminate"): self._terminate,
            }
            call = self._called(one, method, parts[2])
            if parts[1] not in self.pipelines:
                if parts[2] == "terminate":
                    # The real one looks it up before it handles what is not there.
                    raise refusal(400, "InvalidPayload", "invalid_payload. N/A")
                raise refusal(404, "NotFoundError", f"not_found: no pipeline {parts[1]}")
            return call(self.pipelines[parts[1]])

    def _called(self, calls: dict[tuple[str, str], Any], method: str, name: str) -> Any:
        if (method, name) in calls:
            return calls[method, name]
        other = any(known == name for _, known in calls)
        raise No(405 if other else 404, {"detail": "Method Not Allowed" if other else "Not Found"})

    def _done(self, pipeline_id: str | None, **more: Any) -> dict[str, Any]:
        context = {"request_id": str(uuid.uuid4()), "pipeline_id": pipeline_id}
        return {"status": "success", "context": context, **more}

    def _list(self, _body: Any) -> dict[str, Any]:
        return self._done(None, pipelines=list(self.pipelines))

    def _initialise(self, body: Any) -> dict[str, Any]:
        _check(body)
        processing = body["processing_configuration"]
        if self.api_key is not None and body.get("api_key") is None:
            raise refusal(400, "InvalidPayload", "invalid_payload: no key", "MissingApiKeyError")
        if self.api_key not in (None, body.get("api_key")):
            raise No(401, {"message": "not allowed: check the API key and its workspace"})
        by_id = processing.get("workspace_name") and processing.get("workflow_id")
        if not by_id and processing.get("workflow_specification") is None:
            raise refusal(500, "InternalError", "internal_error", "ValueError")
        if by_id and processing["workflow_id"] not in self.workflows:
            raise refusal(404, "NotFoundError", "not_found: no such workflow or a wrong key")
        body.setdefault("sink_configuration", {}).setdefault("results_buffer_size", 64)
        made = Pipeline(str(uuid.uuid4()), body)
        reference = str(body["video_configuration"]["video_reference"])
        made.is_file = "://" not in reference and not reference.isdigit()
        self.pipelines[made.id] = made
        if reference in self.unreachable:
            self.lose_at_start(made, f"cannot connect to {reference}")
        else:
            made.turn("INITIALISING")
            made.note(INFO, "INFERENCE_THREAD_STARTED", "inference_pipeline")
            if self.starts_as != "INITIALISING":
                made.turn(self.starts_as)
                made.throughput = 12.34567
        return self._done(made.id)

    def _status(self, pipeline: Pipeline) -> dict[str, Any]:
        return self._done(pipeline.id, report=pipeline.report())

    def _consume(self, pipeline: Pipeline) -> dict[str, Any]:
        outputs, frames = pipeline.results.popleft() if pipeline.results else ([], [])
        return self._done(pipeline.id, outputs=outputs, frames_metadata=frames)

    def _pause(self, pipeline: Pipeline) -> dict[str, Any]:
        return self._told(pipeline, "pause", "MUTED")

    def _resume(self, pipeline: Pipeline) -> dict[str, Any]:
        return self._told(pipeline, "resume", "RUNNING")

    def _terminate(self, pipeline: Pipeline) -> dict[str, Any]:
        told = self._told(pipeline, "terminate", "ENDED")
        del self.pipelines[pipeline.id]
        return told

    def _told(self, pipeline: Pipeline, word: str, state: str) -> dict[str, Any]:
        if pipeline.state not in _MAY[word]:
            inner = "StreamOperationNotAllowedError"
            raise refusal(500, "OperationError", f"operation_error: {pipeline.state}", inner)
        pipeline.turn(state)
        return self._done(pipeline.id)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_arguments: Any) -> None:
                """Say nothing."""

            def do_GET(self) -> None:
                self._answer("GET")

            def do_POST(self) -> None:
                self._answer("POST")

            def _answer(self, method: str) -> None:
                raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                fault = server.fault(method, self.path)
                if fault is not None:
                    self._send(*fault)
                    return
                try:
                    try:
                        body = json.loads(raw) if raw else None
                    except ValueError:
                        raise malformed(message="no JSON", kind="json_invalid") from None
                    self._send(200, json.dumps(server.answer(method, self.path, body)).encode())
                except No as no:
                    self._send(no.status, json.dumps(no.body).encode())

            def _send(self, status: int, content: bytes) -> None:
                if status == 0:
                    self.close_connection = True
                    return
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

        return Handler


_PARTS: dict[str, dict[str, tuple[type, ...]]] = {
    "video_configuration": {
        "max_fps": (int, float),
        "video_source_properties": (dict,),
        "batch_collection_timeout": (int, float),
    },
    "processing_configuration": {
        "workflow_specification": (dict,),
        "workspace_name": (str,),
        "workflow_id": (str,),
        "workflow_version_id": (str,),
        "image_input_name": (str,),
        "workflows_parameters": (dict,),
    },
    "sink_configuration": {"results_buffer_size": (int,)},
}
_TYPES = {
    "video_configuration": "VideoConfiguration",
    "processing_configuration": "WorkflowConfiguration",
    "sink_configuration": "MemorySinkConfiguration",
}


def _check(body: Any) -> None:
    """Refuse what the real one's model of the request does not take."""
    if not isinstance(body, dict):
        raise malformed(message="an object is wanted", kind="model_attributes_type")
    for name in ("video_configuration", "processing_configuration"):
        if name not in body:
            raise malformed(name, message="Field required", kind="missing")
    for name, kinds in _PARTS.items():
        if body.get(name) is not None:
            _check_part(name, body[name], kinds)
    reference = body["video_configuration"].get("video_reference")
    if not isinstance(reference, (str, int, list)) or isinstance(reference, bool):
        place = ("video_configuration", "video_reference")
        raise malformed(*place, message="a text or a number", kind="missing")
    for key, kind in (("consumption_timeout", (int, float)), ("api_key", str)):
        if body.get(key) is not None and not isinstance(body[key], kind):
            raise malformed(key, message="of the wrong type", kind="type_error")


def _check_part(name: str, part: Any, kinds: dict[str, tuple[type, ...]]) -> None:
    if not isinstance(part, dict) or part.get("type") != _TYPES[name]:
        raise malformed(name, "type", message="another type", kind="literal_error")
    for key, kind in kinds.items():
        value = part.get(key)
        if value is not None and (not isinstance(value, kind) or isinstance(value, bool)):
            raise malformed(name, key, message="of the wrong type", kind="type_error")


def picture_output(jpeg: bytes = TINY_JPEG) -> dict[str, Any]:
    """A picture among the outputs of a workflow."""
    value = base64.b64encode(jpeg).decode()
    return {"type": "base64", "value": value, "video_metadata": None}
