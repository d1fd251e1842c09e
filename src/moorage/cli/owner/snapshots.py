"""``stream snapshot``: a picture asked of a device, and put where it is wanted."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from moorage.cli.owner import output, sending
from moorage.cli.owner.files import private_file
from moorage.cli.owner.following import Asking
from moorage.cli.owner.outcomes import Refused, usage
from moorage.cli.owner.running import stream_id
from moorage.cli.owner.session import connected, device_id


def snapshot(
    profile: str | None,
    named: str,
    stream: str,
    file: Path | None,
    asking: Asking,
    *,
    force: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Have a device make a picture of a stream, wait for it, and write it.

    Where it goes is settled before the device is asked: a camera is not to be used for nothing.

    Raises:
        Refused: it cannot be written, the device could not make it, or it was not in time.
        NotFound: there is no such device, or the picture is gone again.

    """
    if as_json and file is None:
        raise usage("--json prints what was done, so name a file for the picture with --output")
    with connected(profile) as client:
        device = device_id(client, named)
        wanted = stream_id(client, device, stream)
        if dry_run:
            body = {"kind": "snapshot", "arguments": {"stream_id": wanted}}
            place = None if file is None else str(file)
            output.dry_run(None, {"device": device, **body, "file": place}, as_json=as_json)
            return
        with _opened(file, force=force) as target:
            sent = client.streams.act(device, wanted, "snapshot")
            done = sending.wait_for(client, device, sent, asking)
            if done.state != "succeeded":
                why = f": {done.error}" if done.error else ""
                raise Refused(f"there is no picture, {done.id} {done.state}{why}")
            jpeg = client.streams.snapshot(device, wanted)
            target.write(jpeg)
    if as_json:
        output.emit({"command": done, "file": str(file), "bytes": len(jpeg)})
    elif file is not None:
        output.say(f"wrote {file} ({len(jpeg)} bytes)")


@contextmanager
def _opened(file: Path | None, *, force: bool) -> Iterator[IO[bytes]]:
    if file is not None:
        with private_file(file, force=force) as target:
            yield target
        return
    if sys.stdout.isatty():
        raise usage("a terminal cannot show a picture; use --output FILE.jpg, or a pipe")
    yield sys.stdout.buffer
    sys.stdout.buffer.flush()
