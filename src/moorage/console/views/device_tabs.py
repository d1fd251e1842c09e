"""The routes of a device's tabs, for the list in ``app.py``."""

from moorage.console.signing_in import Endpoint
from moorage.console.views import device_logs

_GET = "GET"
_AT = "/console/devices/{device_id}"

PAGES: tuple[tuple[str, str, Endpoint], ...] = (
    (_GET, f"{_AT}/logs", device_logs.show),
    (_GET, f"{_AT}/logs/lines", device_logs.lines),
    (_GET, f"{_AT}/logs/new", device_logs.new),
)
