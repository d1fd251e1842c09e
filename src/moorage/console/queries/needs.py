"""Why a device needs somebody, in words."""

from collections.abc import Callable, Sequence

from moorage.core.attention import Cause, Need
from moorage.core.devices import Device

_LONGEST = 160


def words_of(need: Need, device: Device) -> list[str]:
    """Return a sentence for each reason that the presence beside it does not say already."""
    return [words(need, device) for cause in need.causes if (words := _WORDS.get(cause))]


def _clone(_need: Need, device: Device) -> str:
    since = device.clone_suspected_at
    told = "" if since is None else f" since {since:%Y-%m-%d %H:%M} UTC"
    return f"two copies seem to speak under its key{told}; release it for one of them"


def _config_failed(need: Need, _device: Device) -> str:
    if need.config is None:
        return "its config failed"
    error = _cut(need.config.error or "the device did not say why")
    return f"config revision {need.config.revision} failed: {error}"


def _config_behind(need: Need, _device: Device) -> str:
    if need.config is None:
        return "its config is behind"
    return f"runs config revision {need.config.reported_revision}, is to run {need.config.revision}"


def _failed(what: str, names: Sequence[str]) -> str:
    if len(names) == 1:
        return f"{what} {_cut(names[0])} failed"
    return f"{len(names)} {what}s failed: {_cut(', '.join(names))}"


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


_WORDS: dict[Cause, Callable[[Need, Device], str]] = {
    Cause.CLONE_SUSPECTED: _clone,
    Cause.CONFIG_FAILED: _config_failed,
    Cause.STREAM_FAILED: lambda need, _: _failed("stream", need.streams),
    Cause.SERVICE_FAILED: lambda need, _: _failed("service", need.services),
    Cause.PENDING_APPROVAL: lambda _need, _device: "waits for an owner to let it in",
    Cause.CONFIG_BEHIND: _config_behind,
    Cause.NEVER_SEEN: lambda _need, _device: "was made over a day ago; install it, or delete it",
}
