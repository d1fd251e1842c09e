"""Drives the pipelines of a stock inference server, one for each stream."""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
import time
from typing import Any, Dict, Optional

from moorage_agent import pictures, probe
from moorage_agent.logs import log
from moorage_agent.runner_base import (
    PAUSED,
    RECONNECTING,
    RUNNING,
    STARTING,
    OnLine,
    Over,
    Pauses,
    RunnerError,
    Stream,
    Unreachable,
    Unusable,
)
from moorage_agent.runner_memory import Memory, Pipeline
from moorage_agent.runner_pipelines import DEFAULT_SERVER, Gone, Pipelines, Refused
from moorage_agent.runner_reports import Told, picture_in, summary_of, told_of
from moorage_agent.runner_secrets import source_of
from moorage_agent.runner_set import Runner

# A pipeline's state is asked for often while it begins: one whose camera is not there is taken
# away by the server within a second or two, and its reason with it.
_BEGINS_S, _POLL_FAST_S, _POLL_S = 15.0, 0.5, 5.0
_WELL_S = 30.0
# What nobody claimed after so long is of a stream that left the config.
_UNCLAIMED_AFTER_S = 60.0
_END_WITHIN_S = 600.0
# The newest result alone: what a snapshot and a trigger want, and the server's memory is spared.
_RESULTS_KEPT = 1
_MOST_RESULTS = 1024
_PROCESSING = (
    "workflow_specification",
    "workspace_name",
    "workflow_version_id",
    "image_input_name",
    "workflows_parameters",
)
_VIDEO = ("max_fps", "video_source_properties")


class InferenceRunner(Runner):
    """Streams that are pipelines of an inference server."""

    def __init__(
        self, on_line: OnLine, *, folder: Optional[str] = None, pauses: Optional[Pauses] = None
    ) -> None:
        """``folder``: where to remember pipelines in case this process is killed."""
        super().__init__(on_line, pauses=pauses)
        self._memory = Memory(folder)
        self._timer = threading.Timer(_UNCLAIMED_AFTER_S, self._end_unclaimed)
        self._timer.daemon = True
        if self._memory.has_unclaimed():
            self._timer.start()

    def make(self, stream_id: str, spec: Dict[str, Any]) -> Stream:
        """Return a stream, not begun. Raises Unusable."""
        return InferenceStream(stream_id, spec, self._on_line, self._pauses, self._memory)

    def close(self) -> None:
        """End all streams and wait for that, some seconds at most."""
        self._timer.cancel()
        super().close()

    def _end_unclaimed(self) -> None:
        for stream_id, pipeline in self._memory.unclaimed().items():
            try:
                Pipelines(pipeline.server).terminate(pipeline.id)
                self._memory.drop(stream_id, pipeline)
            except RunnerError as error:
                log.warning("a pipeline of stream %s was not ended: %s", stream_id, error)


class InferenceStream(Stream):
    """One pipeline, made anew when it is gone."""

    def __init__(
        self, stream_id: str, spec: Dict[str, Any], on_line: OnLine, pauses: Pauses, memory: Memory
    ) -> None:
        """Check the config. Raises Unusable."""
        super().__init__(stream_id, spec, on_line, pauses)
        self._payload = payload_of(spec)
        self._server = Pipelines(_options(spec).get("server", DEFAULT_SERVER))
        self._memory = memory
        text = json.dumps([self._server.server, self._payload], sort_keys=True)
        self._digest = hashlib.sha256(text.encode("ascii")).hexdigest()
        self._pipeline: Optional[Pipeline] = None
        # What an earlier process had for this stream.
        self._earlier: Optional[Pipeline] = None
        self._error_seen: Optional[str] = None
        self._is_file = False
        self._ran_since: Optional[float] = None
        self._began = 0.0

    def work(self) -> None:
        """Have a pipeline, and look at it until it is gone or to end."""
        if self._pipeline is None:
            if not self.failed_before() and not self.paused:
                self.told(STARTING)
            self._take_over()
        if self._pipeline is None:
            self._initialise()
        while not self.ending.is_set() and self._pipeline is not None:
            self._look(self._pipeline)
            begins = time.monotonic() - self._began < _BEGINS_S
            self.rest(_POLL_FAST_S if begins else _POLL_S)

    def finish(self) -> None:
        """End the pipeline; while the server cannot be reached, go on trying."""
        pipeline = self._pipeline or self._earlier
        deadline = time.monotonic() + _END_WITHIN_S
        failures = 0
        while pipeline is not None and time.monotonic() < deadline:
            try:
                Pipelines(pipeline.server).terminate(pipeline.id)
            except RunnerError as error:
                failures += 1
                self.ends_slowly("the pipeline is not ended yet: %s" % error)
                self.rest(self.pauses.after(failures))
            else:
                self._memory.drop(self.id, pipeline)
                pipeline = None

    def works_paused(self) -> bool:
        """A paused pipeline is there, and is looked at."""
        return True

    def pause(self) -> Dict[str, Any]:
        """Pause the pipeline; while its camera is away, as soon as that is back."""
        self.paused = True
        return self._switch(PAUSED)

    def resume(self) -> Dict[str, Any]:
        """Have the pipeline go on."""
        self.paused = False
        return self._switch(RUNNING)

    def trigger(self) -> Dict[str, Any]:
        """Return the newest result, without pictures. Raises RunnerError."""
        told = summary_of(self._newest())
        if told is None:
            raise RunnerError("the pipeline has no result%s" % self._because())
        return told

    def snapshot(self) -> bytes:
        """Return a picture of the camera, else one of the newest result. Raises RunnerError."""
        reason = "the camera is attached to this device, and the pipeline has it"
        if isinstance(self._payload["video_configuration"]["video_reference"], str):
            try:
                return probe.one_picture(self.spec)
            except RunnerError as error:
                reason = self.secrets.cut(str(error))
        try:
            picture = picture_in(self._newest())
        except RunnerError:
            picture = None
        if picture is None:
            raise RunnerError(
                "%s; and the workflow has no picture among its outputs right now" % reason
            )
        return pictures.fitted(picture)

    # --- the pipeline

    def _take_over(self) -> None:
        self._earlier = self._memory.claim(self.id) or self._earlier
        if self._earlier is None:
            return
        if self._earlier.digest == self._digest:
            self._has(self._earlier)
        else:
            Pipelines(self._earlier.server).terminate(self._earlier.id)
            self._memory.drop(self.id, self._earlier)
        self._earlier = None

    def _initialise(self) -> None:
        try:
            pipeline_id = self._server.initialise(self._payload)
        except Gone as error:
            raise Refused(str(error).replace("knows no such pipeline", "refused (404)")) from None
        pipeline = Pipeline(self._server.server, pipeline_id, self._digest)
        self._memory.keep(self.id, pipeline)
        self._has(pipeline)

    def _has(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._began = time.monotonic()
        self._error_seen, self._is_file, self._ran_since = None, False, None
        self.pipeline(pipeline.id)

    def _look(self, pipeline: Pipeline) -> None:
        try:
            told = told_of(self._server.report(pipeline.id))
        except Gone:
            self._lose(pipeline)
            return
        except Refused as error:
            # It cannot tell right now, which happens while it begins.
            self.line("debug", str(error))
            return
        self._error_seen = told.error or self._error_seen
        self._is_file = self._is_file or told.is_file
        if told.over:
            self._server.terminate(pipeline.id)
            self._lose(pipeline)
        elif told.status == RUNNING and self.paused:
            # Refused: it was paused since it told us, or cannot be yet; the next look will tell.
            with contextlib.suppress(Refused):
                self._server.pause(pipeline.id)
                self.told(PAUSED)
        else:
            self._say(told)

    def _say(self, told: Told) -> None:
        now = time.monotonic()
        if told.status == RUNNING:
            self._ran_since = self._ran_since or now
            if now - self._ran_since > _WELL_S:
                self.worked()
        else:
            self._ran_since = None
        if told.status == STARTING and self.failed_before():
            return  # what went wrong before is still the best there is to say
        error = told.error
        if told.status == RECONNECTING and error is None:
            error = "the inference server has lost the camera and connects anew"
        self.told(told.status, error, camera_fps=told.camera_fps, inference_fps=told.inference_fps)

    def _lose(self, pipeline: Pipeline) -> None:
        """Note that the pipeline is no more. Raises RunnerError with the reason, or Over."""
        self._pipeline = None
        self.pipeline(None)
        self._memory.drop(self.id, pipeline)
        if self._is_file and self._error_seen is None:
            raise Over
        raise Unreachable(
            self._error_seen
            or "the inference server ended the pipeline; as a rule its camera cannot be reached"
        )

    def _switch(self, status: str) -> Dict[str, Any]:
        change = self._server.pause if status == PAUSED else self._server.resume
        try:
            change(self._id())
        except RunnerError as error:
            self.notify()
            told = self.status()
            if told == status:
                return {"status": told}
            word = "paused" if status == PAUSED else "running"
            note = "it will be %s as soon as its pipeline runs: %s" % (word, error)
            return {"status": told, "note": self.secrets.cut(note)}
        self.told(status)
        self.notify()
        return {"status": status}

    def _id(self) -> str:
        pipeline = self._pipeline
        if pipeline is None:
            raise RunnerError("there is no pipeline right now%s" % self._because())
        return pipeline.id

    def _newest(self) -> Dict[str, Any]:
        pipeline_id = self._id()
        found: Dict[str, Any] = {}
        for _ in range(int(self._payload["sink_configuration"]["results_buffer_size"])):
            result = self._server.consume(pipeline_id)
            if not result.get("outputs"):
                break
            found = result
        return found

    def _because(self) -> str:
        error = self.state()["error"]
        return "" if error is None else ": %s" % error


def payload_of(spec: Dict[str, Any]) -> Dict[str, Any]:
    """Return what a pipeline is made from, as the server's API has it. Raises Unusable."""
    options = _options(spec)
    workflow_id = spec.get("workflow_id")
    if workflow_id is None and options.get("workflow_specification") is None:
        raise Unusable(
            "the config names no workflow_id, nor has it an inference.workflow_specification"
        )
    kept = options.get("results_buffer_size", _RESULTS_KEPT)
    if isinstance(kept, bool) or not isinstance(kept, int) or not 1 <= kept <= _MOST_RESULTS:
        raise Unusable("inference.results_buffer_size is a number from 1 to %d" % _MOST_RESULTS)
    payload: Dict[str, Any] = {
        "video_configuration": {
            "type": "VideoConfiguration",
            "video_reference": _reference(spec),
            **{name: options[name] for name in _VIDEO if options.get(name) is not None},
        },
        "processing_configuration": {
            "type": "WorkflowConfiguration",
            **{name: options[name] for name in _PROCESSING if options.get(name) is not None},
        },
        "sink_configuration": {"type": "MemorySinkConfiguration", "results_buffer_size": kept},
    }
    if workflow_id is not None:
        payload["processing_configuration"]["workflow_id"] = workflow_id
    for name in ("api_key", "consumption_timeout"):
        if options.get(name) is not None:
            payload[name] = options[name]
    return payload


def _options(spec: Dict[str, Any]) -> Dict[str, Any]:
    told = spec.get("inference")
    if told is None:
        return {}
    if not isinstance(told, dict):
        raise Unusable("inference is an object")
    if not isinstance(told.get("server", ""), str):
        raise Unusable("inference.server is a text")
    return told


def _reference(spec: Dict[str, Any]) -> Any:
    """Return a source as the server takes it: an address, a path, or the number of a camera."""
    told = spec.get("source")
    if isinstance(told, str) and told.strip().isdigit():
        return int(told.strip())
    try:
        return source_of(spec).whole()
    except ValueError as error:
        raise Unusable(str(error)) from None
