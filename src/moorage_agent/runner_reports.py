"""What an inference server says of a pipeline and of a frame, in our words: pure functions."""

from __future__ import annotations

import base64
import binascii
import json
import math
from typing import Any, Dict, List, NamedTuple, Optional

from moorage_agent.pictures import is_jpeg
from moorage_agent.runner_base import PAUSED, RECONNECTING, RUNNING, STARTING

ENDED = "ENDED"
_STATUSES = {
    "RUNNING": RUNNING,
    "MUTED": PAUSED,
    "PAUSED": PAUSED,
    "NOT_STARTED": STARTING,
    "INITIALISING": STARTING,
}
# As Python's logging counts.
_ERROR_FROM = 40
_MOST_FPS = 1000.0
_DEEPEST = 8
_LONGEST_TEXT = 500
_LARGEST_RESULT = 16 * 1024


class Told(NamedTuple):
    """A pipeline's report. ``over``: nothing will come of it any more; ``is_file``: by design."""

    status: str
    error: Optional[str]
    camera_fps: Optional[float]
    inference_fps: Optional[float]
    over: bool
    is_file: bool


def told_of(report: Dict[str, Any]) -> Told:
    """Return what a report says.

    ``camera_fps`` is what the source declares; the server does not measure it.
    """
    sources = _objects(report.get("sources_metadata"))
    source = sources[0] if sources else {}
    properties = source.get("source_properties")
    properties = properties if isinstance(properties, dict) else {}
    state = str(source.get("state", "NOT_STARTED"))
    status = _STATUSES.get(state, RECONNECTING)
    updates = _objects(report.get("video_source_status_updates"))
    error = _error(updates)
    over = _is_over(updates)
    if over and status in (RUNNING, STARTING, PAUSED):
        # The source may well go on sending to a pipeline whose inference died.
        status = RECONNECTING
    return Told(
        status,
        error if status != RUNNING or _is_last(updates, error) else None,
        _fps(properties.get("fps")) if status == RUNNING else None,
        _fps(report.get("inference_throughput")) if status == RUNNING else None,
        over or (state == ENDED and properties.get("is_file") is True),
        properties.get("is_file") is True,
    )


def _error(updates: List[Dict[str, Any]]) -> Optional[str]:
    """Return the latest error that no running camera has overtaken."""
    found = None
    for update in updates:
        payload = update.get("payload")
        payload = payload if isinstance(payload, dict) else {}
        severity = update.get("severity")
        if isinstance(severity, int) and severity >= _ERROR_FROM:
            words = (payload.get("error_type"), payload.get("error_message"))
            said = ": ".join(str(word) for word in words if word)
            found = said or str(update.get("event_type"))
        elif payload.get("new_state") == "RUNNING":
            found = None
    return found


def _is_last(updates: List[Dict[str, Any]], error: Optional[str]) -> bool:
    """Whether the error is the last thing that was said: then it is of the present."""
    severity = updates[-1].get("severity") if updates else None
    return error is not None and isinstance(severity, int) and severity >= _ERROR_FROM


def _is_over(updates: List[Dict[str, Any]]) -> bool:
    over = False
    for update in updates:
        if update.get("event_type") == "INFERENCE_THREAD_FINISHED":
            over = True
        elif update.get("event_type") == "INFERENCE_THREAD_STARTED":
            over = False
    return over


def _fps(value: Any) -> Optional[float]:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    # Drivers that do not know declare nonsense, such as the 90000 ticks of RTP's clock.
    right = not math.isnan(value) and 0 <= value <= _MOST_FPS
    return round(float(value), 2) if right else None


def _objects(value: Any) -> List[Dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def picture_in(result: Dict[str, Any]) -> Optional[bytes]:
    """Return the first JPEG of a result, if its workflow has a picture among its outputs."""
    return _picture(result.get("outputs"), 0)


def _picture(value: Any, depth: int) -> Optional[bytes]:
    if depth > _DEEPEST:
        return None
    if isinstance(value, dict):
        if value.get("type") == "base64" and isinstance(value.get("value"), str):
            try:
                found = base64.b64decode(value["value"], validate=True)
            except (binascii.Error, ValueError):
                return None
            return found if is_jpeg(found) else None
        value = list(value.values())
    for part in value if isinstance(value, list) else ():
        picture = _picture(part, depth + 1)
        if picture is not None:
            return picture
    return None


def summary_of(result: Dict[str, Any]) -> Optional[Dict[str, Any]]:
    """Return a result without its pictures, small enough to be told; None when there is none."""
    outputs = _objects(result.get("outputs"))
    if not outputs:
        return None
    frames = _objects(result.get("frames_metadata"))
    frame = frames[0] if frames else {}
    told: Dict[str, Any] = {
        "frame_id": frame.get("frame_id"),
        "frame_timestamp": frame.get("frame_timestamp"),
        "outputs": _trimmed(outputs[0], 0),
    }
    if len(json.dumps(told)) > _LARGEST_RESULT:
        told["outputs"] = {str(name)[:100]: _kind(value) for name, value in outputs[0].items()}
    if len(json.dumps(told)) > _LARGEST_RESULT:
        told["outputs"] = "%d outputs, too large to be told" % len(outputs[0])
    return told


def _trimmed(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return value[:_LONGEST_TEXT]
    if isinstance(value, (dict, list)) and depth > _DEEPEST:
        return _kind(value)
    if isinstance(value, dict) and value.get("type") == "base64":
        return "a picture"
    if isinstance(value, dict):
        return {str(name)[:100]: _trimmed(part, depth + 1) for name, part in value.items()}
    if isinstance(value, list):
        return [_trimmed(part, depth + 1) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _kind(value: Any) -> Any:
    if isinstance(value, (dict, list)):
        return "%d entries" % len(value)
    return _trimmed(value, 0)
