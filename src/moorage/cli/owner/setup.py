"""Setting a device up: what was tried, a payload for one without a network, another key."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from moorage import sdk
from moorage.cli.owner import drawing, output
from moorage.cli.owner.files import private_file
from moorage.cli.owner.outcomes import usage
from moorage.cli.owner.session import connected, device_id, find
from moorage.cli.owner.text import seconds, time_text


def attempts(profile: str | None, named: str, *, as_json: bool) -> None:
    """Print what was tried with a device's install tokens, newest first."""
    with connected(profile) as client:
        found = list(client.devices.attempts(device_id(client, named)))
    if as_json:
        output.emit(found)
        return
    output.table(
        ["at", "from", "outcome", "reason"],
        [[time_text(one.at), one.address or "", one.outcome, one.reason] for one in found],
    )


def release(profile: str | None, named: str, *, dry_run: bool, as_json: bool) -> None:
    """Let a device's hardware enrol anew into its record, once."""
    with connected(profile) as client:
        if dry_run:
            before = find(client, named)
            output.dry_run(before, {**sdk.encode(before), "released_at": "now"}, as_json=as_json)
            return
        released = client.devices.release(device_id(client, named))
    if as_json:
        output.emit(released)
    else:
        output.say(
            f"released {released.name} ({released.id}): its hardware may enrol anew into this "
            "record, once; until then its key works"
        )


def rotate_key(profile: str | None, named: str, *, yes: bool, dry_run: bool, as_json: bool) -> None:
    """Give a device another key, shown once; the present one stops at once."""
    with connected(profile) as client:
        device = find(client, named)
        if dry_run:
            keys = ({"device": device.id, "key": one} for one in ("the present one", "another"))
            output.dry_run(*keys, as_json=as_json)
            return
        output.confirm(f"ending the present key of {device.name} ({device.id})", yes=yes)
        made = client.devices.rotate_key(device.id)
        if made.device_key is None:
            # The first answer was lost, and the key with it.
            made = client.devices.rotate_key(device.id)
    if as_json:
        output.emit(made)
        return
    output.note(
        f"the new key of {device.name} ({device.id}) is shown this once; what has the old one is "
        f"refused. The Moorage agent takes no key, `moorage token create {device.id}` makes the "
        "line that gives it one"
    )
    output.say(str(made.device_key))


@dataclass(frozen=True)
class Places:
    """Where a payload goes: the picture, ``device.json``, and whether it is shown as well."""

    qr: Path | None
    file: Path | None
    force: bool
    show: bool

    @property
    def files(self) -> list[Path]:
        """Return the files that are wanted."""
        return [path for path in (self.qr, self.file) if path is not None]

    @property
    def names(self) -> list[str]:
        """Return the files' names."""
        return [str(path) for path in self.files]

    @property
    def shown(self) -> bool:
        """Whether it is shown: when asked for, or when it would go nowhere else."""
        return self.show or not self.files


def payload(
    profile: str | None,
    named: str,
    places: Places,
    *,
    expires_in: str | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Make a payload for a device without a network and put it where it is wanted.

    A fresh payload ends the one before, so all that can be refused is refused before it is made.

    Raises:
        Refused: a file cannot be written.

    """
    drawn = places.shown and not as_json and sys.stdout.isatty()
    expires_in_s = None if expires_in is None else seconds(expires_in)
    with connected(profile) as client:
        if dry_run:
            wanted = {"device": find(client, named).id, "expires_in_s": expires_in_s}
            output.dry_run(None, {**wanted, "files": places.names}, as_json=as_json)
            return
        device = device_id(client, named)
        key = client.server.key().public_key
        with _opened(places) as files:
            made = _made(client, device, expires_in_s)
            if places.qr is not None:
                files[places.qr].write(str(made.qr_svg).encode())
            if places.file is not None:
                document = output.pretty(made.device_json) + "\n"
                files[places.file].write(document.encode())
    if as_json:
        secret = sdk.encode(made) if places.shown else {"expires_at": sdk.encode(made.expires_at)}
        output.emit({"device": device, **secret, "server_key": key, "files": places.names})
        return
    for path in places.files:
        output.say(f"wrote {path}")
    if places.shown:
        _show(str(made.payload), drawn=drawn)
    output.note(
        f"until {time_text(made.expires_at)} whoever has it can enrol as {device}, once; the agent "
        f"believes it with --server-key={key}"
    )


def _made(client: sdk.Moorage, device: str, expires_in_s: int | None) -> sdk.OfflinePayload:
    made = client.devices.provisioning(device, expires_in_s=expires_in_s)
    if made.replayed:
        # The first answer was lost, and the payload with it.
        made = client.devices.provisioning(device, expires_in_s=expires_in_s)
    return made


def _show(text: str, *, drawn: bool) -> None:
    if drawn:
        if drawing.on_terminal(text):
            return
        output.note("the terminal is too narrow for the code; here is its text")
    output.say(text)


@contextmanager
def _opened(places: Places) -> Iterator[dict[Path, IO[bytes]]]:
    """Open the files that are wanted; they are there when all is well, else none is."""
    if places.qr is not None and places.qr == places.file:
        raise usage("--qr and --file name the same file")
    with ExitStack() as stack:
        yield {
            path: stack.enter_context(private_file(path, force=places.force))
            for path in places.files
        }
