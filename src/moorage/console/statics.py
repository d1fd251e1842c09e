"""What the pages load: own scripts and styles, and the front-end parts that set-up brings.

Addresses hold a digest of all files together, so that they may be kept for good, and modules that
name each other relatively stay together.
"""

import gzip
import hashlib
import mimetypes
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from moorage.core.errors import not_found

FOLDER = Path(__file__).parent / "static"
PREFIX = "/console/static"
VENDOR = (
    "vendor/htmx.min.js",
    "vendor/tabler.min.css",
    "vendor/tabler.min.js",
    "vendor/uplot.min.js",
    "vendor/uplot.min.css",
    "vendor/icons.svg",
)
_FOR_GOOD = "public, max-age=31536000, immutable"
_ZIPPED = ("text/", "image/svg", "application/json")
_LEAST_ZIPPED = 1024
_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


class Statics:
    """The files by their names below ``static``, as they were when the server started."""

    def __init__(self, folder: Path = FOLDER) -> None:
        """List and digest what is there."""
        self._files = {
            path.relative_to(folder).as_posix(): path
            for path in sorted(folder.rglob("*"))
            if path.is_file() and not path.name.startswith(".")
        }
        whole = hashlib.sha256()
        for name, path in self._files.items():
            whole.update(name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
        self.digest = whole.hexdigest()[:16]
        self.missing = [name for name in VENDOR if name not in self._files]
        self._read: dict[str, tuple[bytes, bytes | None]] = {}

    def url(self, name: str) -> str:
        """Return the address of a file. Raises KeyError for one that is not there."""
        if name not in self._files:
            raise KeyError(f"there is no static file {name}")
        return f"{PREFIX}/{self.digest}/{name}"

    async def serve(self, request: Request) -> Response:
        """Answer with a file; under another digest than ours it is not to be kept."""
        name = str(request.path_params["name"])
        if name not in self._files:
            raise not_found("file")
        plain, zipped = self._content(name)
        is_ours = request.path_params["digest"] == self.digest
        headers = {
            "Cache-Control": _FOR_GOOD if is_ours else "no-cache",
            "Vary": "Accept-Encoding",
        }
        if zipped is not None and "gzip" in request.headers.get("accept-encoding", ""):
            headers["Content-Encoding"] = "gzip"
            plain = zipped
        return Response(plain, 200, headers, media_type=self._type(name))

    def _content(self, name: str) -> tuple[bytes, bytes | None]:
        if name not in self._read:
            plain = self._files[name].read_bytes()
            is_text = self._type(name).startswith(_ZIPPED)
            zipped = gzip.compress(plain, 9, mtime=0) if is_text else None
            small = zipped is None or len(plain) < _LEAST_ZIPPED
            self._read[name] = (plain, None if small else zipped)
        return self._read[name]

    @staticmethod
    def _type(name: str) -> str:
        guessed = _TYPES.get(Path(name).suffix) or mimetypes.guess_type(name)[0]
        return guessed or "application/octet-stream"
