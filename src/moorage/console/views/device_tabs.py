"""The routes of a device's tabs, for the list in ``app.py``."""

from moorage.console.signing_in import Endpoint
from moorage.console.views import (
    device_access,
    device_commands,
    device_events,
    device_logs,
    device_running,
)

_GET, _POST = "GET", "POST"
_AT = "/console/devices/{device_id}"

PAGES: tuple[tuple[str, str, Endpoint], ...] = (
    (_GET, f"{_AT}/logs", device_logs.show),
    (_GET, f"{_AT}/logs/lines", device_logs.lines),
    (_GET, f"{_AT}/logs/new", device_logs.new),
    (_GET, f"{_AT}/events", device_events.show),
    (_GET, f"{_AT}/commands", device_commands.show),
    (_POST, f"{_AT}/commands", device_commands.send),
    (_GET, f"{_AT}/commands/draft", device_commands.draft),
    (_POST, f"{_AT}/commands/{{command_id}}/cancel", device_commands.cancel),
    (_GET, f"{_AT}/streams", device_running.show_streams),
    (_POST, f"{_AT}/streams", device_running.act),
    (_GET, f"{_AT}/streams/picture", device_running.picture),
    (_GET, f"{_AT}/services", device_running.show_services),
    (_POST, f"{_AT}/services/restart", device_running.restart),
    (_GET, f"{_AT}/keys", device_access.show_keys),
    (_POST, f"{_AT}/keys/rotate", device_access.rotate),
    (_GET, f"{_AT}/access", device_access.show_access),
)
