"""The server as a systemd service: its unit, locked in as far as it can work."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from moorage.server.opening import SetupError
from moorage.server.settings import Settings

NAME = "moorage"
UNIT = Path("etc/systemd/system/moorage.service")
USERS = Path("etc/sysusers.d/moorage.conf")
_MARK = "# Made by 'moorage service install'; changes go to a drop-in (systemctl edit moorage)."
_STATE = Path("/var/lib")
# ProtectHome hides these, and with them whatever lies in them.
_HOMES = (Path("/home"), Path("/root"), Path("/run/user"))
_PRIVILEGED_PORTS = 1024
# A device that waits for its next command holds a connection, and each is a descriptor.
_MOST_FILES = 262_144


@dataclass(frozen=True)
class Service:
    """What the unit is made of. ``config`` is the settings file, ``data`` the data folder."""

    program: Path
    config: Path | None
    data: Path
    user: str
    settings: Settings


def unit_of(service: Service) -> str:
    """Return the unit file."""
    settings = service.settings
    options = [] if service.config is None else ["--config", str(service.config)]
    start = [str(service.program), "serve", *options]
    privileged = settings.port < _PRIVILEGED_PORTS
    capability = "CAP_NET_BIND_SERVICE" if privileged else ""
    # The interpreter, too: an environment anywhere may lead to one in somebody's home.
    interpreter = Path(sys.executable)
    wanted = [service.program, interpreter, service.config, settings.tls_cert, settings.tls_key]
    in_homes = [path for path in wanted if path is not None and _in_homes(path)]
    lines = [
        _MARK,
        "[Unit]",
        "Description=Moorage, control plane for fleets of devices",
        "Wants=network-online.target",
        "After=network-online.target postgresql.service",
        "StartLimitIntervalSec=0",
        "",
        "[Service]",
        "Type=exec",
        f"ExecStart={' '.join(_quoted(part) for part in start)}",
        f"User={service.user}",
        f"Group={service.user}",
        f"Environment={_quoted(f'MOORAGE_DATA={service.data}')}",
        *_places(service),
        "UMask=0077",
        "Restart=always",
        "RestartSec=2",
        "# Requests under way are finished and reports written within 20 s.",
        "TimeoutStopSec=30",
        f"LimitNOFILE={_MOST_FILES}",
        "# Memory holds keys: none of it goes into a file.",
        "LimitCORE=0",
        "",
        "NoNewPrivileges=yes",
        f"CapabilityBoundingSet={capability}",
        *([f"AmbientCapabilities={capability}"] if privileged else []),
        "ProtectSystem=strict",
        f"ProtectHome={'read-only' if in_homes else 'yes'}",
        *(f"{name}=yes" for name in _CLOSED),
        "ProtectProc=invisible",
        "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX",
        "SystemCallArchitectures=native",
        "SystemCallFilter=@system-service",
        "SystemCallFilter=~@privileged @resources",
        "SystemCallErrorNumber=EPERM",
        "",
        "[Install]",
        "WantedBy=multi-user.target",
    ]
    return "\n".join(lines) + "\n"


_CLOSED = (
    "PrivateTmp",
    "PrivateDevices",
    "ProtectClock",
    "ProtectControlGroups",
    "ProtectHostname",
    "ProtectKernelLogs",
    "ProtectKernelModules",
    "ProtectKernelTunables",
    "RestrictNamespaces",
    "RestrictRealtime",
    "RestrictSUIDSGID",
    "LockPersonality",
    "RemoveIPC",
)


def _places(service: Service) -> list[str]:
    """What may be written: the data folder, and the keys where they are elsewhere."""
    if service.data.parent == _STATE:
        lines = [f"StateDirectory={service.data.name}", "StateDirectoryMode=0700"]
    else:
        lines = [f"ReadWritePaths={_quoted(str(service.data))}"]
    keys = service.settings.keys_dir
    if keys is not None and not keys.absolute().is_relative_to(service.data):
        # "-": the first server makes the folder, if its parent may be written to.
        lines.append(f"ReadWritePaths={_quoted(f'-{keys.absolute()}')}")
    return lines


def _in_homes(path: Path) -> bool:
    places = (path.absolute(), path.resolve())
    return any(place.is_relative_to(home) for home in _HOMES for place in places)


def _quoted(part: str) -> str:
    """Write one word as systemd reads it: % and $ mean themselves."""
    plain = part.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{plain}"' if plain != part or any(sign in part for sign in " ';") else part


def users_of(service: Service) -> str:
    """Return the file by which systemd makes the user."""
    return f'{_MARK}\nu {service.user} - "Moorage" {service.data}\n'


def install(service: Service, *, root: Path, start: bool) -> list[str]:
    """Write the unit and the user, and start it; return what was done, in sentences.

    ``root`` other than / is the tree of another system, of an image: only files are written.

    Raises:
        SetupError: no systemd, not allowed, or a unit of that name that is somebody else's.

    """
    here = root == Path("/")
    if here:
        _check_systemd()
    unit = root / UNIT
    if unit.exists() and not unit.read_text("utf-8").startswith(_MARK):
        raise SetupError(
            f"there is a unit {unit} that this command did not make; move it away, or change it by "
            "hand (--print shows what would be written)"
        )
    _write(root / USERS, users_of(service))
    _write(unit, unit_of(service))
    done = [f"{root / USERS} and {unit} are written"]
    if here:
        _call("systemd-sysusers", f"/{USERS}")
        _check_program(service)
        _call("systemctl", "daemon-reload")
        if start:
            _call("systemctl", "enable", NAME)
            _call("systemctl", "restart", NAME)
        done.append("it runs, and starts with the machine" if start else "it is not started yet")
    return done


def uninstall(*, root: Path) -> list[str]:
    """Stop the service and take away what ``install`` wrote; data and user stay.

    Raises:
        SetupError: it is not there, not allowed, or not ours.

    """
    unit = root / UNIT
    if not unit.exists():
        raise SetupError(f"there is no unit {unit}: nothing is installed")
    if not unit.read_text("utf-8").startswith(_MARK):
        raise SetupError(f"the unit {unit} was not made by this command; remove it by hand")
    here = root == Path("/")
    if here:
        _check_systemd()
        _call("systemctl", "disable", "--now", NAME)
    try:
        unit.unlink()
        (root / USERS).unlink(missing_ok=True)
    except OSError as error:
        raise _refused(error) from None
    if here:
        _call("systemctl", "daemon-reload")
    return [f"{unit} is gone; the data and the user stay, remove them by hand if they are to go"]


def _check_systemd() -> None:
    if not Path("/run/systemd/system").exists() or shutil.which("systemctl") is None:
        raise SetupError(
            "this machine does not run systemd; --print shows the unit, --root writes it elsewhere"
        )
    if os.geteuid() != 0:
        raise SetupError("a service is installed by root; run it with sudo")


def _check_program(service: Service) -> None:
    """Refuse a program that the user cannot run: systemd would try that again and again."""
    try:
        done = subprocess.run(  # noqa: S603 - ourselves
            [service.program, "version"],
            user=service.user,
            group=service.user,
            extra_groups=[],
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError as error:
        why = str(error.strerror)
    else:
        if not done.returncode:
            return
        why = (done.stderr or done.stdout).strip()
    raise SetupError(
        f"the user {service.user} cannot run {service.program}: {why}; install Moorage, and the "
        "Python it runs on, where every user may read, in /opt for example"
    )


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        path.chmod(0o644)
    except OSError as error:
        raise _refused(error) from None


def _refused(error: OSError) -> SetupError:
    return SetupError(f"{error.filename} cannot be changed: {error.strerror}")


def _call(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        said = (done.stderr or done.stdout).strip()
        raise SetupError(f"'{' '.join(command)}' failed: {said}")
