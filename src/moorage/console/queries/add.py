"""What the pages read that add a device."""

import base64
import json
import re
import shlex
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from starlette.datastructures import QueryParams

from moorage.console.contexts.add import (
    Add,
    Bundle,
    Command,
    Setup,
    TokenMade,
    TokenUses,
    Tried,
    Typed,
    Waiting,
)
from moorage.console.copying import CopyAs, copy_as
from moorage.core import devices, provisioning, virtual
from moorage.core.caller import Caller, Scope
from moorage.core.devices import DEFAULT_TYPE, Device, Status
from moorage.core.provisioning import (
    Attempt,
    InstallToken,
    MadeToken,
    OfflinePayload,
    Policy,
    ProvisioningToken,
    ServerAddress,
)
from moorage.kit.qr import qr_svg
from moorage.kit.spans import spelled
from moorage.storage import Tx

LINUX, MANY, OFFLINE, VIRTUAL, API = "linux", "many", "offline", "virtual", "api"
_WAYS = (
    (LINUX, "Linux command"),
    (MANY, "Token for many"),
    (OFFLINE, "QR and device.json"),
    (VIRTUAL, "Virtual"),
    (API, "API"),
)
_NEEDS = {MANY: Scope.TOKEN_WRITE, API: Scope.DEVICE_READ}
NEVER = "never"
_LIFETIMES = (
    ("3600", "1 hour"),
    ("86400", "1 day"),
    ("604800", "7 days"),
    ("2592000", "30 days"),
    ("31536000", "1 year"),
    (NEVER, "never"),
)
_POLICIES = (
    (str(Policy.REJECT), "is refused"),
    (str(Policy.NEW), "becomes another device"),
    (str(Policy.REPLACE), "gets a new key for its device (single use only)"),
)
_PROFILES = {
    "camera": "Camera: streams, frame rates, logs",
    "meter": "Meter: a few readings, steadily",
    "gateway": "Gateway: services in containers",
    "flaky": "Flaky: loses its network, restarts",
    "storm": "Storm: much of everything at once",
}
_MOST_TRIED = 5
_LONGEST = 1_000
_UNFIT = re.compile(r"[^A-Za-z0-9._-]+")


def typed(query: QueryParams) -> Typed:
    """Read what was typed from an address, so that a tab forgets nothing of another."""
    how = query.get("how", LINUX)
    return Typed(
        name=query.get("name", "")[:_LONGEST],
        type=query.get("type", "")[:_LONGEST],
        tags=query.get("tags", "")[:_LONGEST],
        reference=query.get("reference", "")[:_LONGEST],
        how=how if how in dict(_WAYS) else LINUX,
    )


def show(caller: Caller, entered: Typed, public_url: str) -> Add:
    """Make the page before anything is made (``device:read``)."""
    caller.require(Scope.DEVICE_READ)
    return Add(
        typed=entered,
        ways=_WAYS,
        may=caller.may(_NEEDS.get(entered.how, Scope.DEVICE_UPDATE)),
        profiles=tuple((one, _PROFILES.get(one, one)) for one in virtual.PROFILES),
        lifetimes=_LIFETIMES,
        policies=_POLICIES,
        most_virtual=virtual.MOST,
        as_code=_as_code(entered, public_url),
    )


def _as_code(entered: Typed, public_url: str) -> CopyAs:
    tags = [tag for tag in (part.strip() for part in entered.tags.split(",")) if tag]
    kind, name = entered.type.strip(), entered.name.strip()
    said: dict[str, Any] = {"name": name or "camera-1"}
    said |= {"type": kind} if kind else {}
    said |= {"tags": tags} if tags else {}
    options = ["--type", kind] if kind else []
    options += [part for tag in tags for part in ("--tag", tag)]
    if entered.how == VIRTUAL:
        played = {"count": 1, "profile": "camera"} | ({"name": name} if name else {})
        sdk = f"fleet.virtual_devices.create({_arguments(played)})"
        return copy_as(public_url, "POST", "/v1/virtual-devices", body=played, sdk=sdk)
    if entered.how == MANY:
        # Behind "--" a name may begin with a dash.
        words = ["token", "create", "--unlimited", *options, "--", said["name"]]
        sdk = f"print(fleet.provisioning_tokens.create({_arguments(said)}).token)"
        path = "/v1/provisioning-tokens"
    else:
        reference = entered.reference.strip()
        said |= {"reference": reference} if reference else {}
        options += ["--reference", reference] if reference else []
        words = ["device", "add", "--wait", *options, "--", said["name"]]
        sdk = f"made = fleet.devices.create({_arguments(said)})\n    print(made.install_command)"
        path = "/v1/devices"
    return copy_as(public_url, "POST", path, body=said, cli=shlex.join(words), sdk=sdk)


def _arguments(said: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in said.items())


# --- a device that was made


async def setup(  # noqa: PLR0913 - what was just made is shown
    tx: Tx,
    caller: Caller,
    device_id: str,
    *,
    how: str,
    command: Command | None = None,
    bundle: Bundle | None = None,
) -> Setup:
    """Read how far a device is that is being set up (``device:read``)."""
    device = await devices.get(tx, caller, device_id)
    return Setup(
        device_id=device.id,
        name=device.name,
        how=OFFLINE if how == OFFLINE else LINUX,
        may=caller.may(Scope.DEVICE_UPDATE),
        waiting=await waiting(tx, caller, device_id),
        command=command or Command(device.id),
        bundle=bundle or Bundle(device.id, file_name(device)),
    )


async def waiting(tx: Tx, caller: Caller, device_id: str) -> Waiting:
    """Read what the server has seen of a device so far (``device:read``)."""
    device = await devices.get(tx, caller, device_id)
    tried = await provisioning.list_attempts(tx, caller, device_id)
    state, title, words = _state(device, tried)
    hostname = device.facts.get("hostname")
    newest = f"{tried[0].at.timestamp():.3f}" if tried else ""
    return Waiting(
        device_id=device.id,
        state=state,
        title=title,
        words=words,
        hostname=str(hostname) if hostname else None,
        tried=[tried_of(one) for one in tried[:_MOST_TRIED]],
        stamp=f"{state}-{len(tried)}-{newest}-{hostname or ''}"[:200],
    )


def _state(device: Device, tried: Sequence[Attempt]) -> tuple[str, str, str]:
    presence = device.presence
    every = spelled(timedelta(seconds=device.interval_s))
    if presence.status is not Status.NEVER_SEEN:
        told = "It reports. From here on it is among your devices."
        return "online", f"{device.name} is here", told
    if device.last_seen_at is not None:
        told = (
            f"It is let in and has its key; its first report is to come within {every}. If it does "
            "not, look at the agent's log on the device: journalctl -u moorage-agent -e"
        )
        return "enrolled", "Let in, waiting for its first report", told
    newest = tried[0] if tried else None
    if newest is not None and newest.outcome == "refused":
        told = (
            f"The server said: {newest.reason}. Make a fresh command here and paste that one; a "
            "command works once, and only until it expires."
        )
        return "refused", "The device came, and was refused", told
    if newest is not None:
        told = (
            "It has the installer and is setting up. If this stays so for a minute, the terminal "
            "on the device says what stopped it; most often it is sudo's password, or a Python "
            "older than 3.8."
        )
        return "fetched", "The installer was fetched", told
    told = (
        "Nothing has come with this device's token yet. If the command ran and failed, the device "
        "may not reach the address in it: try to open that address from the device."
    )
    return "waiting", "Waiting for your device", told


def tried_of(attempt: Attempt) -> Tried:
    """Say what was tried, and what came of it."""
    refused = attempt.outcome == "refused"
    said = f"refused: {attempt.reason}" if refused else attempt.reason
    return Tried(attempt.at, attempt.address or "an unknown address", said, refused)


def command(device_id: str, token: InstallToken, server: ServerAddress, now: datetime) -> Command:
    """Spell the line to paste."""
    left = int((token.expires_at - now).total_seconds())
    line = provisioning.install_line(server, token.text)
    return Command(device_id, line, token.expires_at, max(left, 1))


def bundle(device: Device, made: OfflinePayload) -> Bundle:
    """Draw the payload as a QR code and write it as a file, as the API hands both out."""
    readable = {name: value for name, value in made.document.items() if name != "secret"}
    text = json.dumps({"payload": made.text, **readable}, indent=2, ensure_ascii=False)
    return Bundle(
        device_id=device.id,
        file_name=file_name(device),
        qr=_data_url("image/svg+xml", qr_svg(made.text)),
        file=_data_url("application/json", text + "\n"),
        payload=made.text,
        expires_at=made.expires_at,
    )


def file_name(device: Device) -> str:
    """Return what the file is called on the computer it is loaded to: devices are told apart."""
    plain = _UNFIT.sub("-", device.name).strip("-.")[:60]
    return f"device-{plain}.json" if plain else "device.json"


def _data_url(kind: str, text: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(text.encode()).decode()}"


# --- a token for many


def token_made(made: MadeToken, server: ServerAddress, now: datetime) -> TokenMade:
    """Spell a token for many and the line it goes into."""
    line = provisioning.install_line(server, made.text)
    return TokenMade(uses_of(made.token, now), made.token.expires_at, line, made.text)


async def token_uses(tx: Tx, caller: Caller, token_id: str) -> TokenUses:
    """Read how many devices came with a token (``token:read``)."""
    return uses_of(await provisioning.get_token(tx, caller, token_id), tx.now)


def uses_of(token: ProvisioningToken, now: datetime) -> TokenUses:
    """Say how far a token is used up."""
    state = state_of(token, now)
    return TokenUses(
        id=token.id,
        name=token.name,
        state=state,
        use_count=token.use_count,
        max_uses=token.max_uses,
        last_used_at=token.last_used_at,
        stamp=f"{state}-{token.use_count}",
    )


def state_of(token: ProvisioningToken, now: datetime) -> str:
    """Say whether a device can enrol with a token: usable, used up, expired, revoked."""
    if token.revoked_at is not None:
        return "revoked"
    if token.max_uses is not None and token.use_count >= token.max_uses:
        return "used up"
    if token.expires_at is not None and token.expires_at <= now:
        return "expired"
    return "usable"


def default_type(text: str) -> str:
    """Return the type that was typed, or the one devices have that were given none."""
    return text.strip() or DEFAULT_TYPE
