"""Options that many commands share."""

from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Show what would change, and change nothing.")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
ProfileName = Annotated[
    str | None,
    typer.Option(
        "--profile",
        help="Use the server and key stored under this name (MOORAGE_PROFILE, else `default`).",
        show_default=False,
    ),
]
Device = Annotated[
    str, typer.Argument(metavar="DEVICE", help="Its id, its reference, or a name only it has.")
]
Devices = Annotated[
    list[str],
    typer.Argument(metavar="DEVICE...", help="Ids, references, or names only one device has."),
]
Since = Annotated[
    str | None,
    typer.Option(help="From then on: 15m, 24h, 7d ago, or a time (ISO 8601).", show_default=False),
]
Until = Annotated[
    str | None, typer.Option(help="Until before then, spelled alike.", show_default=False)
]
Limit = Annotated[int, typer.Option(min=1, max=1_000_000, help="At most so many, newest first.")]
Every = Annotated[float, typer.Option(min=0.5, max=3600, help="Ask the server so often (seconds).")]
