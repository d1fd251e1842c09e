"""Workspaces: listed, shown, made, changed; with the administration's key all of them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from moorage import sdk
from moorage.cli.owner import output
from moorage.cli.owner.outcomes import Refused, usage
from moorage.cli.owner.session import connected
from moorage.cli.owner.text import time_text


def list_workspaces(profile: str | None, *, as_json: bool) -> None:
    """Print workspaces by slug."""
    with connected(profile) as client:
        found = list(client.workspaces.iterate())
    if as_json:
        output.emit(found)
        return
    output.table(
        ["slug", "name", "features", "made", "id"],
        [
            [one.slug, one.name, " ".join(one.features), time_text(one.created_at), one.id]
            for one in found
        ],
    )


def get(profile: str | None, slug: str, *, as_json: bool) -> None:
    """Print one workspace."""
    with connected(profile) as client:
        found = client.workspaces.get(_checked(slug))
    if as_json:
        output.emit(found)
        return
    output.facts(
        {
            "slug": found.slug,
            "name": found.name,
            "features": " ".join(found.features),
            "id": found.id,
            "made": time_text(found.created_at),
            **{
                f"keeps {name.removesuffix('_days')}": f"{days:g} days"
                + (" (its own choice)" if name in found.retention_own else "")
                for name, days in found.retention.items()
            },
        }
    )


def create(
    profile: str | None,
    slug: str,
    *,
    name: str | None,
    features: Sequence[str],
    dry_run: bool,
    as_json: bool,
) -> None:
    """Make a workspace and show its first keys, once."""
    with connected(profile) as client:
        if dry_run:
            wanted = {"slug": slug, "name": name, "features": list(features)}
            output.dry_run(None, wanted, as_json=as_json)
            return
        made = client.workspaces.create(slug, name=name, features=features)
    if made.api_key is None:
        raise Refused(
            f"the workspace {made.slug} was made, but the answer with its keys was lost on the "
            f"way; `moorage bootstrap --workspace {made.slug}` on the server makes fresh ones"
        )
    if as_json:
        output.emit(made)
        return
    output.note(f"made {made.slug} ({made.id}); its keys are shown this once")
    output.facts({"live key": made.api_key, "test key": made.test_api_key})


def update(
    profile: str | None,
    slug: str,
    *,
    name: str | None,
    features: Sequence[str] | None,
    no_features: bool,
    keep: Mapping[str, str | None],
    dry_run: bool,
    as_json: bool,
) -> None:
    """Change what is given. ``keep`` has the days of each kind as they were typed."""
    retention = {name: _days(name, text) for name, text in keep.items() if text is not None}
    if features and no_features:
        raise usage("use either --feature or --no-features")
    wanted = [] if no_features else list(features) if features else None
    if name is None and wanted is None and not retention:
        raise usage("say what to change: --name, --feature, --no-features or --keep-...")
    with connected(profile) as client:
        before = client.workspaces.get(_checked(slug))
        if dry_run:
            after = replace(
                before,
                name=before.name if name is None else name,
                features=before.features if wanted is None else tuple(sorted(wanted)),
                # How long everybody keeps a kind is not known here; it is left out.
                retention={
                    name: days
                    for name, days in {**before.retention, **retention}.items()
                    if days is not None
                },
                retention_own=tuple(
                    sorted(
                        ({*before.retention_own} | retention.keys())
                        - {name for name, days in retention.items() if days is None}
                    )
                ),
            )
            output.dry_run(before, after, as_json=as_json)
            return
        changed: sdk.Workspace = client.workspaces.update(
            before.slug, name=name, features=wanted, retention=retention or None
        )
    if as_json:
        output.emit(changed)
    else:
        output.show_difference(before, changed, as_json=False)


def _days(name: str, text: str) -> float | None:
    if text == "default":
        return None
    try:
        return float(text)
    except ValueError:
        option = f"--keep-{name.removesuffix('_days')}"
        raise usage(f"{option} takes a number of days, or 'default'") from None


def _checked(slug: str) -> str:
    if not slug.strip("."):
        raise usage("name a workspace by its slug; `moorage workspace list` lists them")
    return slug
