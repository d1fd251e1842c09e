"""The agent as its one file: other builds of it, and the file as a real process."""

import hashlib
import io
import os
import shutil
import sqlite3
import sys
import zipfile
from pathlib import Path

import moorage_agent
from moorage.core.provisioning import agent_zipapp
from support.agent import RunningAgent

_PRESENT = f'__version__ = "{agent_zipapp().version}"'.encode()

# Endings of modules, in Python 3.8, that make another build of the agent go wrong in one way.
CRASHES = {"cli": 'def _run(_options):\n    raise RuntimeError("broken on purpose")\n'}
HANGS = {
    "cli": (
        "def _run(_options):\n"
        "    signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "    while True:\n"
        "        time.sleep(1)\n"
    )
}
NEVER_REPORTS = {
    "transport": (
        "_request = Transport.request\n"
        "def _mute(self, method, path, body, headers):\n"
        '    if path == "/v1/reports":\n'
        '        raise Unreachable("on purpose")\n'
        "    return _request(self, method, path, body, headers)\n"
        "Transport.request = _mute\n"
    )
}
DIES_ONCE_PROVEN = {
    "update_trial": (
        "_prove = prove\n"
        "def prove():\n"
        "    _prove()\n"
        "    if is_on():\n"
        '        sys.stderr.write("gone again\\n")\n'
        "        os._exit(3)\n"
    )
}


def killed_in_swap(renames: int) -> dict[str, str]:
    """An agent that is gone, as by a power cut, after so many renames of its swap."""
    return {
        "installed": (
            "_os, _done = os, [0]\n"
            "class _Cut:\n"
            "    def __getattr__(self, name):\n"
            "        return getattr(_os, name)\n"
            "    def replace(self, one, other):\n"
            f"        if _done[0] == {renames}:\n"
            "            _os.kill(_os.getpid(), 9)\n"
            "        _os.replace(one, other)\n"
            "        _done[0] += 1\n"
            f"        if _done[0] == {renames}:\n"
            "            _os.kill(_os.getpid(), 9)\n"
            "os = _Cut()\n"
        )
    }


def build(version: str, endings: dict[str, str] | None = None) -> bytes:
    """The agent's file of another version, with these ends put to modules of it."""
    buffer = io.BytesIO()
    buffer.write(b"#!/usr/bin/env python3\n")
    with (
        zipfile.ZipFile(io.BytesIO(agent_zipapp().content)) as ours,
        zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as other,
    ):
        for member in ours.infolist():
            source = ours.read(member)
            module = member.filename.removeprefix("moorage_agent/").removesuffix(".py")
            if module == "__init__":
                assert _PRESENT in source
                source = source.replace(_PRESENT, f'__version__ = "{version}"'.encode())
            ending = (endings or {}).get(module, "")
            other.writestr(member, source + b"\n" + ending.encode() if ending else source)
    return buffer.getvalue()


def older_release(folder: Path, version: str) -> dict[str, str]:
    """The environment of a server whose release holds an agent of this version."""
    source = Path(moorage_agent.__file__).parent
    package = folder / source.name
    shutil.copytree(source, package, ignore=shutil.ignore_patterns("__pycache__"))
    init = package / "__init__.py"
    content = init.read_bytes()
    assert _PRESENT in content
    init.write_bytes(content.replace(_PRESENT, f'__version__ = "{version}"'.encode()))
    return {"PYTHONPATH": os.pathsep.join([str(folder), str(source.parent)])}


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class InstalledAgent(RunningAgent):
    """The file in a folder of its own, started as the installer's command does."""

    def __init__(
        self, folder: Path, content: bytes | None = None, *, prefix: Path | None = None, **env: str
    ) -> None:
        """``prefix``: where the installer has put it already, with its command."""
        self.file = (prefix or folder) / "lib" / "moorage-agent.pyz"
        if content is not None:
            self.file.parent.mkdir(parents=True)
            self.file.write_bytes(content)
        program, store = [sys.executable, str(self.file)], folder / "store"
        if prefix is not None:
            program, store = [str(prefix / "bin" / "moorage-agent")], prefix / "var"
        super().__init__(program, store, folder / "agent.log", env)
        self._knows_its_store = prefix is not None

    def _called(self, *arguments: str) -> list[str]:
        # The installer's command says itself where the store is.
        return (
            [*self._program, *arguments] if self._knows_its_store else super()._called(*arguments)
        )

    def children(self) -> list[int]:
        """The processes that run a newer file of this agent on trial."""
        found = []
        for entry in Path("/proc").iterdir():
            try:
                command = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if f"{self.file}.next".encode() in command and b"run" in command:
                found.append(int(entry.name))
        return found

    def meta(self, name: str) -> str | None:
        with sqlite3.connect(self.store / "agent.db") as db:
            row = db.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return None if row is None else row[0]
