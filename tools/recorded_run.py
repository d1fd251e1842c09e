# ruff: noqa: INP001, S603, S607 - a tool, no package; it runs what a user would type
"""Records docs/guide/recorded-run.md: from nothing to a device that runs a container and a stream.

What is in the page was run, in this order, by this program: a real server, the installer from
`curl | sh`, a real Docker Engine, a real video. Only keys, tokens and the folder it ran in are
replaced. It needs root, dockerd, busybox, ffmpeg, curl and jq; it leaves nothing behind.
"""

import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "guide" / "recorded-run.md"
sys.path[:0] = [str(ROOT / "tests")]

from support import docker  # noqa: E402 - found through the path set above
from support.video import clip  # noqa: E402 - found through the path set above

_SECRET = re.compile(r"\b((?:sk_live|adk|inst|apt)_)[0-9a-f]{48}\b")
_STEP_WITHIN_S = 180
SERVER = "http://127.0.0.1:8400"


class Session:
    """A shell's commands and what they printed."""

    def __init__(self, folder: Path, env: dict[str, str]) -> None:
        self.folder = folder
        self.env = env
        self.page: list[str] = []
        self._started: list[subprocess.Popen[bytes]] = []

    def say(self, text: str) -> None:
        """Write a paragraph or a heading."""
        self.page += [text.strip(), ""]

    def show(self, *commands: str) -> str:
        """Run commands one by one; show them with what they print."""
        printed, lines = "", ["```"]
        for command in commands:
            printed = self.run(command)
            lines += ["$ " + command.replace("\n", "\n> "), *printed.rstrip().splitlines()]
        self.page += [*map(self._public, lines), "```", ""]
        return printed

    def run(self, command: str) -> str:
        """Return what a command prints; the recording ends when it fails."""
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self.folder,
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_STEP_WITHIN_S,
            check=False,
        )
        if done.returncode != 0:
            raise SystemExit(f"{command}\n{done.stdout}")
        return done.stdout

    def keep(self, name: str, command: str) -> None:
        """Keep what a command prints in a variable, shown as a shell would do it."""
        self.env[name] = self.run(command).strip()
        self.page += ["```", self._public(f"$ {name}=$({command})"), "```", ""]

    def background(self, command: str, log: str) -> None:
        """Start a command that goes on, and show it."""
        with (self.folder / log).open("ab") as out:
            arguments = ["bash", "-c", "exec " + command]
            process = subprocess.Popen(
                arguments, cwd=self.folder, env=self.env, stdout=out, stderr=out
            )
        self._started.append(process)
        self.page += ["```", self._public(f"$ {command} > {log} 2>&1 &"), "```", ""]

    def until(self, command: str, holds: str) -> None:
        """Wait until what a command prints holds a text; not shown."""
        deadline = time.monotonic() + _STEP_WITHIN_S
        while time.monotonic() < deadline:
            if holds in self.run(command):
                return
            time.sleep(1)
        raise SystemExit(f"{command} never said {holds!r}:\n{self.run(command)}")

    def end(self) -> None:
        """Stop what goes on, the last first."""
        for process in reversed(self._started):
            process.terminate()
            process.wait(30)

    def _public(self, line: str) -> str:
        return _SECRET.sub(r"\1…", line).replace(str(self.folder), "~")


def record(session: Session) -> None:
    """Run all of it."""
    api = "curl -sS -H @auth"
    session.say("## The server")
    session.background("moorage serve --data data", "server.log")
    session.until(f"curl -s {SERVER}/readyz || true", "ready")
    session.say(
        """
A workspace and its key. `moorage login` keeps address and key for the commands that follow; the
file `auth` is for those with `curl`.
"""
    )
    session.keep("KEY", "moorage bootstrap --workspace acme --data data --json | jq -r .api_key")
    session.show(
        f"echo $KEY | moorage login {SERVER} --key-stdin",
        'echo "Authorization: Bearer $KEY" > auth',
    )
    session.say("## The device")
    made = session.show("moorage device create 'camera 1' --tag line-1")
    line = next(one.strip() for one in made.splitlines() if "install.sh" in one)
    session.say("The line it printed, with a folder of our own in place of the system's:")
    session.show(f"{line} -s -- --prefix $HOME/agent --no-service")
    session.background("agent/bin/moorage-agent run", "agent.log")
    session.until("moorage device get 'camera 1'", "online")
    session.show("moorage device get 'camera 1'")
    session.say(
        """
## A container and a stream

The image is one that stands on the device already; the video is four seconds of moving test
pictures at 25 a second, played over and over. First the device is asked what this would do.
"""
    )
    patch = """{"config": {"report_interval_s": 5},
 "services": {"look": {"image": "IMAGE",
   "command": "sh -c 'echo looking at line 1; sleep 600'", "stable_s": 5}},
 "streams": {"line-1": {"source": "HOME/line-1.mp4", "probe": {"every_s": 1}}}}"""
    patch = patch.replace("IMAGE", session.env["IMAGE"]).replace("HOME", str(session.folder))
    (session.folder / "patch.json").write_text(patch + "\n")
    session.show("cat patch.json", "moorage device config plan 'camera 1' --patch patch.json")
    session.keep(
        "URL", f"echo {SERVER}/v1/devices/$(moorage device get 'camera 1' --json | jq -r .id)"
    )
    url = "$URL"
    session.show(
        f"{api} -X PATCH {url}/config --data @patch.json \\\n"
        "    -H 'Content-Type: application/merge-patch+json' | jq -c '{revision, applied}'"
    )
    session.until(f"{api} {url}/config | jq -r .applied.state", "applied")
    session.until(f"{api} {url}/streams | jq '.data[0].sharpness != null'", "true")
    session.until(f"{api} {url}/services | jq '.data[0].memory_mb != null'", "true")
    session.say("A little later, as the API tells it:")
    session.show(
        f"{api} {url}/config | jq -c .applied",
        f"{api} {url}/services | jq '.data[] | {{name, state, image, restarts, memory_mb}}'",
        f"{api} {url}/streams | jq '.data[] | {{id, status, camera_fps, sharpness}}'",
        "moorage stream list 'camera 1'",
        "moorage stream snapshot 'camera 1' line-1 --output now.jpg && file -b now.jpg",
        "docker ps --format '{{.Image}}  {{.Command}}  {{.Status}}'",
        "moorage device logs 'camera 1' --service look --limit 3",
    )
    session.say(
        """
## A config that is no good

The new container ends at once. The device finds that out by itself, goes back to what ran, and says
why; it does not try that revision again.
"""
    )
    bad = '{"services": {"look": {"command": "sh -c \'echo no licence; exit 3\'"}}}'
    (session.folder / "bad.json").write_text(bad + "\n")
    session.show(
        "cat bad.json",
        f"{api} -X PATCH {url}/config --data @bad.json \\\n"
        "    -H 'Content-Type: application/merge-patch+json' | jq -c '{revision, applied}'",
    )
    session.until(f"{api} {url}/config | jq -r .applied.state", "failed")
    session.until("docker ps --format '{{.Command}}'", "looking")
    session.show(
        f"{api} {url}/config | jq '.applied | {{revision, state, error}}'",
        "docker ps --format '{{.Image}}  {{.Command}}  {{.Status}}'",
        "moorage device events 'camera 1' --limit 4",
    )
    session.say("## Nothing was lost")
    session.show("moorage device verify 'camera 1'")


def main() -> None:
    """Record, and write the page."""
    reason = docker.why_not()
    if reason is not None:
        raise SystemExit(reason)
    folder = Path(tempfile.mkdtemp(prefix="moorage-run-"))
    engine = docker.started(folder / "docker")
    env = {
        "HOME": str(folder),
        "PATH": f"{ROOT}/.venv/bin:{os.environ['PATH']}",
        "DOCKER_HOST": f"unix://{engine.socket}",
        "IMAGE": engine.import_busybox("1"),
        "COLUMNS": "100",
        "LANG": "C.UTF-8",
    }
    session = Session(folder, env)
    try:
        clip(folder / "line-1.mp4")
        record(session)
    finally:
        session.end()
        engine.remove_all()
        engine.stop()
        shutil.rmtree(folder)
    head = f"""# A recorded run

From nothing to a device that runs a container and looks at a video, and goes back by itself when it
is given a config that is no good. Recorded by `tools/recorded_run.py` on {platform.system()}
{platform.machine()} with Python {platform.python_version()} and the Docker Engine of Debian's
`docker.io`. Keys and tokens are cut, and the folder it ran in is written `~`; the rest is as it
was.
"""
    PAGE.write_text("\n".join([head, *session.page]).rstrip() + "\n")
    sys.stderr.write(f"wrote {PAGE.relative_to(ROOT)}\n")


if __name__ == "__main__":
    main()
