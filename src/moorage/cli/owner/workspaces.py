"""Workspaces: listed, shown, made, changed; with the administration's key all of them."""

from collections.abc import Sequence
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
    dry_run: bool,
    as_json: bool,
) -> None:
    """Change what is given."""
    if features and no_features:
        raise usage("use either --feature or --no-features")
    wanted = [] if no_features else list(features) if features else None
    if name is None and wanted is None:
        raise usage("say what to change: --name, --feature or --no-features")
    with connected(profile) as client:
        before = client.workspaces.get(_checked(slug))
        if dry_run:
            after = replace(
                before,
                name=before.name if name is None else name,
                features=before.features if wanted is None else tuple(sorted(wanted)),
            )
            output.dry_run(before, after, as_json=as_json)
            return
        changed: sdk.Workspace = client.workspaces.update(before.slug, name=name, features=wanted)
    if as_json:
        output.emit(changed)
    else:
        output.show_difference(before, changed, as_json=False)


def _checked(slug: str) -> str:
    if not slug.strip("."):
        raise usage("name a workspace by its slug; `moorage workspace list` lists them")
    return slug
