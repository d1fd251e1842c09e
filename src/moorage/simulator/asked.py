"""What a virtual device is asked to do, done in its imagination; each command once."""

from typing import Any, Final

from moorage_agent.messages import Command

_MOST_KNOWN = 100
_STREAM_STATES: Final = {
    "pause_stream": "paused",
    "resume_stream": "running",
    "terminate_stream": "terminated",
    "trigger_stream": "running",
}


class Asked:
    """The commands of one device, and what its streams were told to be."""

    def __init__(self) -> None:
        """Start with none."""
        self.streams: dict[str, str] = {}
        self._results: dict[str, dict[str, Any]] = {}
        self._untold: list[str] = []

    @property
    def waits(self) -> bool:
        """Whether a result is not reported yet."""
        return bool(self._untold)

    def run(
        self, command: Command, *, expired: bool, again: bool, streams: tuple[str, ...]
    ) -> bool:
        """Do it unless it is known; return whether that restarts the device.

        ``again``: the server lacks a result it was told, so it is told once more.
        """
        if command.id in self._results:
            if again and command.id not in self._untold:
                self._untold.append(command.id)
            return False
        error: str | None = None
        result: dict[str, Any] = {}
        if expired:
            error = "expired: it came after its time was over, and was not run"
        elif command.kind in _STREAM_STATES:
            stream = str(command.arguments.get("stream_id", ""))
            if stream in streams:
                self.streams[stream] = _STREAM_STATES[command.kind]
                result = {"stream_id": stream, "status": _STREAM_STATES[command.kind]}
            else:
                error = f"there is no stream {stream!r}; it runs {', '.join(streams) or 'none'}"
        elif command.kind not in ("ping", "restart_agent", "reboot", "restart_service"):
            error = f"a virtual device cannot do {command.kind!r}"
        else:
            result = {"virtual": True}
        done: dict[str, Any] = {"id": command.id, "state": "failed" if error else "succeeded"}
        self._results[command.id] = done | ({"error": error} if error else {"result": result})
        self._untold.append(command.id)
        while len(self._results) > _MOST_KNOWN:
            del self._results[next(iter(self._results))]
        return error is None and command.kind in ("restart_agent", "reboot")

    def take(self) -> list[dict[str, Any]]:
        """Return the results to report now."""
        told = [self._results[one] for one in self._untold if one in self._results]
        self._untold.clear()
        return told
