"""A terminal of a test's own, with `moorage` on it."""

import os
import pty
import re
import sys

_STYLE = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


def plain(shown: str) -> str:
    """What is read of it, without colours."""
    return _STYLE.sub("", shown)


def at_a_terminal(cli, *arguments, typed=b"", stdout=None, width=90):
    """Run a command on a terminal of its own; return its exit code and all that it shows."""
    process, terminal = pty.fork()
    if process == 0:  # pragma: no cover - the other process
        if stdout is not None:
            os.dup2(os.open(stdout, os.O_CREAT | os.O_WRONLY, 0o600), 1)
        environment = {**cli.environment(), "COLUMNS": str(width), "TERM": "xterm-256color"}
        command = [sys.executable, "-m", "moorage.cli", *map(str, arguments)]
        os.execve(sys.executable, command, environment)
    os.write(terminal, typed)
    shown = until_closed(terminal)
    _, status = os.waitpid(process, 0)
    return os.waitstatus_to_exitcode(status), shown.decode()


def until_closed(terminal):
    shown = b""
    while True:
        try:
            chunk = os.read(terminal, 4096)
        except OSError:
            # How Linux says that the other side of a terminal is closed.
            chunk = b""
        if not chunk:
            os.close(terminal)
            return shown
        shown += chunk
